"""What must hold for every plan, whatever windows, closures and clocks the strategies come up with."""

import sys
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from maestro.calendar import HORIZON, Schedule, Window
from maestro.testing.strategies.calendar import instants_around_transitions, schedules, windows

sys.path.insert(0, str(Path(__file__).parent))  # the toy app is no package
from planner import plan

# A deadline would measure the machine, not the app.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

BERLIN = "Europe/Berlin"
JOBS = st.lists(st.integers(1, 6 * 3600), max_size=5)
NOW = instants_around_transitions(BERLIN)


def booked(schedule, jobs, now):
    return [booking for booking in plan(schedule, jobs, now) if booking is not None]


@given(schedules(), JOBS, NOW)
def test_every_job_fits_into_open_time(schedule, jobs, now):
    for booking in booked(schedule, jobs, now):
        assert schedule.admits(booking.start, fit=booking.end - booking.start)
        assert schedule.open_until(booking.start) >= booking.end


@given(schedules(), JOBS, NOW)
def test_jobs_keep_their_order_and_never_overlap(schedule, jobs, now):
    bookings = booked(schedule, jobs, now)
    assert all(first.end <= second.start for first, second in pairwise(bookings))


@given(schedules(), JOBS, NOW)
def test_no_job_waits_longer_than_it_must(schedule, jobs, now):
    free = now
    for booking in booked(schedule, jobs, now):
        # A second earlier it was either not free yet or not allowed.
        earlier = booking.start - 1
        assert earlier < free or not schedule.admits(earlier, fit=booking.end - booking.start)
        free = booking.end


@given(windows(st.just(BERLIN)), NOW)
def test_a_job_of_a_second_finds_its_place_when_a_window_comes_again(window, now):
    # Every window but one that lies wholly in the gap of a spring night comes again within the year.
    if window.end != window.start and window.intervals(now, now + HORIZON // 2):
        assert booked(Schedule([window]), [1], now)


def test_the_clock_that_jumps_forward_shortens_the_night():
    """An example that the strategies find by themselves, written down: 22:00 to 06:00, seven hours that night."""
    night = Window(frozenset(range(7)), 22 * 3600, 6 * 3600, BERLIN)
    begin = 1_774_728_000  # Saturday 28 March 2026, 21:00 in Berlin
    (opens, closes), *_ = Schedule([night]).intervals(begin, begin + 24 * 3600)
    assert closes - opens == 7 * 3600
