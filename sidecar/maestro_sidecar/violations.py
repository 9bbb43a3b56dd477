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


KEEP_EVERY = 5000
"""Events after which what was found is kept without waiting for ``keep``."""
_NAME = "limits/replay"


class Figures(msgspec.Struct, frozen=True):
    """What the replay found so far."""

    admitted: int
    violated: int
    ratio: float
    skipped: int


class ViolationWatch:
    """Feeds a ``Replay`` from an event log. Thread-safe.

    Every so often what it found is kept in the log itself, so that the next start goes on from there, and what lies
    before may be forgotten.

    Args:
        events: the log.
        log: where violations are told.
    """

    def __init__(self, events: EventLog, log: Log) -> None:
        self._events = events
        self._log = log
        self._replay = Replay()
        self._position = 0
        self._kept: int | None = None
        self._skipped = 0
        self._lock = Lock()

    @property
    def kept(self) -> int:
        """Up to this position the log may be forgotten: what was found there is kept."""
        return self._kept or 0

    def turn(self) -> bool:
        """Read one piece of the log; whether more is waiting.

        Raises:
            PortError: the log did not answer; the next turn goes on where this one began.
        """
        with self._lock:
            if self._kept is None:
                self._resume()
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
            if self._position - self.kept >= KEEP_EVERY:
                self._keep()
            return len(piece) == TURN

    def keep(self) -> None:
        """Keep what was found so far. Raises PortError."""
        with self._lock:
            if self._kept is not None and self._position > self._kept:
                self._keep()

    def figures(self) -> Figures:
        """What was found so far."""
        replay = self._replay
        return Figures(replay.admitted, replay.violated, replay.ratio, self._skipped)

    def _resume(self) -> None:
        position, state = self._events.resume(_NAME)
        replay = Replay() if state is None else Replay.restored(state)
        if replay is None:
            self._log.warning("replay_begins_anew", position=position)
            position, replay = 0, Replay()
        self._position, self._replay = (position if state is not None else 0), replay
        self._kept = self._position

    def _keep(self) -> None:
        self._events.acknowledge(_NAME, self._position, self._replay.state())
        self._kept = self._position
