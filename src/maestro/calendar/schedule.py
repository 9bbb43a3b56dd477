"""Schedules: all windows and closures of one tenant, and when they are open.

Instants are whole seconds since the epoch. Answers come from the expansion to intervals, which is a pure
function of the windows and closures, week of UTC by week of UTC; each schedule keeps the few weeks that it
was asked about last, so that a warm answer is a look-up and a bisection. The borders of these weeks do not
show: an open span that runs over one is still one span.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from attrs import field, frozen

from maestro.calendar.closures import Closure
from maestro.calendar.intervals import Interval, clip, first_of, subtract, union
from maestro.calendar.windows import Window
from maestro.calendar.zones import DAY

__all__ = ["FOREVER", "HORIZON", "Schedule"]

HORIZON = 400 * DAY
"""Seconds ahead in which an opening or the end of an open span is sought."""

FOREVER = 2**62
"""The end of an open span that does not end within `HORIZON`; later than any instant."""

_WEEK = 7 * DAY
_WEEKS = HORIZON // _WEEK + 2
"""Weeks that hold an instant and its horizon, whatever day of the week it is."""

_Owners = tuple[tuple[int, ...], tuple[int | None, ...]]
"""What `first_of` returns."""

_Spans = tuple[tuple[int, ...], tuple[int, ...]]
"""Starts and ends of a set of intervals, apart so that the starts can be bisected."""


def _windows(windows: Sequence[Window] | None) -> tuple[Window, ...] | None:
    return None if windows is None else tuple(windows)


def _closures(closures: Sequence[Closure]) -> tuple[Closure, ...]:
    return tuple(closures)


@frozen
class Schedule:
    """When runs may start: in any of the windows and in none of the closures.

    Safe to share between threads.

    Attributes:
        windows: None means unrestricted, empty means never open.
        closures: they beat windows.
    """

    windows: tuple[Window, ...] | None = field(converter=_windows)
    closures: tuple[Closure, ...] = field(default=(), converter=_closures)
    # Memos, each from the number of a week. They hold no reference to the schedule, so it is freed at once.
    _windows_in: Callable[[int], _Owners] = field(init=False, repr=False, eq=False)
    _closures_in: Callable[[int], _Owners] = field(init=False, repr=False, eq=False)
    _open_in: Callable[[int], _Spans] = field(init=False, repr=False, eq=False)
    _end_after: Callable[[int], int] = field(init=False, repr=False, eq=False)

    @_windows_in.default
    def _memo_of_windows(self) -> Callable[[int], _Owners]:
        return lru_cache(maxsize=16)(partial(_first_in, self.windows or ()))

    @_closures_in.default
    def _memo_of_closures(self) -> Callable[[int], _Owners]:
        return lru_cache(maxsize=16)(partial(_first_in, self.closures))

    @_open_in.default
    def _memo_of_open_spans(self) -> Callable[[int], _Spans]:
        return lru_cache(maxsize=_WEEKS)(partial(_open_spans, self.windows, self.closures))

    @_end_after.default
    def _memo_of_ends(self) -> Callable[[int], int]:
        return lru_cache(maxsize=_WEEKS)(partial(_end_after, self.windows, self.closures))

    def __reduce__(self) -> tuple[type[Schedule], tuple[object, ...]]:
        """Copied and sent without its memos."""
        return Schedule, (self.windows, self.closures)

    def window_at(self, t: int) -> Window | None:
        """The first window that contains the instant, closed or not; None if none does or if unrestricted."""
        edges, owners = self._windows_in(t // _WEEK)
        owner = owners[bisect_right(edges, t)]
        return self.windows[owner] if self.windows and owner is not None else None

    def in_window(self, t: int) -> bool:
        """Whether any window contains the instant, closed or not; always, if unrestricted."""
        if self.windows is None:
            return True
        edges, owners = self._windows_in(t // _WEEK)
        return owners[bisect_right(edges, t)] is not None

    def closure_at(self, t: int) -> Closure | None:
        """The first closure that contains the instant, or None."""
        edges, owners = self._closures_in(t // _WEEK)
        owner = owners[bisect_right(edges, t)]
        return None if owner is None else self.closures[owner]

    def open_until(self, t: int) -> int | None:
        """The end of the open span that contains the instant, windows that meet taken as one.

        Returns:
            The first instant after `t` that is not open, `FOREVER` if it is later than ``t + HORIZON``, None if
            `t` itself is not open.
        """
        week = t // _WEEK
        starts, ends = self._open_in(week)
        position = bisect_right(starts, t) - 1
        if position < 0 or ends[position] <= t:
            return None
        return self._whole_end(t, week, ends[position])

    def admits(self, t: int, *, cutoff: int = 0, fit: int = 0) -> bool:
        """Whether a run may start at the instant.

        Args:
            t: the instant.
            cutoff: seconds at the end of an open span in which nothing starts any more, at least 0.
            fit: seconds that must be left of the open span, at least 0.
        """
        end = self.open_until(t)
        return end is not None and end - t >= max(cutoff + 1, fit)

    def next_opening(self, t: int, *, cutoff: int = 0, fit: int = 0) -> int | None:
        """The first instant at or after `t` that `admits`.

        Args:
            t: the instant from which on to seek.
            cutoff: as for `admits`.
            fit: as for `admits`.

        Returns:
            An instant exact to the second, or None if there is none up to ``t + HORIZON``.
        """
        if self.windows == ():
            return None
        # If the first instant of a span is too late for cutoff or fit, so are the others of it.
        last, needed = t + HORIZON, max(cutoff + 1, fit)
        first = t // _WEEK
        for week in range(first, last // _WEEK + 1):
            starts, ends = self._open_in(week)
            for position in range(bisect_right(ends, t) if week == first else 0, len(starts)):
                start, end = starts[position], ends[position]
                instant = max(t, start)
                if self._whole_end(instant, week, end) - instant >= needed:
                    return instant if instant <= last else None
        return None

    def intervals(self, start: int, end: int) -> tuple[Interval, ...]:
        """The open spans within [start, end), as a set of intervals."""
        weeks = range(start // _WEEK, -(-end // _WEEK))
        return clip(
            union(span for week in weeks for span in zip(*self._open_in(week), strict=True)), start, end
        )

    def _whole_end(self, t: int, week: int, end: int) -> int:
        """The end of the span that contains `t`, from its end within that week."""
        if end == (week + 1) * _WEEK:
            end = self._end_after(week)
        return end if end - t <= HORIZON else FOREVER


def _first_in(layers: Sequence[Window | Closure], week: int) -> _Owners:
    return first_of(layer.intervals(week * _WEEK, (week + 1) * _WEEK) for layer in layers)


def _open_spans(windows: Sequence[Window] | None, closures: Sequence[Closure], week: int) -> _Spans:
    start, end = week * _WEEK, (week + 1) * _WEEK
    admitted = (
        ((start, end),)
        if windows is None
        else union(span for window in windows for span in window.intervals(start, end))
    )
    closed = union(span for closure in closures for span in closure.intervals(start, end))
    spans = subtract(admitted, closed)
    return tuple(opens for opens, _ in spans), tuple(closes for _, closes in spans)


def _end_after(windows: Sequence[Window] | None, closures: Sequence[Closure], week: int) -> int:
    """Where a span ends that is open up to the end of that week; `FOREVER` if beyond its horizon."""
    for later in range(week + 1, week + _WEEKS):
        starts, ends = _open_spans(windows, closures, later)
        if not starts or starts[0] > later * _WEEK:
            return later * _WEEK
        if ends[0] < (later + 1) * _WEEK:
            return ends[0]
    return FOREVER
