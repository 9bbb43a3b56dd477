"""A clock that cannot be turned back: not by a step, not by a restart (ADR-1115).

Two clocks tell the time: the wall clock, which can be set, and the *line*, which starts at the wall clock and then
follows the boot clock, which cannot. Trusted time is the later of the two, and never less than the greatest time seen.

- Wall clock set back: the line goes on.
- Wall clock set forward: followed at once, since that can only end trust too early.
- A forward step taken back: which of the two was wrong cannot be known. The clock says how far it is behind, and
  until it has caught up nothing may be decided.
- Another boot: the line begins anew at the wall clock; the greatest time seen stays.
"""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["TOLERANCE", "ClockState", "TrustedClock"]

TOLERANCE: Final = 1_000_000_000
"""Nanoseconds that the clocks may be behind without being called so: what a time daemon's small step takes back."""


class ClockState(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What is kept of the clock. All in nanoseconds.

    Attributes:
        seen: the greatest trusted time, since 1970.
        boot: id of the boot in which the line began.
        began_wall: the wall clock then.
        began_boot: the boot clock then.
    """

    seen: int
    boot: str
    began_wall: int
    began_boot: int


class TrustedClock:
    """Trusted time from readings of both clocks.

    Readings may come from several threads: what a race can lose is the newest of two readings taken at once.

    Args:
        kept: what an earlier process left; None at the first start.
        wall: the wall clock now, nanoseconds since 1970.
        boot: id of this boot.
        nanoseconds: the boot clock now.
    """

    __slots__ = ("_began_boot", "_began_wall", "_boot", "_seen")

    def __init__(self, kept: ClockState | None, wall: int, boot: str, nanoseconds: int) -> None:
        self._boot = boot
        self._seen = wall if kept is None else kept.seen
        if kept is not None and kept.boot == boot:
            self._began_wall, self._began_boot = kept.began_wall, kept.began_boot
        else:
            self._began_wall, self._began_boot = wall, nanoseconds
        self.read(wall, nanoseconds)

    def read(self, wall: int, nanoseconds: int) -> int:
        """Trusted time at a reading of both clocks; never less than before."""
        best = self._best(wall, nanoseconds)
        self._seen = max(self._seen, best)
        return self._seen

    def behind(self, wall: int, nanoseconds: int) -> int:
        """By how much the clocks show less than was seen, 0 within the tolerance."""
        lack = self._seen - self._best(wall, nanoseconds)
        return lack if lack > TOLERANCE else 0

    def ahead(self, wall: int, nanoseconds: int) -> int:
        """By how much trusted time is ahead of the wall clock, as after the wall clock was set back."""
        return max(self.read(wall, nanoseconds) - wall, 0)

    def reset(self, wall: int, nanoseconds: int) -> None:
        """Believe the wall clock and forget the rest: an operator's decision."""
        self._seen = self._began_wall = wall
        self._began_boot = nanoseconds

    def state(self) -> ClockState:
        """What is to be kept."""
        return ClockState(self._seen, self._boot, self._began_wall, self._began_boot)

    def _best(self, wall: int, nanoseconds: int) -> int:
        line = self._began_wall + nanoseconds - self._began_boot
        return max(line, wall)
