"""Time (OPA's family *time*): zones by zoneinfo with the tzdata package, layouts as Go's, ``now`` from the caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from maestro.calendar.zones import zone
from maestro.kernel.errors import BadInputError
from maestro.rego.builtins.registry import Context, Family, integer, number, operand_error, string
from maestro.rego.errors import BuiltinError
from maestro.rego.golang.durations import parse_duration
from maestro.rego.golang.layouts import (
    LAYOUTS,
    Moment,
    days_of_civil,
    format_moment,
    parse_layout,
)
from maestro.rego.numbers import as_integer

__all__ = ["family"]

family = Family()

_INT64 = 1 << 63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS = 10**9
_DAY = 86_400


def _safe(ns: int) -> int:
    if -_INT64 <= ns < _INT64:
        return ns
    raise BuiltinError("time outside of valid range")


def _zone(name: str) -> ZoneInfo | None:
    """None is UTC. ``Local`` is too: where a policy runs must not change what it decides."""
    if name in {"", "UTC", "Local"}:
        return None
    try:
        return zone(name)
    except BadInputError as error:
        raise BuiltinError(f"unknown time zone {name}") from error


def _at(ns: int, where: ZoneInfo | None) -> Moment:
    if where is None:
        return Moment(ns)
    local = (_EPOCH + timedelta(seconds=ns // _NS)).astimezone(where)
    offset = local.utcoffset() or timedelta()
    return Moment(ns, offset.days * _DAY + offset.seconds, local.tzname() or "")


def _operand(value: Any) -> tuple[Moment, ZoneInfo | None, str]:
    """Nanoseconds, or an array of them with a zone and a layout."""
    where, layout, given = None, "", value
    if type(value) is list:
        if not value:
            raise operand_error(1, value, "either number (ns) or [number (ns), string (tz)]")
        given = number(value[0], 1)
        where = _zone(string(value[1], 1)) if len(value) > 1 else None
        layout = string(value[2], 1) if len(value) > 2 else ""
    elif type(value) in {str, bool, dict, set, type(None)}:
        raise operand_error(1, value, "either number (ns) or [number (ns), string (tz)]")
    ns = as_integer(number(given, 1))
    if ns is None or not -_INT64 <= ns < _INT64:
        raise BuiltinError("timestamp too big")
    return _at(ns, where), where, layout


@family.builtin("time.now_ns", context=True, depends={"now"})
def now_ns(context: Context) -> int:
    """The caller's now."""
    return context.now_ns


@family.builtin("time.parse_ns")
def parse_ns(layout: Any, value: Any) -> int:
    """A time in a layout of Go, or in one of those that have a name."""
    form, text = string(layout, 1), string(value, 2)
    return _parsed(LAYOUTS.get(form, form), text)


@family.builtin("time.parse_rfc3339_ns")
def parse_rfc3339_ns(value: Any) -> int:
    """A time of RFC 3339."""
    return _parsed(LAYOUTS["RFC3339"], string(value, 1))


def _parsed(layout: str, text: str) -> int:
    try:
        return _safe(parse_layout(layout, text))
    except ValueError as error:
        raise BuiltinError(str(error)) from error


@family.builtin("time.parse_duration_ns")
def parse_duration_ns(value: Any) -> int:
    """A duration of Go, or one in days, weeks and years of 365 days."""
    try:
        return parse_duration(string(value, 1))
    except ValueError as error:
        raise BuiltinError(str(error)) from error


@family.builtin("time.format")
def format_(value: Any) -> str:
    """A time in a layout; RFC 3339 without one."""
    moment, _, layout = _operand(value)
    return format_moment(moment, LAYOUTS.get(layout, layout) or LAYOUTS["RFC3339Nano"])


@family.builtin("time.date")
def date(value: Any) -> list[int]:
    """Year, month and day."""
    return list(_operand(value)[0].date)


@family.builtin("time.clock")
def clock(value: Any) -> list[int]:
    """Hour, minute and second."""
    return list(_operand(value)[0].clock)


@family.builtin("time.weekday")
def weekday(value: Any) -> str:
    """The day's English name."""
    return _operand(value)[0].weekday


@family.builtin("time.add_date")
def add_date(value: Any, years: Any, months: Any, days: Any) -> int:
    """So many years, months and days later by the calendar of the zone."""
    moment, where, _ = _operand(value)
    year, month, day = moment.date
    year, month, day = year + integer(years, 2), month + integer(months, 3), day + integer(days, 4)
    local = (days_of_civil(year, month, 1) + day - 1) * _DAY + moment.local % _DAY
    if abs(local) > 2 * _INT64 // _NS:
        raise BuiltinError("time outside of valid range")
    # Go's rule for a time that a zone skips or shows twice: the offset at that reading taken as UTC, corrected once.
    offset = _offset(local, where)
    if offset:
        offset = _offset(local - offset, where)
    return _safe((local - offset) * _NS + moment.ns % _NS)


def _offset(seconds: int, where: ZoneInfo | None) -> int:
    return _at(seconds * _NS, where).offset


@family.builtin("time.diff")
def diff(a: Any, b: Any) -> list[int]:
    """Years, months, days, hours, minutes and seconds between two times, by the calendar of the first one's zone."""
    first, where, _ = _operand(a)
    second = _at(_operand(b)[0].ns, where)
    if first.ns > second.ns:
        first, second = second, first
    parts = [y - x for x, y in zip((*first.date, *first.clock), (*second.date, *second.clock), strict=True)]
    year, month, _ = first.date
    in_month = days_of_civil(year, month + 1, 1) - days_of_civil(year, month, 1)
    for i, size in ((5, 60), (4, 60), (3, 24), (2, in_month), (1, 12)):
        if parts[i] < 0:
            parts[i] += size
            parts[i - 1] -= 1
    return parts
