"""A clock that a test turns by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["VirtualClock"]

_START = datetime(2026, 3, 30, 16, 0, tzinfo=UTC)


class VirtualClock:
    """Implements ``Clock`` and ``BootClock``; stands still until told to move.

    The two clocks move together by ``advance`` and apart by ``step``, as when somebody sets the wall clock.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._wall = start.astimezone(UTC)
        self._nanoseconds = 10**9
        self._since_wall = 0
        self._boots = 1

    def now(self) -> datetime:
        """The wall clock, aware UTC; parts of a microsecond are dropped."""
        return self._wall + timedelta(microseconds=self._since_wall // 1000)

    def boot_id(self) -> str:
        """Names the boot; another one after ``reboot``."""
        return f"virtual-boot-{self._boots}"

    def nanoseconds(self) -> int:
        """The boot clock."""
        return self._nanoseconds

    def advance(self, seconds: float = 0, *, nanoseconds: int = 0) -> None:
        """Let time pass on both clocks. Raises ValueError for negative time."""
        passed = round(seconds * 1e9) + nanoseconds
        if passed < 0:
            raise ValueError("time does not run backward; use step() to set the wall clock back")
        self._nanoseconds += passed
        self._since_wall += passed

    def step(self, by: timedelta) -> None:
        """Set the wall clock forward or back; the boot clock does not notice."""
        self._wall += by

    def reboot(self, down: timedelta = timedelta(seconds=30)) -> None:
        """Restart the machine: another boot id, the boot clock near zero, the wall clock later by ``down``."""
        self._boots += 1
        self._nanoseconds = 10**9
        self._wall += down
