"""Zones by IANA name, always from the `tzdata` package, and what a clock on the wall shows in them.

The system's zone files are never read: two machines with the same `tzdata` decide alike, and
`TZDATA_VERSION` is true of every decision.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from functools import cache, lru_cache
from io import BytesIO
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

from maestro.kernel.errors import BadInputError

__all__ = ["DAY", "TZDATA_VERSION", "offset_spans", "wall_seconds", "zone", "zone_names"]

DAY = 86_400
"""Seconds of a day that a clock on the wall shows from midnight to midnight without a change."""

TZDATA_VERSION: str = tzdata.IANA_VERSION
"""The release of the IANA database that all zones here come from, for example ``2026a``."""

_ZERO = timedelta(0)
_YEAR = 365 * DAY
# In all of tzdata no two changes of offset are nearer than 6.9 days (Recife in 2000, Gaza by the law of
# 2040), so that a probe every second day sees each of them; tests/calendar_zones checks that it stays so.
_PROBE = 2 * DAY

# datetime ends at the years 1 and 9999, a local time a day earlier. Beyond, the last offset stays.
_FIRST = -62_135_596_800 + 2 * DAY
_LAST = 253_402_300_799 - 2 * DAY


@cache
def zone_names() -> frozenset[str]:
    """Names of all zones that there are, old spellings (``US/Eastern``) included."""
    return frozenset(_read("zones").decode().split())


def zone(name: str, field: str = "timezone") -> ZoneInfo:
    """The zone of that IANA name; the same object every time.

    Args:
        name: exactly as IANA spells it, for example ``Europe/Berlin``.
        field: where the name stands in the caller's document, for the message.

    Raises:
        BadInputError: `unknown_timezone`; tzdata has no such zone.
    """
    try:
        return _load(name)
    except KeyError:
        raise BadInputError(
            "is not a time zone.",
            field=field,
            value=name or '""',
            remedy=_remedy(name),
            code="unknown_timezone",
        ) from None


def wall_seconds(zone: ZoneInfo, seconds: int) -> int:
    """What a clock on the wall shows at an instant, as seconds since 1970-01-01 00:00 on that same clock.

    Args:
        zone: where the wall stands.
        seconds: the instant, in seconds since the epoch.
    """
    return seconds + _offset(zone, seconds)


def offset_spans(zone: ZoneInfo, start: int, end: int) -> tuple[tuple[int, int, int], ...]:
    """The spans of constant UTC offset that cover [start, end), exact to the second.

    Args:
        zone: a zone; its years are remembered, so that asking again is cheap.
        start: first instant, in seconds since the epoch.
        end: instant after the last one.

    Returns:
        ``(from, until, offset)``, in order, touching, neighbours with different offsets; offsets in seconds
        east of UTC. Empty if ``end <= start``.
    """
    spans: list[tuple[int, int, int]] = []
    for year in range(start // _YEAR, -(-end // _YEAR)):
        for begin, until, offset in _year_spans(zone, year):
            first, last = max(begin, start), min(until, end)
            if last <= first:
                continue
            if spans and spans[-1][2] == offset:
                first = spans.pop()[0]
            spans.append((first, last, offset))
    return tuple(spans)


@cache
def _load(name: str) -> ZoneInfo:
    """Read a zone, or raise KeyError. Only listed names become a path, so none leads out of the package."""
    if name not in zone_names():
        raise KeyError(name)
    return ZoneInfo.from_file(BytesIO(_read("zoneinfo", *name.split("/"))), key=name)


def _read(*path: str) -> bytes:
    """A file of the tzdata package."""
    from importlib.resources import files  # late: a third of what importing this room would cost

    return files("tzdata").joinpath(*path).read_bytes()


def _remedy(name: str) -> str:
    """The zone that may have been meant: by its whole name or its city alone, whatever the case."""
    from difflib import get_close_matches

    names = sorted(zone_names())
    cities = {known.rpartition("/")[2].lower(): known for known in names}
    spellings = cities | {known.lower(): known for known in names}
    near = get_close_matches(name[:64].lower().replace(" ", "_"), spellings, n=1)
    if near:
        return f"Use an IANA name; did you mean {spellings[near[0]]}?"
    return "Use an IANA name, for example Europe/Berlin."


def _offset(zone: ZoneInfo, seconds: int) -> int:
    """Seconds east of UTC at an instant."""
    offset = datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), zone).utcoffset() or _ZERO
    return offset.days * DAY + offset.seconds


@lru_cache(maxsize=4096)
def _year_spans(zone: ZoneInfo, year: int) -> tuple[tuple[int, int, int], ...]:
    """`offset_spans` of one year of 365 days, counted from the epoch: probe, then bisect."""
    begin, end = year * _YEAR, (year + 1) * _YEAR
    spans: list[tuple[int, int, int]] = []
    before, offset = begin, _offset(zone, begin)
    for probe in (*range(begin + _PROBE, end - 1, _PROBE), end - 1):
        after = _offset(zone, probe)
        if after != offset:
            change = _change(zone, before, probe, after)
            spans.append((begin, change, offset))
            begin, offset = change, after
        before = probe
    return (*spans, (begin, end, offset))


def _change(zone: ZoneInfo, before: int, probe: int, after: int) -> int:
    """The instant in (before, probe] from which on the offset is `after`."""
    instants = range(before, probe + 1)
    return instants[bisect_left(instants, True, key=lambda instant: _offset(zone, instant) == after)]
