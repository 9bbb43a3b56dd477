"""Events are kept for a while: those of runs are forgotten once they are old, or too many, and were judged."""

from __future__ import annotations

from datetime import timedelta

from maestro.limits.events import RUN_ADMITTED, RUN_RELEASED, RUN_RENEWED
from maestro.ports.clock import Clock
from maestro.ports.events import EventLog
from maestro_sidecar.settings import EventSettings
from maestro_sidecar.violations import ViolationWatch

__all__ = ["FORGOTTEN", "Retention"]

FORGOTTEN = frozenset({RUN_ADMITTED, RUN_RENEWED, RUN_RELEASED})
"""Types that are forgotten. Changes of documents, flags and defaults are few, and all else is judged by them: they stay."""

PAGE = 1000
_NAME = "retention"


class Retention:
    """Forgets old events, a page at a time.

    Never what the standing replay has not judged and kept its findings of. Several sidecars on one store may do it at
    once.

    Args:
        events: the log.
        clock: the wall clock, by which events tell their time.
        watch: the standing replay.
        settings: for how long, and how many.
    """

    def __init__(
        self, events: EventLog, clock: Clock, watch: ViolationWatch, settings: EventSettings
    ) -> None:
        self._events = events
        self._clock = clock
        self._watch = watch
        self._keep = timedelta(days=settings.keep_days)
        self._most = settings.keep_most

    def turn(self) -> bool:
        """Forget what is due in one page; whether more may be due. Raises PortError."""
        judged = self._watch.kept
        before = self._clock.now() - self._keep
        page = self._events.read(self._events.acknowledged(_NAME), PAGE)
        last, due = 0, []
        for position, event in page:
            if position > judged or (event.time >= before and judged - position < self._most):
                break
            last = position
            if event.type in FORGOTTEN:
                due.append(position)
        if last:
            self._events.forget(due)
            self._events.acknowledge(_NAME, last)
        return len(page) == PAGE and last == page[-1][0]
