"""The two threads of an edge: one asks the source, one lets time pass."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from maestro.edge.pacing import Pace
from maestro.runtime.edge import EdgeNode

__all__ = ["EdgePump"]

_TICK_SECONDS = 1.0


class EdgePump:
    """Keeps an edge going until it is stopped.

    Args:
        node: the edge, started.
        pace: times between polls.
        draw: gives a random number from 0 to 1.
        interrupt: ends a request to the source that is under way.
        each_tick: called about once a second beside the edge's own tick, as to flush a log.
        check_every: ticks between two looks at whether the serving bundle is still what was verified.
    """

    def __init__(
        self,
        node: EdgeNode,
        pace: Pace,
        draw: Callable[[], float],
        *,
        interrupt: Callable[[], None] = lambda: None,
        each_tick: Sequence[Callable[[], None]] = (),
        check_every: int = 60,
    ) -> None:
        self.node = node
        self._pace = pace
        self._draw = draw
        self._interrupt = interrupt
        self._each_tick = each_tick
        self._check_every = check_every
        self._stopped = threading.Event()
        self._hint = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"maestro-edge-{name}", daemon=True)
            for name, work in (("poll", self._poll), ("tick", self._tick))
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def refresh(self) -> None:
        """Ask the source now; a hint only: what comes is verified as ever."""
        self._hint.set()

    def stop(self) -> None:
        """End both threads and wait for them."""
        self._stopped.set()
        self._hint.set()
        self._interrupt()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _poll(self) -> None:
        long_poll = False
        while not self._stopped.is_set():
            self._hint.clear()
            polled = self.node.poll(self._pace.wait if long_poll else 0.0)
            long_poll = polled.long_poll and polled.failures == 0
            pause = self._pace.pause(
                polled.failures, self._draw(), asked=polled.retry_after, long_poll=long_poll
            )
            self._hint.wait(pause)

    def _tick(self) -> None:
        ticks = 0
        while not self._stopped.wait(_TICK_SECONDS):
            ticks += 1
            self.node.tick()
            if ticks % self._check_every == 0:
                self.node.check()
            for work in self._each_tick:
                work()
        for work in self._each_tick:
            work()
