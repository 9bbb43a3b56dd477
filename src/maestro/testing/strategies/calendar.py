"""Hypothesis strategies for windows, closures and schedules, leaning towards the odd days.

They come as the domain's own values (`maestro.calendar`). Shrunk, a zone is UTC, a window is Monday from
midnight, an instant is a change of offset itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from maestro.calendar import DAY, Closure, Schedule, Window, offset_spans, zone, zone_names

__all__ = ["closures", "instants_around_transitions", "schedules", "timezones", "windows"]

_FROM = 1_735_689_600
"""2025-01-01T00:00:00Z: instants are drawn from here on, unless told otherwise."""

_YEARS = 3 * 365 * DAY

_ODD = (
    "America/New_York",
    "America/Santiago",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
)
"""Changes by day, at midnight, by half an hour, for Ramadan; odd offsets; the ends of the world."""

# Times of day around which changes happen, and hours' edges, beside any second.
_SECONDS = st.sampled_from(range(0, DAY, 1800)) | st.integers(0, DAY - 1)


def timezones() -> st.SearchStrategy[str]:
    """Names of zones of tzdata: UTC, zones known for odd days, and any other."""
    return st.just("UTC") | st.sampled_from(_ODD) | st.sampled_from(sorted(zone_names()))


def windows(timezone: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Window]:
    """Windows of every kind: within a day, over midnight, 24 hours, of seconds.

    Args:
        timezone: where zones are drawn from, `timezones` unless told otherwise.
    """
    days = st.frozensets(st.integers(0, 6), min_size=1)
    hours = st.tuples(_SECONDS, _SECONDS | st.just(DAY)) | _SECONDS.map(lambda second: (second, second))
    return st.builds(
        lambda days, hours, name: Window(days, hours[0], hours[1], name),
        days,
        hours,
        timezones() if timezone is None else timezone,
    )


def closures(
    timezone: st.SearchStrategy[str] | None = None, *, start: int = _FROM, end: int = _FROM + _YEARS
) -> st.SearchStrategy[Closure]:
    """Closures of a second to some weeks that start, by UTC, in [start, end).

    Args:
        timezone: where zones are drawn from, `timezones` unless told otherwise.
        start: first instant, in seconds since the epoch.
        end: instant after the last one.
    """
    lengths = st.integers(1, 50).map(lambda hours: hours * 3600) | st.integers(1, 30 * DAY)
    return st.builds(
        lambda at, length, name: Closure(at, at + timedelta(seconds=length), name, "drawn"),
        st.integers(start, end - 1).map(_naive),
        lengths,
        timezones() if timezone is None else timezone,
    )


def schedules(
    timezone: st.SearchStrategy[str] | None = None, *, start: int = _FROM, end: int = _FROM + _YEARS
) -> st.SearchStrategy[Schedule]:
    """Schedules: unrestricted, never open, or of a few windows; with up to three closures.

    Args:
        timezone: where zones are drawn from, `timezones` unless told otherwise.
        start: first instant at which closures are drawn, in seconds since the epoch.
        end: instant after the last one.
    """
    some = st.lists(windows(timezone), max_size=4)
    return st.builds(
        Schedule, st.none() | some, st.lists(closures(timezone, start=start, end=end), max_size=3)
    )


def instants_around_transitions(
    timezone: ZoneInfo | str, *, start: int = _FROM, end: int = _FROM + _YEARS
) -> st.SearchStrategy[int]:
    """Instants within 26 hours of a change of offset of the zone, the second before and after among them.

    Args:
        timezone: a zone, or its name; if it has no change in [start, end), any instant is drawn.
        start: first instant, in seconds since the epoch.
        end: instant after the last one.
    """
    spans = offset_spans(zone(timezone) if isinstance(timezone, str) else timezone, start, end)
    changes = [begin for begin, _, _ in spans[1:]]
    if not changes:
        return st.integers(start, end - 1)
    hours = st.integers(-26, 26).map(lambda hour: hour * 3600)
    near = st.sampled_from((0, -1, 1))
    return st.builds(
        lambda change, far, by: change + far + by,
        st.sampled_from(changes),
        hours | st.integers(-26 * 3600, 26 * 3600),
        near,
    )


def _naive(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, zone("UTC")).replace(tzinfo=None)
