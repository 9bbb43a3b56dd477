import copy
import gc
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from maestro.calendar import DAY, EVERY_DAY, FOREVER, HORIZON, Closure, Schedule, Window
from maestro.calendar import zones as zones_room

HOUR = 3600
NEW_YORK = "America/New_York"


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def window(start, end, timezone="UTC", days=EVERY_DAY):
    return Window(days, start * HOUR, end * HOUR, timezone)


def closure(start, seconds, reason="freeze"):
    naive = datetime.fromtimestamp(start, UTC).replace(tzinfo=None)
    return Closure(naive, naive + timedelta(seconds=seconds), "UTC", reason)


NOON = at("2026-06-01T12:00")
NIGHTS = Schedule([window(22, 6)])


# ---- what there is at an instant -------------------------------------------------------------------------


def test_the_first_window_in_order_is_named():
    early, late = window(8, 14), window(10, 18)
    schedule = Schedule([early, late])
    day = at("2026-06-01")
    found = [schedule.window_at(day + hour * HOUR) for hour in (7, 8, 13, 14, 17, 18)]
    assert found == [None, early, early, late, late, None]
    assert Schedule([late, early]).window_at(day + 13 * HOUR) == late
    assert [schedule.in_window(day + hour * HOUR) for hour in (7, 8, 17, 18)] == [False, True, True, False]


def test_the_first_closure_in_order_is_named():
    short, long = closure(NOON, 60, "short"), closure(NOON - 60, 180, "long")
    assert Schedule(None, [short, long]).closure_at(NOON) is short
    assert Schedule(None, [short, long]).closure_at(NOON + 60) is long
    assert Schedule(None, [long, short]).closure_at(NOON) is long
    assert Schedule(None, [short, long]).closure_at(NOON + 120) is None


def test_a_closure_beats_a_window_and_hides_it_not():
    schedule = Schedule([window(8, 18)], [closure(NOON, HOUR)])
    assert schedule.in_window(NOON)
    assert schedule.window_at(NOON) is not None
    assert schedule.open_until(NOON) is None
    assert schedule.open_until(NOON - 1) == NOON
    assert schedule.open_until(NOON + HOUR) == at("2026-06-01T18:00")


def test_unrestricted_is_open_without_an_end_and_in_no_window():
    schedule = Schedule(None)
    assert schedule.in_window(NOON)
    assert schedule.window_at(NOON) is None
    assert schedule.open_until(NOON) == FOREVER
    assert schedule.next_opening(NOON) == NOON
    assert schedule.next_opening(NOON, cutoff=10**9, fit=10**9) == NOON


def test_no_windows_is_never_open():
    schedule = Schedule([])
    assert not schedule.in_window(NOON)
    assert schedule.window_at(NOON) is None
    assert schedule.open_until(NOON) is None
    assert schedule.next_opening(NOON) is None
    assert schedule.intervals(NOON, NOON + HORIZON) == ()


# ---- merged spans ----------------------------------------------------------------------------------------


def test_windows_that_meet_are_one_span():
    schedule = Schedule([window(8, 12), window(12, 18), window(17, 20)])
    assert schedule.open_until(at("2026-06-01T09:00")) == at("2026-06-01T20:00")


def test_all_hours_of_all_days_have_no_end():
    for schedule in (
        Schedule([window(0, 24)]),
        Schedule([window(22, 6, NEW_YORK), window(6, 22, NEW_YORK)]),
        Schedule([window(0, 12, "Asia/Kathmandu"), window(12, 24, "Asia/Kathmandu")]),
    ):
        assert schedule.open_until(NOON) == FOREVER
        assert schedule.intervals(NOON, NOON + HORIZON) == ((NOON, NOON + HORIZON),)


def test_the_borders_of_weeks_do_not_show():
    # 2026-06-04 is a Thursday, as 1970-01-01 was: a border between two of the memo's weeks.
    border = at("2026-06-04")
    for t in (border - HOUR, border - 1, border, border + 1):
        assert NIGHTS.open_until(t) == border + 6 * HOUR
    assert Schedule([window(20, 24)]).open_until(border - 1) == border
    assert Schedule([window(20, 24)]).open_until(border) is None
    assert Schedule(None, [closure(border, 60)]).open_until(border - 1) == border
    assert NIGHTS.intervals(border - DAY, border + DAY) == (
        (border - DAY, border - 18 * HOUR),
        (border - 2 * HOUR, border + 6 * HOUR),
        (border + 22 * HOUR, border + DAY),
    )


def test_a_span_over_many_weeks_ends_where_it_ends():
    end = NOON + 100 * DAY
    schedule = Schedule([window(0, 24)], [closure(end, 60)])
    assert {schedule.open_until(t) for t in (NOON, NOON + DAY, end - 1)} == {end}
    assert schedule.open_until(end) is None


@pytest.mark.parametrize("t", [NOON, at("2026-06-04") - 1, at("2026-06-04"), at("2026-06-04") + 1])
def test_the_end_is_sought_as_far_as_the_horizon(t):
    schedule = Schedule(None, [closure(t + HORIZON, 60)])
    assert schedule.open_until(t) == t + HORIZON
    assert schedule.open_until(t - 1) == FOREVER
    assert schedule.open_until(t - 30 * DAY) == FOREVER


