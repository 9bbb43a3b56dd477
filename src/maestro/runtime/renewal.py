"""Background renewal: one thread for all slots of a process, so that a busy event loop cannot starve it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic  # noqa: TID251 - waits are measured by it; the wall clock is never read here

__all__ = ["Renewer"]

_EARLY = 3
"""Renewals a ttl: at a third and at two thirds, so that one may fail before the lease is lost."""


class Renewer:
    """Calls each registered renewal at a third of its ttl, in a daemon thread that starts with the first one."""

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, float, Callable[[], bool]]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, key: object, ttl: float, renew: Callable[[], bool]) -> None:
        """Renew under ``key`` until removed, or until ``renew`` answers False (the lease is lost)."""
        interval = ttl / _EARLY
        with self._changed:
            self._due[key] = (monotonic() + interval, interval, renew)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="maestro-renewal", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, key: object) -> None:
        """Stop renewing; a renewal under way may still end."""
        with self._changed:
            self._due.pop(key, None)

    @staticmethod
    def now() -> float:
        """The monotonic clock that renewals follow, in seconds."""
        return monotonic()

    def close(self) -> None:
        """Stop renewing everything and wait for the thread."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        while (task := self._wait()) is not None:
            key, interval, renew = task
            goes_on = renew()
            with self._changed:
                if not goes_on:
                    self._due.pop(key, None)
                elif key in self._due:
                    self._due[key] = (monotonic() + interval, interval, renew)

    def _wait(self) -> tuple[object, float, Callable[[], bool]] | None:
        with self._changed:
            while not self._closed:
                if not self._due:
                    self._changed.wait()
                    continue
                key, (when, interval, renew) = min(self._due.items(), key=lambda item: item[1][0])
                left = when - monotonic()
                if left <= 0:
                    return key, interval, renew
                self._changed.wait(left)
        return None
