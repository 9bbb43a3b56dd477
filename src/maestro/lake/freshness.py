"""How fresh a table is: the age of events when they became visible, and of what still waits.

Averages hide the stall that matters and "now minus the last commit" blames a silent source, so neither is used. The
gauge is the greater of the 95th percentile of the last minute's events and the age of the oldest change that is known
and waits; when a source sends heartbeats, their absence counts as waiting too.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs
import msgspec

from maestro.lake.changes import EVENT_TIME, OP, Op

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BUCKETS", "SLO_SECONDS", "Ages", "Freshness", "ages_of"]

SLO_SECONDS = 90.0
"""How old an event may be when readers see it."""

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 90.0, 120.0, 300.0, 900.0, 3600.0)
"""Upper bounds of the histogram ``mc_cdc_event_freshness_seconds``, in seconds; the objective is one of them."""

_STEP = 1.05
"""Width of the fine classes that percentiles are read from: at most 5 % too high."""
_WINDOW = timedelta(seconds=60)


class Ages(msgspec.Struct, frozen=True):
    """The ages of one commit's events.

    Attributes:
        live: how many are changes (not read by a snapshot or a backfill) and tell their time.
        snapshot: how many were read by a snapshot or a backfill: they are old by nature and counted apart.
        ahead: how many are from the future, by our clock; they count as age 0.
        seconds: sum of the ages.
        fine: how many of each fine class.
        histogram: how many are at most as old as each of ``BUCKETS``.
    """

    live: int = 0
    snapshot: int = 0
    ahead: int = 0
    seconds: float = 0.0
    fine: Mapping[int, int] = {}
    histogram: tuple[int, ...] = (0,) * len(BUCKETS)


def ages_of(batch: pa.Table, committed_at: datetime) -> Ages:
    """The ages of a batch's events at the instant at which they became visible."""
    import pyarrow as pa
    import pyarrow.compute as pc

    read = pc.equal(batch[OP], Op.READ.value)
    snapshot = pc.sum(read).as_py() or 0
    times = batch.filter(pc.invert(read))[EVENT_TIME].drop_null()
    if not len(times):
        return Ages(snapshot=snapshot)
    now = pa.scalar(committed_at, type=pa.timestamp("us", tz="UTC"))
    raw = pc.divide(pc.cast(pc.cast(pc.subtract(now, times), pa.int64()), pa.float64()), 1e6)
    ages = pc.max_element_wise(raw, 0.0)
    classes = pc.cast(
        pc.floor(pc.divide(pc.ln(pc.max_element_wise(ages, 1e-3)), math.log(_STEP))), pa.int32()
    )
    return Ages(
        live=len(times),
        snapshot=snapshot,
        ahead=pc.sum(pc.less(raw, 0.0)).as_py() or 0,
        seconds=pc.sum(ages).as_py(),
        fine={pair["values"]: pair["counts"] for pair in pc.value_counts(classes).to_pylist()},
        histogram=tuple(pc.sum(pc.less_equal(ages, edge)).as_py() or 0 for edge in BUCKETS),
    )


@attrs.define
class Freshness:
    """The freshness of one table, fed by its follower.

    Attributes:
        slo: seconds that must not be exceeded.
        heartbeat_every: seconds between the source's heartbeats; None when it sends none.
    """

    slo: float = SLO_SECONDS
    heartbeat_every: float | None = None
    _recent: deque[tuple[datetime, Ages]] = attrs.field(factory=deque, init=False)
    _oldest: datetime | None = attrs.field(default=None, init=False)
    _heard: datetime | None = attrs.field(default=None, init=False)
    _skewed_at: datetime | None = attrs.field(default=None, init=False)

    def committed(self, ages: Ages, now: datetime) -> None:
        """These events are visible from now on."""
        self._recent.append((now, ages))
        self._forget(now)
        if ages.ahead:
            self._skewed_at = now

    def waiting(self, oldest: datetime | None) -> None:
        """The oldest change that is known and not visible yet was committed at the source then; None: none waits."""
        self._oldest = oldest

    def quiet(self, at: datetime) -> None:
        """The source has told all that it committed up to this instant."""
        self._heard = at if self._heard is None else max(self._heard, at)

    def seconds(self, now: datetime) -> float:
        """The gauge ``mc_cdc_freshness_s``, never negative."""
        self._forget(now)
        waits = 0.0 if self._oldest is None else (now - self._oldest).total_seconds()
        silence = 0.0
        if self.heartbeat_every is not None and self._heard is not None:
            silence = (now - self._heard).total_seconds() - self.heartbeat_every
        return max(0.0, waits, silence, self.quantile(0.95))

    def quantile(self, share: float) -> float:
        """The age that this share of the last minute's events did not exceed, in seconds; 0 without events."""
        counts: Counter[int] = Counter()
        for _, ages in self._recent:
            counts.update(ages.fine)
        left = share * counts.total()
        for fine in sorted(counts):
            left -= counts[fine]
            if left <= 0:
                return 0.0 if fine <= _ZERO else float(_STEP ** (fine + 1))
        return 0.0

    @property
    def skewed_at(self) -> datetime | None:
        """When an event from the future was last seen: the source's clock or ours is wrong."""
        return self._skewed_at

    def _forget(self, now: datetime) -> None:
        while self._recent and now - self._recent[0][0] > _WINDOW:
            self._recent.popleft()


_ZERO = math.floor(math.log(1e-3) / math.log(_STEP))
"""The class of ages below a millisecond."""
