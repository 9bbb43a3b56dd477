"""When a tenant's runs may start in the next days, as a picture of characters: one row a day, 48 half hours.

Rows and columns are what the clock on the tenant's wall shows. On days when that clock jumps, half hours that do not
exist stay blank, and half hours that come twice are one mark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from maestro.calendar import DAY, FOREVER, Interval, offset_spans, wall_seconds, zone
from maestro.kernel.instants import epoch_seconds, format_instant, from_epoch_seconds
from maestro.limits.policy import LimitsPolicy

__all__ = ["draw", "openings"]

_CELL = 1800
_CELLS = DAY // _CELL
_OPEN, _PARTLY, _LATE, _CLOSED, _NONE = "█", "▄", "░", "·", " "
_HOURS = "".join(f"{hour:02}    " for hour in range(0, 24, 3))
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def draw(policy: LimitsPolicy, now: datetime, days: int) -> str:
    """The picture, from the day on which ``now`` falls in the tenant's zone."""
    start, end = _range(policy, now, days)
    exists = _by_cell(policy, [(start, end)])
    opened = _open_intervals(policy, start, end)
    late = [(max(begin, until - policy.cutoff), until) for begin, until in opened] if policy.cutoff else []
    is_open, is_late = _by_cell(policy, opened), _by_cell(policy, late)
    first = wall_seconds(zone(policy.timezone), start) // DAY
    rows = [
        f"{_day(first + day)}  "
        + "".join(
            _mark(exists[cell], is_open[cell], is_late[cell])
            for cell in range((first + day) * _CELLS, (first + day + 1) * _CELLS)
        ).rstrip()
        for day in range(days)
    ]
    legend = f"{_OPEN} open  {_PARTLY} partly  {_CLOSED} closed"
    if policy.cutoff:
        legend += f"  {_LATE} open, but too late to start"
    title = f"Starts of {policy.tenant} by the clock in {policy.timezone} (half hours: {legend})"
    return "\n".join([title, f"{'':16}{_HOURS}".rstrip(), *rows])


def openings(policy: LimitsPolicy, now: datetime, days: int) -> list[dict[str, str]]:
    """The same as instants: when starts are admitted, from the day of ``now`` on."""
    start, end = _range(policy, now, days)
    return [
        {"start": format_instant(from_epoch_seconds(begin)), "end": format_instant(from_epoch_seconds(until))}
        for begin, until in _admitting(policy, start, end)
    ]


def _range(policy: LimitsPolicy, now: datetime, days: int) -> Interval:
    """From midnight to midnight by the tenant's clock, or from the nearest that exists."""
    where = zone(policy.timezone)
    day = now.astimezone(where).date()
    first, last = (
        datetime.combine(day + timedelta(days=later), datetime.min.time(), where) for later in (0, days)
    )
    return epoch_seconds(first.astimezone(UTC)), epoch_seconds(last.astimezone(UTC))


def _open_intervals(policy: LimitsPolicy, start: int, end: int) -> list[Interval]:
    """Open spans with their whole ends, so that a cutoff is not drawn where only the picture ends."""
    return [
        (begin, min(policy.schedule.open_until(begin) or until, FOREVER))
        for begin, until in policy.schedule.intervals(start, end)
    ]


def _admitting(policy: LimitsPolicy, start: int, end: int) -> Iterator[Interval]:
    for begin, until in _open_intervals(policy, start, end):
        last = min(until - policy.cutoff, end)
        if begin < last:
            yield begin, last


def _by_cell(policy: LimitsPolicy, intervals: list[Interval]) -> Counter[int]:
    """Seconds of the intervals in each half hour of the wall clock, counted from 1970-01-01 00:00 on it."""
    seconds: Counter[int] = Counter()
    where = zone(policy.timezone)
    for begin, until in intervals:
        # A cutoff picture looks one day past an end at most; FOREVER itself is beyond any calendar.
        for first, last, offset in offset_spans(where, begin, min(until, begin + 100 * DAY)):
            wall, wall_end = first + offset, last + offset
            while wall < wall_end:
                cell = wall // _CELL
                edge = min((cell + 1) * _CELL, wall_end)
                seconds[cell] += edge - wall
                wall = edge
    return seconds


def _mark(exists: int, is_open: int, is_late: int) -> str:
    if not exists:
        return _NONE
    if not is_open:
        return _CLOSED
    if is_late * 2 > is_open:
        return _LATE
    return _OPEN if is_open >= exists else _PARTLY


def _day(number: int) -> str:
    date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date()
    return f"{_WEEKDAYS[date.weekday()]} {date.isoformat()}"
