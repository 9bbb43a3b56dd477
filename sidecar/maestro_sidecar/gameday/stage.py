"""The stage of a running drill: its folder, its clock, its parts, and what was seen on it.

Chaos Toolkit calls actions and probes by name, so the stage that they share is the one that is set: ``current()``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from maestro.ops.drills import Mark, Series, Span, Timeline
from maestro_adapters.clock import SystemClock

__all__ = ["Stage", "current"]

_NANO = 1e9
_staged: list[Stage] = []


def current() -> Stage:
    """The stage of the drill that runs."""
    return _staged[-1]


class Stage:
    """Used as ``with Stage() as stage:``; at its end every part is stopped, the last one first.

    Attributes:
        folder: for files of the parts; removed at the end.
        parts: what ``prepare`` of a drill made, for its actions and probes.
        figures: counts and durations for the report.
        faults: what was wrong, a line each.
        until: closed at the end.
        secrets: texts that must not get into the evidence, and what stands there instead.
    """

    def __init__(self) -> None:
        self.parts: Any = None
        self.figures: dict[str, Any] = {}
        self.faults: list[str] = []
        self.secrets: dict[str, str] = {}
        self._clock = SystemClock()
        self._marks: list[Mark] = []
        self._spans: list[Span] = []
        self._series: list[Series] = []
        self._open: dict[str, float] = {}
        self._lock = threading.Lock()
        self.until = ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(self.until.enter_context(TemporaryDirectory(prefix="maestro-gameday-")))
        self.secrets[str(self.folder)] = "<stage>"
        self.started = self._clock.now()
        self._began = self._clock.nanoseconds()
        _staged.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _staged.remove(self)
        self.until.close()

    def at_end(self, stop: Callable[[], object]) -> None:
        """Stop a part at the end, whatever happens until then."""
        self.until.callback(stop)

    def now(self) -> datetime:
        """The wall clock of who runs the drill; no fault steps it."""
        return self._clock.now()

    def seconds(self) -> float:
        """Seconds since the start, by a clock that never steps."""
        return (self._clock.nanoseconds() - self._began) / _NANO

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            threading.Event().wait(seconds)

    def wait_until(self, true: Callable[[], bool], seconds: float, pace: float = 0.02) -> bool:
        """Ask until it is true, or the time is over; whether it is true."""
        until = self.seconds() + seconds
        while not true():
            if self.seconds() >= until:
                return False
            self.pause(pace)
        return True

    def mark(self, kind: str) -> None:
        """Something happened: ``admitted``, ``denied``, ``unavailable`` or ``violation``."""
        self._marks.append(Mark(self.seconds(), kind))

    def fault(self, words: str, *, violation: bool = False) -> None:
        """Something was wrong."""
        self.faults.append(words)
        if violation:
            self.mark("violation")

    def count(self, name: str, by: int = 1) -> None:
        """Add to a figure."""
        with self._lock:
            self.figures[name] = self.figures.get(name, 0) + by

    def fault_begins(self, label: str) -> None:
        """The injected fault is there from now on."""
        self._open[label] = self.seconds()

    def fault_ends(self, label: str) -> None:
        """It is gone; harmless when it was not there."""
        begins = self._open.pop(label, None)
        if begins is not None:
            self._spans.append(Span(begins, self.seconds(), label))

    def draw(self, series: Series) -> None:
        """Have a count drawn."""
        self._series.append(series)

    def timeline(self) -> Timeline:
        """What was seen so far."""
        now = self.seconds()
        still = (Span(begins, now, label) for label, begins in self._open.items())
        return Timeline(now, tuple(self._marks), (*self._spans, *still), tuple(self._series))
