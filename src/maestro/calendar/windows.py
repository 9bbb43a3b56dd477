"""Windows: hours of some days of the week, by the clock on the wall of a zone (ADR-1103).

`Window.contains` *is* the rule. `Window.intervals` expands a window by another way, offset span by offset
span; tests/calendar_zones holds the two against each other at every change of every zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from attrs import field, frozen

from maestro.calendar.intervals import Interval, union
from maestro.calendar.zones import DAY, offset_spans, wall_seconds, zone
from maestro.kernel.errors import BadInputError

__all__ = ["EVERY_DAY", "Window", "parse_days", "parse_time_of_day"]

EVERY_DAY = frozenset(range(7))
"""What a window without ``days`` has."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DASH = "\N{EN DASH}"
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?", re.ASCII)
_TIME_REMEDY = "Write HH:MM or HH:MM:SS with two digits each, for example 07:00."


def _set(days: Iterable[int]) -> frozenset[int]:
    return frozenset(days)


@frozen
class Window:
    """Hours that start on some days of the week; start inclusive, end exclusive.

    Attributes:
        days: local days on which it starts, 0 is Monday and 6 is Sunday.
        start: seconds of the local day, 0 to 86399.
        end: seconds of the local day, 0 to 86400; of the next day if it is not after `start`, so that
            ``start == end`` means 24 hours.
        timezone: IANA name of the zone whose clocks count.

    Raises:
        BadInputError: no day or no such day, a time beyond its day, or an unknown zone.
    """

    days: frozenset[int] = field(converter=_set)
    start: int
    end: int
    timezone: str

    def __attrs_post_init__(self) -> None:
        """Refuse what is no window."""
        if not self.days or not self.days <= EVERY_DAY:
            raise BadInputError("must be days from 0 (Monday) to 6.", field="days", value=sorted(self.days))
        if not 0 <= self.start < DAY:
            raise BadInputError("must be a second of the day, 0 to 86399.", field="start", value=self.start)
        if not 0 <= self.end <= DAY:
            raise BadInputError("must be a second of the day, 0 to 86400.", field="end", value=self.end)
        zone(self.timezone)

    @property
    def length(self) -> int:
        """Seconds that the wall's clock passes from start to end, 1 to 86400; a change of offset adds or takes."""
        return (self.end - self.start - 1) % DAY + 1

    def contains(self, seconds: int) -> bool:
        """Whether the clock on the wall shows a time of this window at the instant.

        Args:
            seconds: the instant, in seconds since the epoch.
        """
        wall = wall_seconds(zone(self.timezone), seconds)
        today = wall // DAY
        return any(
            _weekday(day) in self.days and 0 <= wall - (day * DAY + self.start) < self.length
            for day in (today, today - 1)
        )

    def intervals(self, start: int, end: int) -> tuple[Interval, ...]:
        """All instants of [start, end) that the window contains, as a set of intervals.

        While the offset stays, local time is the instant plus a constant: each of those spans is taken to
        local time, cut with the window there, and taken back. A gap or an overlap needs no case of its own.

        Args:
            start: first instant, in seconds since the epoch.
            end: instant after the last one.
        """
        length = self.length
        pieces: list[Interval] = []
        for begin, until, offset in offset_spans(zone(self.timezone), start, end):
            low, high = begin + offset, until + offset
            for day in range(low // DAY - 1, (high - 1) // DAY + 1):
                opens = day * DAY + self.start
                if _weekday(day) in self.days and low < opens + length and opens < high:
                    pieces.append((max(opens, low) - offset, min(opens + length, high) - offset))
        return union(pieces)

    def describe(self) -> str:
        """The window in words, for example ``Mon–Fri 22:00–06:00 (Europe/Berlin)``."""  # noqa: RUF002
        hours = f"{_clock(self.start)}{_DASH}{_clock(self.end or DAY)}"
        return f"{_describe_days(self.days)} {hours} ({self.timezone})"


def parse_time_of_day(text: str, field: str, *, end: bool) -> int:
    """Seconds of the day that ``HH:MM`` or ``HH:MM:SS`` names; ``24:00`` is 86400.

    Args:
        text: the time, ASCII digits only.
        field: where it stands in the caller's document, for the message.
        end: whether it ends a window; only then it may be ``24:00``.

    Raises:
        BadInputError: `bad_time`; another form, no time of a day, or ``24:00`` as a start.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadInputError(
            "is not a time of day.", field=field, value=text or '""', remedy=_TIME_REMEDY, code="bad_time"
        )
    hours, minutes, seconds = (int(digits or 0) for digits in match.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total == DAY and not end:
        raise BadInputError(
            "cannot be a start.",
            field=field,
            value=text,
            remedy="Write 00:00 and the next day.",
            code="bad_time",
        )
    if total > DAY or minutes > 59 or seconds > 59:
        last = "24:00" if end else "23:59:59"
        raise BadInputError(
            "names no time of a day.",
            field=field,
            value=text,
            remedy=f"Use 00:00 to {last}.",
            code="bad_time",
        )
    return total


def parse_days(days: Sequence[str], field: str) -> frozenset[int]:
    """Numbers of the days ``mon`` to ``sun``, 0 is Monday.

    Args:
        days: at least one, none twice.
        field: where the list stands in the caller's document, for the message.

    Raises:
        BadInputError: an empty list, another name, or a day twice.
    """
    if not days:
        raise BadInputError(
            "is an empty list.", field=field, remedy="Name a day, or leave days out for every day."
        )
    numbers: set[int] = set()
    for position, day in enumerate(days):
        where = f"{field}[{position}]"
        if day not in _DAYS:
            raise BadInputError(
                "is not a day.", field=where, value=day or '""', remedy=f"Use {', '.join(_DAYS)}."
            )
        if _DAYS.index(day) in numbers:
            raise BadInputError("is there twice.", field=where, value=day, remedy="Name each day once.")
        numbers.add(_DAYS.index(day))
    return frozenset(numbers)


def _weekday(day: int) -> int:
    """Weekday of a day counted from 1970-01-01, which was a Thursday."""
    return (day + 3) % 7


def _describe_days(days: frozenset[int]) -> str:
    """``every day``, else runs of three and more days by first and last, the others one by one."""
    if days == EVERY_DAY:
        return "every day"
    runs: list[str] = []
    for _, run in groupby(enumerate(sorted(days)), key=lambda pair: pair[1] - pair[0]):
        names = [_DAYS[day].capitalize() for _, day in run]
        runs += [f"{names[0]}{_DASH}{names[-1]}"] if len(names) > 2 else names
    return ", ".join(runs)


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")
