"""Whether the stores take what they are asked to keep: a probe that writes, since a full disk still reads."""

from __future__ import annotations

from threading import Lock

from maestro.ports.events import EventLog
from maestro.ports.leases import LeaseStore
from maestro_adapters.clock import SystemClock

__all__ = ["Readiness"]

_EVERY_NANOSECONDS = 10**9
_NAME = "readyz"


class Readiness:
    """Asks the stores; while they are well it writes at most once a second. Thread-safe.

    Args:
        leases: must answer.
        events: must take a write; they are kept where documents and, but for Redis, leases are.
        clock: the boot clock.
    """

    def __init__(self, leases: LeaseStore, events: EventLog, clock: SystemClock) -> None:
        self._leases = leases
        self._events = events
        self._nanoseconds = clock.nanoseconds
        self._lock = Lock()
        self._well_at: int | None = None

    def require(self) -> None:
        """Raise the PortError of a store that does not answer, or takes no write."""
        self._leases.find(_NAME, _NAME)
        with self._lock:
            now = self._nanoseconds()
            if self._well_at is None or now - self._well_at >= _EVERY_NANOSECONDS:
                self._well_at = None
                # Another number each time: SQLite writes nothing where nothing changes.
                self._events.acknowledge(_NAME, self._events.acknowledged(_NAME) + 1)
                self._well_at = now
