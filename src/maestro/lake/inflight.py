"""What was read from a source and is not yet known to be in the table: the rules of exactly-once, without threads.

Changes are taken in the order they were read. A take covers whole polls, so its positions are true of all that came
before; nothing is acknowledged to the source before the table has committed it; and a poll that brought no change
moves the source on only when nothing read before it still waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs
import msgspec

from maestro.kernel.instants import EPOCH
from maestro.lake.changes import EVENT_TIME, OP, Op
from maestro.lake.pacing import Pending
from maestro.ports.changes import Polled
from maestro.ports.lake import Poison, Positions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["InFlight", "Take", "furthest"]


class _Chunk(msgspec.Struct, frozen=True):
    polled: Polled
    rows: int
    arrived: float
    oldest: datetime | None


class Take(msgspec.Struct, frozen=True):
    """A micro-batch: the polls it covers, as one.

    Attributes:
        batch: their changes; None when they brought poison alone.
        positions: how far the source is taken with it.
        poison: events to keep aside, before the positions move.
        oldest: when the oldest of its changes was committed at the source.
    """

    batch: pa.Table | None
    positions: Positions
    poison: Sequence[Poison]
    oldest: datetime | None
    rows: int
    bytes: int


def furthest(positions: Iterable[Positions]) -> dict[str, int]:
    """Per lane the greatest number of several positions."""
    found: dict[str, int] = {}
    for each in positions:
        for lane, number in each.items():
            found[lane] = max(number, found.get(lane, number))
    return found


@attrs.define
class InFlight:
    """Polls on their way to the table. Times are seconds of a monotonic clock."""

    _waiting: deque[_Chunk] = attrs.field(factory=deque, init=False)
    _taken: Take | None = attrs.field(default=None, init=False)
    _done: dict[str, int] = attrs.field(factory=dict, init=False)

    def offer(self, polled: Polled, at: float) -> None:
        """One more poll."""
        rows = polled.batch.num_rows if polled.batch is not None else 0
        if rows or polled.poison:
            self._waiting.append(_Chunk(polled, rows, at, _oldest(polled.batch)))
        elif polled.positions:
            if self._waiting or self._taken is not None:
                self._waiting.append(_Chunk(polled, 0, at, None))
            else:
                self._done = furthest((self._done, polled.positions))

    def pending(self, at: float) -> Pending:
        """What waits for a commit; what is being committed is not in it."""
        first = next((chunk.arrived for chunk in self._waiting if chunk.rows or chunk.polled.poison), at)
        # An event that is only to be kept aside counts as one, or it would wait for ever.
        rows = sum(chunk.rows or len(chunk.polled.poison) for chunk in self._waiting)
        return Pending(rows, sum(chunk.polled.size for chunk in self._waiting), at - first)

    @property
    def rows(self) -> int:
        """Changes in memory."""
        return sum(chunk.rows for chunk in self._waiting) + (self._taken.rows if self._taken else 0)

    @property
    def bytes(self) -> int:
        """Their bytes, as they came over the wire."""
        return sum(chunk.polled.size for chunk in self._waiting) + (self._taken.bytes if self._taken else 0)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest change in memory was committed at the source."""
        known = [chunk.oldest for chunk in self._waiting] + [self._taken.oldest if self._taken else None]
        return min((each for each in known if each is not None), default=None)

    def take(self, rows: int, size: int) -> Take:
        """The next micro-batch: whole polls until one of the bounds is met, at least one poll."""
        import pyarrow as pa

        chunks: list[_Chunk] = []
        have = weight = 0
        while self._waiting and (not chunks or (have < rows and weight < size)):
            chunk = self._waiting.popleft()
            chunks.append(chunk)
            have += chunk.rows
            weight += chunk.polled.size
        batches = [chunk.polled.batch for chunk in chunks if chunk.polled.batch is not None]
        self._taken = Take(
            pa.concat_tables(batches) if batches else None,
            furthest(chunk.polled.positions for chunk in chunks),
            [each for chunk in chunks for each in chunk.polled.poison],
            min((chunk.oldest for chunk in chunks if chunk.oldest is not None), default=None),
            have,
            weight,
        )
        return self._taken

    def committed(self) -> None:
        """The table has what was taken last."""
        if self._taken is not None:
            self._done = furthest((self._done, self._taken.positions))
            self._taken = None

    def acknowledge(self) -> Positions:
        """What the source may be told now, once; empty when there is nothing new."""
        told, self._done = self._done, {}
        return told


def _oldest(batch: pa.Table | None) -> datetime | None:
    """Rows read by a snapshot or a backfill are old by nature and do not count."""
    if batch is None:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    live = batch.filter(pc.not_equal(batch[OP], Op.READ.value))[EVENT_TIME]
    micros = pc.min(pc.cast(live, pa.int64())).as_py()
    return None if micros is None else EPOCH + micros * _MICROSECOND


_MICROSECOND = timedelta(microseconds=1)
