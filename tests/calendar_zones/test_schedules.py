"""Whole schedules against brute force: every answer follows from `Window.contains` and `Closure.contains`."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestro.calendar import DAY, FOREVER, HORIZON, Schedule
from maestro.calendar.intervals import subtract, union
from maestro.testing.strategies.calendar import (
    closures,
    instants_around_transitions,
    schedules,
    timezones,
    windows,
)

pytestmark = pytest.mark.slow

HOUR = 3600
WEEK = 7 * DAY


def is_open(schedule, t):
    windows_say = schedule.windows is None or any(window.contains(t) for window in schedule.windows)
    return windows_say and not any(closure.contains(t) for closure in schedule.closures)


@st.composite
def cases(draw):
    """A schedule and an instant, near a change of offset of a zone in it or near a border of the memo's weeks."""
    name = draw(timezones())
    schedule = draw(schedules(st.just(name) | timezones()))
    near_a_border = st.builds(
        lambda week, by: week * WEEK + by,
        st.integers(2870, 3020),
        st.integers(-3, 3) | st.integers(-DAY, DAY),
    )
    return schedule, draw(instants_around_transitions(name) | near_a_border)


def needs():
    """Cutoff and fit: none, minutes, hours, and more than most windows have."""
    return st.sampled_from((0, 1, 600, HOUR, 9 * HOUR)) | st.integers(0, 30 * HOUR)


@settings(max_examples=300)
@given(cases())
def test_what_there_is_at_an_instant(case):
    schedule, middle = case
    for t in (middle, *range(middle - DAY, middle + DAY, 5 * HOUR + 1)):
        first = next((window for window in schedule.windows or () if window.contains(t)), None)
        closed = next((closure for closure in schedule.closures if closure.contains(t)), None)
        assert schedule.window_at(t) == first
        assert schedule.in_window(t) == (schedule.windows is None or first is not None)
        assert schedule.closure_at(t) == closed
        assert (schedule.open_until(t) is not None) == is_open(schedule, t) == schedule.admits(t)


@settings(max_examples=200)
@given(cases())
def test_open_until_is_the_first_instant_that_is_not_open(case):
    schedule, t = case
    end = schedule.open_until(t)
    if end is None:
        assert not is_open(schedule, t)
        return
    last = min(end, t + HORIZON)
    step = max((last - t) // 400, 1)
    assert all(is_open(schedule, instant) for instant in (*range(t, last, step), last - 1))
    assert end == FOREVER or not is_open(schedule, end)


@settings(max_examples=200)
@given(cases(), needs(), needs())
def test_the_next_opening_admits_and_the_second_before_does_not(case, cutoff, fit):
    schedule, t = case
    opening = schedule.next_opening(t, cutoff=cutoff, fit=fit)
    last = t + HORIZON + 1 if opening is None else opening
    step = max((last - t) // 300, 1)
    for instant in range(t, last, step):
        end = schedule.open_until(instant)
        assert end is None or instant >= end - cutoff or instant + fit > end
    if opening is not None:
        end = schedule.open_until(opening)
        assert t <= opening <= t + HORIZON
        assert is_open(schedule, opening)
        assert opening < end - cutoff
        assert opening + fit <= end
        assert opening == t or not schedule.admits(opening - 1, cutoff=cutoff, fit=fit)


@settings(max_examples=200)
@given(cases(), needs(), needs(), st.floats(0, 1))
def test_asking_later_never_gives_an_earlier_opening(case, cutoff, fit, share):
    schedule, t = case
    opening = schedule.next_opening(t, cutoff=cutoff, fit=fit)
    if opening is not None:
        later = t + int((opening - t) * share)
        assert schedule.next_opening(later, cutoff=cutoff, fit=fit) == opening
        after = schedule.next_opening(opening + 1, cutoff=cutoff, fit=fit)
        assert after is None or after > opening


@settings(max_examples=100)
@given(cases())
def test_the_borders_of_the_memo_s_weeks_do_not_show(case):
    schedule, t = case
    start, end = t - 5 * WEEK - 1, t + 5 * WEEK + 1
    admitted = (
        ((start, end),)
        if schedule.windows is None
        else union(span for window in schedule.windows for span in window.intervals(start, end))
    )
    closed = union(span for closure in schedule.closures for span in closure.intervals(start, end))
    whole = subtract(admitted, closed)
    assert schedule.intervals(start, end) == whole
    assert all(until < begin for (_, until), (begin, _) in pairwise(whole))
    for begin, until in whole:
        if until < end:
            borders = {
                border + by for border in range(begin - begin % WEEK, until, WEEK) for by in (-1, 0, 1)
            }
            inside = {instant for instant in borders if begin <= instant < until}
            assert {schedule.open_until(instant) for instant in {begin, until - 1} | inside} == {until}


@settings(max_examples=100)
@given(st.lists(windows(), min_size=1, max_size=3), cases())
def test_more_windows_never_open_later(more, case):
    schedule, t = case
    if schedule.windows is not None:
        wider = Schedule([*schedule.windows, *more], schedule.closures)
        opening = schedule.next_opening(t)
        if opening is not None:
            assert wider.next_opening(t) <= opening


@settings(max_examples=100)
@given(st.data())
def test_a_closure_s_expansion_is_its_rule(data):
    name = data.draw(timezones())
    t = data.draw(instants_around_transitions(name))
    closure = data.draw(closures(st.just(name), start=t - 2 * DAY, end=t + 2 * DAY))
    intervals = closure.intervals(t - 3 * DAY, t + 40 * DAY)
    near = {edge + by for interval in intervals for edge in interval for by in (-1, 0, 1)}
    for instant in near | set(range(t - 2 * DAY, t + 2 * DAY, HOUR)):
        assert closure.contains(instant) == any(begin <= instant < until for begin, until in intervals)


def test_instants_are_drawn_by_zone_too_and_where_nothing_changes():
    drawn = []

    @settings(max_examples=50)
    @given(instants_around_transitions("UTC", start=10, end=20))
    def keep(instant):
        drawn.append(instant)

    keep()
    assert set(drawn) <= set(range(10, 20))
