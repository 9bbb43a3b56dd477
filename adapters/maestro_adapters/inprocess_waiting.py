"""A waiting room in this process's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from maestro.ports.clock import BootClock
from maestro.ports.waiting import Waiter

__all__ = ["InProcessWaitingRoom"]


class InProcessWaitingRoom:
    """Implements ``WaitingRoom``. A ring calls the listeners at once, in the thread that rings.

    Args:
        clock: the boot clock by which tickets run out.
    """

    def __init__(self, clock: BootClock) -> None:
        self._nanoseconds = clock.nanoseconds
        self._lock = Lock()
        self._last = 0
        self._queues: dict[str, dict[int, tuple[Waiter, int]]] = {}
        self._listeners: list[Callable[[str], None]] = []

    def join(self, tenant: str, run: str, package: str, lasts: float) -> Waiter:
        """Take a ticket."""
        with self._lock:
            self._last += 1
            waiter = Waiter(self._last, tenant, run, package)
            self._keep(waiter, lasts)
        return waiter

    def stay(self, waiters: Sequence[Waiter], lasts: float) -> None:
        """Keep the tickets for ``lasts`` seconds from now."""
        with self._lock:
            for waiter in waiters:
                self._keep(waiter, lasts)

    def leave(self, waiter: Waiter) -> None:
        """Give the ticket back."""
        with self._lock:
            queue = self._queues.get(waiter.tenant, {})
            queue.pop(waiter.ticket, None)
            if not queue:
                self._queues.pop(waiter.tenant, None)

    def queue(self, tenant: str) -> Sequence[Waiter]:
        """Those of the tenant who wait, first come first."""
        if tenant not in self._queues:
            return ()
        with self._lock:
            now = self._nanoseconds()
            kept = {
                ticket: (waiter, until)
                for ticket, (waiter, until) in sorted(self._queues.pop(tenant, {}).items())
                if until > now
            }
            if kept:
                self._queues[tenant] = kept
            return tuple(waiter for waiter, _ in kept.values())

    def ring(self, tenant: str) -> None:
        """Tell all listeners."""
        for heard in tuple(self._listeners):
            heard(tenant)

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None]:
        """Call ``heard`` at every ring from now on."""
        with self._lock:
            self._listeners = [*self._listeners, heard]

        def silence() -> None:
            with self._lock:
                self._listeners = [listener for listener in self._listeners if listener is not heard]

        return silence

    def _keep(self, waiter: Waiter, lasts: float) -> None:
        until = self._nanoseconds() + round(lasts * 1e9)
        self._queues.setdefault(waiter.tenant, {})[waiter.ticket] = (waiter, until)