# ---- the next opening ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "hours"), [("2026-03-08T04:00", 9), ("2026-11-01T03:00", 11), ("2026-06-02T03:00", 10)]
)
def test_from_23_to_9_over_a_change(asked, hours):
    schedule = Schedule([window(9, 17, NEW_YORK)])
    assert schedule.next_opening(at(asked)) == at(asked) + hours * HOUR


def test_the_opening_is_exact_to_the_second():
    opening = NIGHTS.next_opening(NOON)
    assert opening == at("2026-06-01T22:00")
    assert NIGHTS.admits(opening)
    assert not NIGHTS.admits(opening - 1)
    assert NIGHTS.next_opening(opening) == opening
    assert NIGHTS.next_opening(opening + 1) == opening + 1


def test_an_opening_in_a_gap_is_the_gap_s_end():
    schedule = Schedule([Window({6}, 2 * HOUR + 1800, 3 * HOUR + 1800, NEW_YORK)])
    assert schedule.next_opening(at("2026-03-08T00:00")) == at("2026-03-08T07:00")


def test_a_window_wholly_in_a_gap_is_skipped():
    schedule = Schedule([window(2, 3, NEW_YORK, {6})])
    assert schedule.next_opening(at("2026-03-02T00:00")) == at("2026-03-15T06:00")


def test_the_cutoff_closes_the_end_of_a_span():
    end = at("2026-06-02T06:00")
    assert NIGHTS.admits(end - 601, cutoff=600)
    assert not NIGHTS.admits(end - 600, cutoff=600)
    assert NIGHTS.next_opening(end - 601, cutoff=600) == end - 601
    assert NIGHTS.next_opening(end - 600, cutoff=600) == end + 16 * HOUR


def test_what_must_fit_may_fill_the_span_to_its_end():
    end = at("2026-06-02T06:00")
    assert NIGHTS.admits(end - 600, fit=600)
    assert not NIGHTS.admits(end - 599, fit=600)
    assert NIGHTS.next_opening(end - 599, fit=600) == end + 16 * HOUR
    assert NIGHTS.next_opening(NOON, fit=8 * HOUR) == at("2026-06-01T22:00")
    assert NIGHTS.next_opening(NOON, fit=8 * HOUR + 1) is None
    assert NIGHTS.next_opening(NOON, cutoff=8 * HOUR) is None


def test_cutoff_and_fit_count_to_the_end_of_the_merged_span():
    schedule = Schedule([window(8, 12), window(12, 18)])
    assert schedule.next_opening(at("2026-06-01T11:59"), cutoff=HOUR, fit=6 * HOUR) == at("2026-06-01T11:59")
    assert Schedule([window(8, 18)], [closure(NOON, 60)]).admits(NOON - 30, cutoff=60) is False


def test_a_longer_night_may_fit_what_no_other_does():
    schedule = Schedule([window(22, 6, NEW_YORK)])
    assert schedule.next_opening(NOON, fit=9 * HOUR) == at("2026-11-01T02:00")


def test_openings_are_sought_as_far_as_the_horizon():
    assert Schedule(None, [closure(NOON, HORIZON)]).next_opening(NOON) == NOON + HORIZON
    assert Schedule(None, [closure(NOON, HORIZON + 1)]).next_opening(NOON) is None
    assert Schedule(None, [closure(NOON, HORIZON + 1)]).next_opening(NOON + 1) == NOON + HORIZON + 1
    assert Schedule([window(8, 18)], [closure(NOON, 3650 * DAY)]).next_opening(NOON) is None


def test_far_ends_of_time_have_answers():
    for t in (-62_135_596_800, 253_402_300_799):
        schedule = Schedule([window(22, 6, NEW_YORK), window(8, 9, "Pacific/Kiritimati")])
        opening = schedule.next_opening(t)
        assert opening is not None
        assert schedule.admits(opening)
        assert opening == t or not schedule.admits(opening - 1)


# ---- the object ------------------------------------------------------------------------------------------


def test_schedules_are_values():
    one, other = (
        Schedule([window(22, 6)], [closure(NOON, 60)]),
        Schedule((window(22, 6),), (closure(NOON, 60),)),
    )
    one.open_until(NOON)
    assert one == other
    assert hash(one) == hash(other)
    assert copy.deepcopy(one) == one
    assert copy.copy(one).next_opening(NOON) == other.next_opening(NOON)
    assert "memo" not in repr(one)
    assert "_in" not in repr(one)


def test_a_schedule_is_freed_without_the_collector():
    gc.disable()
    try:
        schedule = Schedule([window(22, 6)])
        schedule.next_opening(NOON)
        gone = weakref.ref(schedule)
        del schedule
        assert gone() is None
    finally:
        gc.enable()


def test_threads_share_a_schedule():
    instants = range(NOON, NOON + 120 * DAY, 7 * HOUR)
    expected = [(NIGHTS.open_until(t), NIGHTS.next_opening(t), NIGHTS.in_window(t)) for t in instants]
    shared = Schedule([window(22, 6)])

    def ask(_):
        return [(shared.open_until(t), shared.next_opening(t), shared.in_window(t)) for t in instants]

    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(ask, range(16)))


def test_seeking_in_vain_stays_cheap():
    # Some 3 ms on an idle core; the bound only tells apart what grows with seconds or hours.
    def seek():
        zones_room._year_spans.cache_clear()
        begin = time.perf_counter()
        assert Schedule([window(22, 6, NEW_YORK)]).next_opening(NOON, cutoff=12 * HOUR) is None
        return time.perf_counter() - begin

    assert min(seek() for _ in range(5)) < 0.05
