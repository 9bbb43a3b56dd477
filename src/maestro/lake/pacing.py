"""How large the next micro-batch is, when it is committed and by which way: a controller between latency and cost.

A commit costs a fixed part (planning, files, the log) and a part for each row. Both are learnt from the commits that
were made. The fixed part asks for few large commits, the events for many small ones: the interval is the shortest at
which commits keep the follower busy for no more than the share it is allowed. When merging cannot keep up, batches go
to the side log, which is many times cheaper, and are folded into the table once it is calm.
"""

from __future__ import annotations

import math
from enum import StrEnum

import attrs
import msgspec

from maestro.kernel.errors import BadInputError

__all__ = ["Cost", "Decision", "Gate", "Pace", "Pacer", "Pending", "Way"]


class Way(StrEnum):
    """How a batch gets into the table."""

    MERGE = "merge"
    APPEND = "append"


class Pace(msgspec.Struct, frozen=True):
    """What the owner allows.

    Attributes:
        shortest: seconds between commits at least.
        longest: seconds that a change waits for company at most.
        rows: changes of one commit at most.
        bytes: bytes of one commit at most, as they came over the wire.
        busy: share of the time that commits may take.
        slo: seconds that an event may be old when it is visible.
        fold_every: seconds between folds of the side log when there is something in it.
        upkeep_every: seconds between rounds of upkeep.
    """

    shortest: float = 0.25
    longest: float = 10.0
    rows: int = 100_000
    bytes: int = 64 * 1024 * 1024
    busy: float = 0.5
    slo: float = 90.0
    fold_every: float = 30.0
    upkeep_every: float = 120.0

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest or not 0 < self.busy < 1 or min(self.rows, self.bytes) < 1:
            raise BadInputError(
                "contradicts itself.",
                field="pace",
                value=self,
                remedy="0 < shortest ≤ longest, 0 < busy < 1, rows and bytes at least 1.",
            )


class Pending(msgspec.Struct, frozen=True):
    """What was read and is not committed: changes, their bytes, and the seconds that the first of them waits."""

    rows: int = 0
    bytes: int = 0
    waited: float = 0.0


class Decision(msgspec.Struct, frozen=True):
    """What to do now: commit by this way, or look again after ``wait`` seconds."""

    commit: bool
    way: Way = Way.MERGE
    wait: float = 0.0


@attrs.define
class Cost:
    """Seconds of a commit as ``fixed + each * rows``, least squares over the commits made, older ones fading.

    Attributes:
        fixed: the first guess of the fixed part, seconds.
        each: the first guess of a row's part, seconds.
    """

    fixed: float
    each: float
    _sums: list[float] = attrs.field(factory=lambda: [0.0] * 5, init=False)

    def learn(self, rows: int, seconds: float) -> None:
        """One more commit."""
        fade = 0.9
        new = (1.0, float(rows), seconds, float(rows) ** 2, rows * seconds)
        self._sums = [fade * old + fresh for old, fresh in zip(self._sums, new, strict=True)]
        n, x, y, xx, xy = self._sums
        spread = n * xx - x * x
        if spread > 1e-6 * n * xx:
            self.each = max(0.0, (n * xy - x * y) / spread)
        self.fixed = max(0.0, (y - self.each * x) / n)

    def of(self, rows: float) -> float:
        """Seconds that a commit of so many rows is expected to take."""
        return self.fixed + self.each * rows


@attrs.define
class Gate:
    """Backpressure with hysteresis: closed above twice the bound, open again below it.

    Pausing a source costs it its prefetched messages, so it must not flutter.
    """

    rows: int
    bytes: int
    closed: bool = False

    def judge(self, rows: int, size: int) -> bool:
        """Whether the source is to be paused with so much in memory."""
        if self.closed:
            self.closed = rows > self.rows or size > self.bytes
        else:
            self.closed = rows > 2 * self.rows or size > 2 * self.bytes
        return self.closed


