"""Clocks, handed in. The wall clock says when windows open; the boot clock says when leases expire."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

__all__ = ["BootClock", "Clock"]


class Clock(Protocol):
    """The wall clock. It may step in either direction; windows follow it, leases do not."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class BootClock(Protocol):
    """A clock that only moves forward, counts while the machine sleeps and dies with the boot.

    Linux: ``CLOCK_BOOTTIME`` and ``/proc/sys/kernel/random/boot_id``. Every process of one machine reads the same.
    """

    def boot_id(self) -> str:
        """Names this boot of the machine; readings of different boots cannot be compared."""
        ...

    def nanoseconds(self) -> int:
        """Nanoseconds since some instant of this boot; never decreases."""
        ...
