"""The rule against the expansion, around every change of offset of every zone in two years.

Three codes must say the same of every instant: the rule spelt out here with naive datetimes, word by word as
ADR-1103 has it; `Window.contains`, in whole seconds; and the expansion by `Window.intervals`.
"""

import random
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import chain

import attrs
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from maestro.calendar import DAY, EVERY_DAY, Window, offset_spans, zone, zone_names
from maestro.testing.strategies.calendar import windows

HOUR = 3600
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime(2028, 1, 1, tzinfo=UTC).timestamp())
AROUND = 26 * HOUR
BATCHES = 8


# ---- the rule, word by word ------------------------------------------------------------------------------


def wall(timezone, seconds):
    return datetime.fromtimestamp(seconds, timezone).replace(tzinfo=None)


def inside(window, local):
    for day in (local.date(), local.date() - timedelta(days=1)):
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - what a wall shows is naive
        opens = midnight + timedelta(seconds=window.start)
        closes = midnight + timedelta(days=int(window.end <= window.start), seconds=window.end)
        if day.weekday() in window.days and opens <= local < closes:
            return True
    return False


# ---- what is looked at -----------------------------------------------------------------------------------


def offset(timezone, seconds):
    return int(datetime.fromtimestamp(seconds, timezone).utcoffset().total_seconds())


def changes(timezone):
    """Every change of offset, found hour by hour and then second by second, halving."""
    found = []
    before = offset(timezone, START)
    for probe in range(START + HOUR, END + 1, HOUR):
        after = offset(timezone, probe)
        if after != before:
            low, high = probe - HOUR, probe
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(timezone, middle) == before else (low, middle)
            found.append((high, before, after))
        before = after
    return found


@cache
def drawn():
    """Windows that hypothesis makes, always the same, odd hours and seconds among them."""
    kept = []

    @settings(max_examples=60, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    @given(windows(st.just("UTC")))
    def keep(window):
        kept.append(window)

    keep()
    return kept


def clock(seconds):
    return seconds % DAY


def windows_at(name, change, before, after, draw):
    """Usual windows, windows with edges in the gap or overlap itself, and drawn ones."""
    last, first = change - 1 + before, change + after
    low, high = clock(min(last + 1, first)), clock(max(last + 1, first))
    middle = clock(low + (high - low) % DAY // 2)
    weekday = date.fromordinal(date(1970, 1, 1).toordinal() + last // DAY).weekday()
    of_the_day = {weekday}
    yield Window(EVERY_DAY, 22 * HOUR, 6 * HOUR, name)
    yield Window(EVERY_DAY, 0, DAY, name)
    yield Window(of_the_day, 12 * HOUR, 12 * HOUR, name)
    yield Window({0, 1, 2, 3, 4}, 9 * HOUR, 17 * HOUR, name)
    yield Window(EVERY_DAY, low, high, name)
    yield Window(EVERY_DAY, high, low, name)
    yield Window(EVERY_DAY, middle, clock(high + 1800), name)
    yield Window(EVERY_DAY, clock(low - 1800), middle, name)
    yield Window(of_the_day, clock(middle - 300), clock(middle + 300), name)
    yield Window(of_the_day, middle, middle, name)
    yield Window({(weekday - 1) % 7}, 20 * HOUR, clock(middle + 1), name)
    for window in draw.sample(drawn(), 5):
        yield attrs.evolve(window, timezone=name)


def edges(window, change, offsets):
    """Where the window's edges would be by either offset, with the seconds beside them."""
    first = (change - AROUND + min(offsets)) // DAY - 1
    last = (change + AROUND + max(offsets)) // DAY + 1
    for day in range(first, last + 1):
        for second in (window.start, window.end):
            for east in offsets:
                edge = day * DAY + second - east
                if abs(edge - change) < AROUND:
                    yield from (edge - 1, edge, edge + 1)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_rule_and_expansion_agree_around_every_change_of_every_zone(batch):
    draw = random.Random(1103 + batch)
    looked_at = 0
    for name in sorted(zone_names())[batch::BATCHES]:
        timezone = zone(name)
        found = changes(timezone)
        spans = offset_spans(timezone, START, END)
        assert [(begin, east) for begin, _, east in spans[1:]] == [(at, after) for at, _, after in found], (
            name
        )
        for change, before, after in found:
            hourly = range(change - AROUND, change + AROUND + 1, HOUR)
            shown = {t: wall(timezone, t) for t in chain(hourly, (change - 1, change + 1))}
            for window in windows_at(name, change, before, after, draw):
                check(window, timezone, change, (before, after), dict(shown))
            looked_at += 1
    assert looked_at > 50


def check(window, timezone, change, offsets, shown):
    shown |= {t: wall(timezone, t) for t in edges(window, change, offsets) if t not in shown}
    intervals = window.intervals(change - AROUND, change + AROUND + 1)
    flat = [edge for interval in intervals for edge in interval]
    assert flat == sorted(set(flat)), (window, change)
    for t, local in shown.items():
        expected = inside(window, local)
        assert window.contains(t) == expected, (window, t)
        assert bisect_right(flat, t) % 2 == expected, (window, t)
