"""Trusted time from this machine's clocks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from maestro.edge.clock import ClockState, TrustedClock
from maestro.kernel.instants import EPOCH
from maestro.ports.clock import BootClock, Clock

__all__ = ["BothClocks", "EdgeClock"]

_MICROSECOND: Final = timedelta(microseconds=1)


class BothClocks(Clock, BootClock, Protocol):
    """The wall clock and the boot clock of one machine."""


class EdgeClock:
    """A ``TrustedClock`` with the clocks that it reads.

    Args:
        clocks: of this machine.
        kept: what an earlier process left.
    """

    def __init__(self, clocks: BothClocks, kept: ClockState | None = None) -> None:
        self._clocks = clocks
        self._trusted = TrustedClock(kept, self._wall(), clocks.boot_id(), clocks.nanoseconds())

    def wall(self) -> datetime:
        """What the wall clock shows; policies are asked about this instant."""
        return self._clocks.now()

    def now(self) -> datetime:
        """Trusted time."""
        return instant(self.nanoseconds())

    def nanoseconds(self) -> int:
        """Trusted time since 1970."""
        return self._trusted.read(self._wall(), self._clocks.nanoseconds())

    def allows(self, until: int) -> bool:
        """Whether trusted time is before an instant (nanoseconds since 1970), and the clocks are not behind."""
        wall, nanoseconds = self._wall(), self._clocks.nanoseconds()
        return self._trusted.read(wall, nanoseconds) < until and not self._trusted.behind(wall, nanoseconds)

    def is_behind(self) -> bool:
        """Whether the clocks show less time than was seen."""
        return self._trusted.behind(self._wall(), self._clocks.nanoseconds()) > 0

    def facts(self) -> Mapping[str, float]:
        """How trusted time stands to the wall clock, in seconds."""
        wall, nanoseconds = self._wall(), self._clocks.nanoseconds()
        return {
            "behindSeconds": self._trusted.behind(wall, nanoseconds) / 1e9,
            "aheadSeconds": self._trusted.ahead(wall, nanoseconds) / 1e9,
        }

    def reset(self) -> None:
        """Believe the wall clock."""
        self._trusted.reset(self._wall(), self._clocks.nanoseconds())

    def restore(self, kept: ClockState) -> None:
        """Undo a reset."""
        self._trusted = TrustedClock(kept, self._wall(), self._clocks.boot_id(), self._clocks.nanoseconds())

    def state(self) -> ClockState:
        """What is to be kept."""
        return self._trusted.state()

    def _wall(self) -> int:
        return nanoseconds_of(self._clocks.now())


def instant(nanoseconds: int) -> datetime:
    """The instant so long after 1970, rounded down to a microsecond."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def nanoseconds_of(at: datetime) -> int:
    """Nanoseconds since 1970."""
    return (at - EPOCH) // _MICROSECOND * 1000
