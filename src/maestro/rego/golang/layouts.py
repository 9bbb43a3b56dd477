"""Times by example, as Go's package ``time`` formats and parses them: ``Mon, 02 Jan 2006 15:04:05 MST``.

An instant here is whole nanoseconds since 1970; `Moment` is one with what clocks and calendars of its zone show.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import attrs

__all__ = ["LAYOUTS", "Moment", "days_of_civil", "format_moment", "parse_layout"]

LAYOUTS: Final = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}
"""Layouts that OPA knows by name."""

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_CHUNK = re.compile(
    "January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|_2(?!006)|__2|3|4|5|PM|pm"
    "|-070000|-07:00:00|-0700|-07:00|-07|Z070000|Z07:00:00|Z0700|Z07:00|Z07|[.,](?:0+|9+)(?![0-9])"
)
_ZONES: Final = {"0700": "", "07:00": ":", "07": None, "070000": "", "07:00:00": ":"}
_NS: Final = 10**9
_DAY: Final = 86_400


@attrs.frozen
class Moment:
    """An instant as a clock and a calendar show it.

    Attributes:
        ns: nanoseconds since 1970.
        offset: seconds east of Greenwich.
        zone: the zone's abbreviation then, ``CET``.
    """

    ns: int
    offset: int = 0
    zone: str = "UTC"

    @property
    def local(self) -> int:
        """Seconds that the wall clock shows, counted as if it stood at Greenwich."""
        return self.ns // _NS + self.offset

    @property
    def date(self) -> tuple[int, int, int]:
        """Year, month, day."""
        return civil_of_days(self.local // _DAY)

    @property
    def clock(self) -> tuple[int, int, int]:
        """Hour, minute, second."""
        second = self.local % _DAY
        return second // 3600, second // 60 % 60, second % 60

    @property
    def weekday(self) -> str:
        """The day's English name."""
        return DAYS[(self.local // _DAY + 4) % 7]

    @property
    def yearday(self) -> int:
        """1 for the first of January."""
        return self.local // _DAY - days_of_civil(self.date[0], 1, 1) + 1


def days_of_civil(year: int, month: int, day: int) -> int:
    """Days since 1970 of a date of the Gregorian calendar; months and days beyond their range carry over."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468 + day - 1


def civil_of_days(days: int) -> tuple[int, int, int]:
    """Year, month and day, so many days after the first of January 1970."""
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + (3 if shifted < 10 else -9)
    return year + era * 400 + (month <= 2), month, day


# ---- writing ---------------------------------------------------------------------------------------------


def format_moment(moment: Moment, layout: str) -> str:
    """The moment in a layout."""
    return _CHUNK.sub(lambda found: _written(moment, found[0]), layout)


def _written(moment: Moment, chunk: str) -> str:
    if chunk[0] in "-Z":
        return _written_offset(moment.offset, chunk)
    if chunk[0] in ".,":
        return _written_fraction(moment.ns % _NS, chunk)
    if chunk == "MST":
        return moment.zone or _written_offset(moment.offset, "-0700" if moment.offset % 3600 else "-07")
    return _WRITERS[chunk](moment)


def _year(moment: Moment) -> str:
    year = moment.date[0]
    return f"{year:04d}" if year >= 0 else f"-{-year:04d}"


def _hour12(moment: Moment) -> int:
    return moment.clock[0] % 12 or 12


_WRITERS: Final[dict[str, Callable[[Moment], str]]] = {
    "January": lambda m: MONTHS[m.date[1] - 1],
    "Jan": lambda m: MONTHS[m.date[1] - 1][:3],
    "1": lambda m: str(m.date[1]),
    "01": lambda m: f"{m.date[1]:02d}",
    "Monday": lambda m: m.weekday,
    "Mon": lambda m: m.weekday[:3],
    "2": lambda m: str(m.date[2]),
    "_2": lambda m: f"{m.date[2]:2d}",
    "02": lambda m: f"{m.date[2]:02d}",
    "__2": lambda m: f"{m.yearday:3d}",
    "002": lambda m: f"{m.yearday:03d}",
    "15": lambda m: f"{m.clock[0]:02d}",
    "3": lambda m: str(_hour12(m)),
    "03": lambda m: f"{_hour12(m):02d}",
    "4": lambda m: str(m.clock[1]),
    "04": lambda m: f"{m.clock[1]:02d}",
    "5": lambda m: str(m.clock[2]),
    "05": lambda m: f"{m.clock[2]:02d}",
    "2006": _year,
    "06": lambda m: f"{m.date[0] % 100:02d}",
    "PM": lambda m: "PM" if m.clock[0] >= 12 else "AM",
    "pm": lambda m: "pm" if m.clock[0] >= 12 else "am",
}


def _written_offset(offset: int, chunk: str) -> str:
    if chunk[0] == "Z" and offset == 0:
        return "Z"
    minutes, seconds = divmod(abs(offset), 60)
    mark = _ZONES[chunk[1:]]
    shown = f"{'-' if offset < 0 and minutes else '+'}{minutes // 60:02d}"
    if mark is not None:
        shown += f"{mark}{minutes % 60:02d}"
    return shown + (f"{mark}{seconds:02d}" if chunk[1:] in {"070000", "07:00:00"} else "")


def _written_fraction(ns: int, chunk: str) -> str:
    digits = f"{ns:09d}"[: len(chunk) - 1].ljust(len(chunk) - 1, "0") if len(chunk) <= 10 else f"{ns:09d}"
    if chunk[1] == "9":
        digits = digits.rstrip("0")
        return chunk[0] + digits if digits else ""
    return chunk[0] + digits


# ---- reading ---------------------------------------------------------------------------------------------


class _UnfitError(ValueError):
    """The text does not fit its chunk; the message says what is out of range, if that is it."""


@attrs.define
class _Parts:
    year: int = 0
    month: int = -1
    day: int = -1
    yearday: int = -1
    hour: int = 0
    minute: int = 0
    second: int = 0
    ns: int = 0
    half: str = ""
    offset: int | None = None


def parse_layout(layout: str, text: str) -> int:
    """Nanoseconds since 1970 of a time in a layout; the zone is UTC unless the text says another.

    Raises:
        ValueError: the text does not fit, with Go's words.
    """
    parts, rest, at = _Parts(), text, 0
    while True:
        found = _CHUNK.search(layout, at)
        literal = layout[at : found.start() if found else len(layout)]
        rest = _skipped(rest, literal, layout, text)
        if found is None:
            break
        at = found.end()
        try:
            rest = _read(parts, found[0], rest, layout[at:])
        except _UnfitError as error:
            why = f": {error} out of range" if str(error) else ""
            shown = "" if why else f': cannot parse "{rest}" as "{found[0]}"'
            raise ValueError(f'parsing time "{text}"{why or f""" as "{layout}"{shown}"""}') from error
    if rest:
        raise ValueError(f'parsing time "{text}": extra text: "{rest}"')
    return _instant(parts, text)


def _skipped(rest: str, literal: str, layout: str, text: str) -> str:
    bad = ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{literal}"')
    i = 0
    while i < len(literal):
        if literal[i] == " ":
            if rest and rest[0] != " ":
                raise bad
            rest = rest.lstrip(" ")
            while i < len(literal) and literal[i] == " ":
                i += 1
            continue
        if not rest or rest[0] != literal[i]:
            raise bad
        rest, i = rest[1:], i + 1
    return rest


def _digits(rest: str, least: int, most: int) -> tuple[int, str]:
    found = re.compile(f"[0-9]{{{least},{most}}}").match(rest)
    if found is None:
        raise _UnfitError
    return int(found[0]), rest[found.end() :]


def _name(rest: str, names: tuple[str, ...], size: int | None) -> tuple[int, str]:
    for i, name in enumerate(names):
        shown = name[:size]
        if rest[: len(shown)].lower() == shown.lower():
            return i, rest[len(shown) :]
    raise _UnfitError


_NUMBERS: Final = {
    # chunk: field, least digits, most digits, least value, value beyond
    "1": ("month", 1, 2, 1, 13),
    "01": ("month", 2, 2, 1, 13),
    "2": ("day", 1, 2, 0, 100),
    "_2": ("day", 1, 2, 0, 100),
    "02": ("day", 2, 2, 0, 100),
    "__2": ("yearday", 1, 3, 0, 1000),
    "002": ("yearday", 3, 3, 0, 1000),
    "15": ("hour", 1, 2, 0, 24),
    "3": ("hour", 1, 2, 0, 13),
    "03": ("hour", 2, 2, 0, 13),
    "4": ("minute", 1, 2, 0, 60),
    "04": ("minute", 2, 2, 0, 60),
    "5": ("second", 1, 2, 0, 60),
    "05": ("second", 2, 2, 0, 60),
    "2006": ("year", 4, 4, 0, 10_000),
}


def _read(parts: _Parts, chunk: str, rest: str, following: str) -> str:
    """What is left of ``rest`` after ``chunk`` has been read from it."""
    if chunk in _NUMBERS:
        return _read_number(parts, chunk, rest, following)
    if chunk in {"January", "Jan", "Monday", "Mon"}:
        return _read_name(parts, chunk, rest)
    if chunk == "06":
        year, rest = _digits(rest, 2, 2)
        parts.year = year + (1900 if year >= 69 else 2000)
        return rest
    if chunk in {"PM", "pm"}:
        if rest[:2] not in {chunk, chunk.replace("P", "A").replace("p", "a")}:
            raise _UnfitError
        parts.half = rest[:2].upper()
        return rest[2:]
    return _read_fraction(parts, chunk, rest) if chunk[0] in ".," else _read_zone(parts, chunk, rest)


def _read_name(parts: _Parts, chunk: str, rest: str) -> str:
    size = 3 if len(chunk) == 3 else None
    if chunk[0] == "M":
        return _name(rest, DAYS, size)[1]  # Go looks at no weekday's truth
    month, rest = _name(rest, MONTHS, size)
    parts.month = month + 1
    return rest


def _read_number(parts: _Parts, chunk: str, rest: str, following: str) -> str:
    field, least, most, low, beyond = _NUMBERS[chunk]
    if chunk[0] == "_":
        rest = re.sub(f"^ {{0,{len(chunk) - 1}}}", "", rest)
    value, rest = _digits(rest, least, most)
    if not low <= value < beyond:
        raise _UnfitError(field)
    setattr(parts, field, value)
    if field == "second" and re.match("[.,][0-9]", rest):
        # A fraction may follow the seconds even where the layout does not say so.
        next_chunk = _CHUNK.search(following)
        if next_chunk is None or next_chunk[0][0] not in ".,":
            found = re.match("[.,][0-9]+", rest)
            rest = _fraction(parts, rest, found.end() if found else 0)
    return rest


def _fraction(parts: _Parts, rest: str, size: int) -> str:
    if not re.fullmatch("[.,][0-9]+", rest[:size]):
        raise _UnfitError
    parts.ns = int(rest[1:size][:9].ljust(9, "0"))
    return rest[size:]


def _read_fraction(parts: _Parts, chunk: str, rest: str) -> str:
    if chunk[1] == "0":
        return _fraction(parts, rest, len(chunk)) if len(rest) >= len(chunk) else _fraction(parts, "", 0)
    found = re.match("[.,][0-9]+", rest)
    return _fraction(parts, rest, found.end()) if found else rest


_OFFSETS: Final = {
    "0700": re.compile("([+-])([0-9]{2})([0-9]{2})()"),
    "07:00": re.compile("([+-])([0-9]{2}):([0-9]{2})()"),
    "07": re.compile("([+-])([0-9]{2})()()"),
    "070000": re.compile("([+-])([0-9]{2})([0-9]{2})([0-9]{2})"),
    "07:00:00": re.compile("([+-])([0-9]{2}):([0-9]{2}):([0-9]{2})"),
}
_ABBREVIATION = re.compile(
    "ChST|MeST|GMT[+-][0-9]{1,2}|GMT|[A-Z]{4}T(?![A-Z])|[A-Z]{3}T(?![A-Z])|WITA(?![A-Z])|[A-Z]{3}(?![A-Z])|[+-][0-9]{2}(?:[0-9]{2})?"
)


def _read_zone(parts: _Parts, chunk: str, rest: str) -> str:
    if chunk == "MST":
        if rest.startswith("UTC"):
            parts.offset = 0
            return rest[3:]
        named = _ABBREVIATION.match(rest)
        if named is None:
            raise _UnfitError
        # An abbreviation alone names no offset: only that of GMT+3 is known.
        parts.offset = int(named[0][3:]) * 3600 if named[0][:3] == "GMT" and len(named[0]) > 3 else 0
        return rest[named.end() :]
    if chunk[0] == "Z" and rest.startswith("Z"):
        parts.offset = 0
        return rest[1:]
    found = _OFFSETS[chunk[1:]].match(rest)
    if found is None:
        raise _UnfitError
    hours, minutes, seconds = (int(found[i] or 0) for i in (2, 3, 4))
    for value, most, what in ((hours, 24, "hour"), (minutes, 60, "minute"), (seconds, 60, "second")):
        if value > most:
            raise _UnfitError(f"time zone offset {what}")
    parts.offset = (hours * 60 + minutes) * 60 + seconds
    parts.offset *= -1 if found[1] == "-" else 1
    return rest[found.end() :]


def _instant(parts: _Parts, text: str) -> int:
    hour = parts.hour
    if parts.half == "PM" and hour < 12:
        hour += 12
    elif parts.half == "AM" and hour == 12:
        hour = 0
    month, day = max(parts.month, 1), 1 if parts.day < 0 else parts.day
    if parts.yearday >= 0:
        first = days_of_civil(parts.year, 1, 1)
        if not 1 <= parts.yearday <= days_of_civil(parts.year + 1, 1, 1) - first:
            raise ValueError(f'parsing time "{text}": day-of-year out of range')
        _, month, day = civil_of_days(first + parts.yearday - 1)
        for name, given, real in (("month", parts.month, month), ("day", parts.day, day)):
            if given >= 0 and given != real:
                raise ValueError(f'parsing time "{text}": day-of-year does not match {name}')
    days = days_of_civil(parts.year, month, day)
    if day < 1 or civil_of_days(days) != (parts.year, month, day):
        raise ValueError(f'parsing time "{text}": day out of range')
    seconds = days * _DAY + hour * 3600 + parts.minute * 60 + parts.second - (parts.offset or 0)
    return seconds * _NS + parts.ns