@attrs.define
class Pacer:
    """Decides from what is pending; learns from what commits took. All times are seconds of a monotonic clock."""

    pace: Pace = attrs.field(factory=Pace)
    _merge: Cost = attrs.field(factory=lambda: Cost(0.1, 3e-6), init=False)
    _append: Cost = attrs.field(factory=lambda: Cost(0.03, 5e-7), init=False)
    _rate: float = attrs.field(default=0.0, init=False)
    _arrived: tuple[float, int] | None = attrs.field(default=None, init=False)
    _logged: int = attrs.field(default=0, init=False)
    _folded: float | None = attrs.field(default=None, init=False)
    _kept_up: float | None = attrs.field(default=None, init=False)

    def arrived(self, rows: int, at: float) -> None:
        """So many more changes were read."""
        if self._arrived is None:
            self._arrived = (at, rows)
            return
        since, count = self._arrived
        span = at - since
        if span < 0.5:
            self._arrived = (since, count + rows)
            return
        weight = 1 - math.exp(-span / 5)
        self._rate += weight * ((count + rows) / span - self._rate)
        self._arrived = (at, 0)

    def committed(self, way: Way, rows: int, seconds: float) -> None:
        """A commit was made."""
        (self._merge if way is Way.MERGE else self._append).learn(rows, seconds)

    def logged(self, rows: int) -> None:
        """So many changes went to the side log."""
        self._logged += rows

    @property
    def rate(self) -> float:
        """Changes a second that arrive, smoothed over some five seconds."""
        return self._rate

    @property
    def interval(self) -> float:
        """Seconds between commits at the present rate."""
        left = self.pace.busy - self._merge.each * self._rate
        wanted = self._merge.fixed / left if left > 0 else self.pace.longest
        return min(max(wanted, self.pace.shortest), self.pace.longest)

    @property
    def pressed(self) -> bool:
        """Merging takes more of the time than it may."""
        return self._merge.each * self._rate >= self.pace.busy

    def decide(self, pending: Pending, *, behind: int = 0, ending: bool = False) -> Decision:
        """What to do now.

        Args:
            pending: what was read and waits.
            behind: changes that wait in the source beyond that.
            ending: the follower is to stop: commit what there is.
        """
        if not pending.rows:
            return Decision(commit=False, wait=self.interval)
        full = pending.rows >= self.pace.rows or pending.bytes >= self.pace.bytes
        due = self.interval - pending.waited
        if not (full or ending or due <= 0):
            return Decision(commit=False, wait=due)
        # All that waits, merged in batches of this size, must be through well before the objective.
        batches = 1 + behind / max(1, pending.rows)
        late = pending.waited + batches * self._merge.of(pending.rows) > self.pace.slo / 3
        return Decision(commit=True, way=Way.APPEND if self.pressed or late else Way.MERGE)

    def fold_due(self, at: float, *, behind: int = 0) -> bool:
        """Whether to fold the side log now; asked between commits."""
        if self._folded is None:
            self._folded = at
        calm = not self.pressed and behind < self.pace.rows
        # However busy it is, a log that is never folded makes every reader slow.
        overdue = at - self._folded > 20 * self.pace.fold_every
        return self._logged > 0 and at - self._folded >= self.pace.fold_every and (calm or overdue)

    def folded(self, at: float) -> None:
        """The side log was folded."""
        self._folded, self._logged = at, 0

    def upkeep_due(self, at: float, *, behind: int = 0) -> bool:
        """Whether a round of upkeep is in nobody's way now."""
        if self._kept_up is None:
            self._kept_up = at
        return at - self._kept_up >= self.pace.upkeep_every and not self.pressed and behind < self.pace.rows

    def kept_up(self, at: float) -> None:
        """A round of upkeep was made."""
        self._kept_up = at

    def desired_sinks(self, *, behind: int, lanes: int) -> int:
        """How many followers the table wants: for what arrives, and to catch up within half the objective.

        A hint for an autoscaler; more than there are lanes would have nothing to read.
        """
        # Merging is what each further follower adds; the side log only puts it off.
        capacity = self.pace.busy / max(self._merge.each, 1e-7)
        catching_up = behind / (self.pace.slo / 2)
        return max(1, min(lanes, math.ceil((self._rate + catching_up) / capacity)))
