"""Plain sentences for people: one a deny, with the local time and zone of the next opening."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from maestro.calendar import zone

__all__ = ["duration", "local_time", "next_opening", "plural"]

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@lru_cache(maxsize=1024)
def local_time(instant: datetime, timezone: str) -> str:
    """For example ``Tuesday 31 March 2026 at 22:00 (Europe/Berlin)``; seconds only when there are any.

    Day and month names are English always: ``strftime`` would follow the process's locale.
    """
    local = instant.astimezone(zone(timezone))
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year} at {clock} ({timezone})"


def next_opening(opens_at: datetime | None, timezone: str) -> str:
    """The second half of a calendar deny's sentence."""
    if opens_at is None:
        return "no opening is planned within the next 400 days"
    return f"the next start is possible on {local_time(opens_at, timezone)}"


@lru_cache(maxsize=1024)
def duration(seconds: int) -> str:
    """The two greatest units: ``1 hour 30 minutes``, ``45 seconds``."""
    parts = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(plural(count, unit))
    return " ".join(parts[:2]) or "0 seconds"


def plural(count: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
