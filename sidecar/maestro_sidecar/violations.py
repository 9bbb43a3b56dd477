"""The standing replay: judges every admission again from the event log, a bounded piece at a time."""

from __future__ import annotations

from threading import Lock

import msgspec

from maestro.kernel.errors import BadInputError
from maestro.limits.replay import Replay
from maestro.ports.events import EventLog
from maestro_sidecar.logs import Log

__all__ = ["Figures", "ViolationWatch"]

TURN = 200
"""Events a turn: about five milliseconds, which is what decisions may have to wait for the interpreter."""


class Figures(msgspec.Struct, frozen=True):
    """What the replay found so far."""

    admitted: int
    violated: int
    ratio: float
    skipped: int


class ViolationWatch:
    """Feeds a ``Replay`` from an event log. Thread-safe.

    Args:
        events: the log, read from its beginning.
        log: where violations are told.
    """

    def __init__(self, events: EventLog, log: Log) -> None:
        self._events = events
        self._log = log
        self._replay = Replay()
        self._position = 0
        self._skipped = 0
        self._lock = Lock()

    def turn(self) -> bool:
        """Read one piece of the log; whether more is waiting.

        Raises:
            PortError: the log did not answer; the next turn goes on where this one began.
        """
        with self._lock:
            piece = self._events.read(self._position, TURN)
            for position, event in piece:
                self._position = position
                violated = self._replay.violated
                try:
                    self._replay.feed(event)
                except BadInputError as error:
                    self._skipped += 1
                    self._log.error("replay_skipped", position=position, id=event.id, error=str(error))
                if self._replay.violated > violated:
                    self._log.error(
                        "limit_violated", subject=event.subject, position=position, data=event.data
                    )
            return len(piece) == TURN

    def figures(self) -> Figures:
        """What was found so far."""
        replay = self._replay
        return Figures(replay.admitted, replay.violated, replay.ratio, self._skipped)
