"""What Rego is given: intervals that answer as the schedule does, and the input of one request."""

from datetime import UTC, datetime, timedelta

import pytest

from limits_support.cases import policy_of
from maestro.calendar import DAY, HORIZON, TZDATA_VERSION
from maestro.kernel.errors import BadInputError
from maestro.kernel.instants import epoch_seconds
from maestro.limits.documents import limits_from
from maestro.limits.rego_data import compile_intervals, rego_input
from maestro.limits.request import parse_request

MONDAY = datetime(2026, 3, 30, tzinfo=UTC)
START = epoch_seconds(MONDAY)
HOUR = 3600
NIGHT = {"allowedWindows": [{"start": "22:00", "end": "06:00"}]}


def entry_of(days=2, start=MONDAY, **limits):
    return compile_intervals(policy_of(**limits), start, start + timedelta(days=days))


def hours(intervals):
    return [[(edge - START) / HOUR for edge in interval] for interval in intervals]


def test_windows_and_closures_within_the_span_and_open_time_beyond():
    closure = {"start": "2026-03-31T23:00", "end": "2026-04-01T08:00"}
    entry = entry_of(**NIGHT, closures=[closure])
    assert (entry["from"], entry["until"]) == (START, START + 2 * DAY)
    assert hours(entry["windows"]) == [[0, 6], [22, 30], [46, 48]]
    assert hours(entry["closures"]) == [[47, 48]]
    # After the span only what is longer than all before it: the next whole night, and none of the 399 after it.
    assert hours(entry["open"]) == [[0, 6], [22, 30], [46, 47], [70, 78]]


def test_days_say_which_intervals_have_a_part_in_them():
    entry = entry_of(**NIGHT)
    assert entry["days"] == [
        {"windows": (0, 2), "closures": (0, 0), "open": (0, 2)},
        {"windows": (1, 3), "closures": (0, 0), "open": (1, 3)},
    ]


def test_days_are_counted_from_the_start_of_the_span():
    entry = entry_of(start=MONDAY + timedelta(hours=5), days=1.5, **NIGHT)
    assert [day["windows"] for day in entry["days"]] == [(0, 2), (1, 2)]


def test_it_says_what_it_was_compiled_from():
    entry = entry_of(**NIGHT)
    assert (entry["revision"], entry["tzdata"]) == (policy_of(**NIGHT).revision, TZDATA_VERSION)


@pytest.mark.parametrize("limits", [{}, {"allowedWindows": [{"start": "00:00", "end": "00:00"}]}])
def test_time_that_is_always_open_ends_beyond_every_run(limits):
    entry = entry_of(**limits)
    assert entry["windows"] == [[START, START + 2 * DAY]]
    [(opens, closes)] = entry["open"]
    assert opens == START
    assert closes - entry["until"] >= 2 * HORIZON


def test_never_open():
    entry = entry_of(allowedWindows=[])
    assert (entry["windows"], entry["open"]) == ([], [])


def test_an_end_after_the_last_opening_sought_is_still_exact():
    # Closed again 402 days ahead: within 400 days of an instant of the second day, so a long run must see it.
    closes = MONDAY + timedelta(days=402)
    closure = {"start": f"{closes:%Y-%m-%dT%H:%M}", "end": "2027-12-01T00:00"}
    freeze = {"start": "2026-03-30T00:00", "end": "2026-04-02T12:00"}
    [(opens, until)] = entry_of(closures=[freeze, closure])["open"]
    assert (opens - START, until - START) == (3.5 * DAY, 402 * DAY)


def test_openings_are_kept_400_days_ahead_and_no_further():
    def opening(days):
        opens = MONDAY + timedelta(days=days)
        freeze = {"start": "2026-03-30T00:00", "end": f"{opens:%Y-%m-%dT%H:%M}"}
        return entry_of(days=1, closures=[freeze])["open"]

    assert len(opening(401)) == 1
    assert opening(402) == []


def test_spans_after_the_end_are_kept_while_they_grow():
    windows = [
        {"days": ["wed"], "start": "08:00", "end": "09:00"},
        {"days": ["thu"], "start": "08:00", "end": "08:30"},
        {"days": ["fri"], "start": "08:00", "end": "12:00"},
    ]
    entry = entry_of(days=1, allowedWindows=windows)
    assert hours(entry["open"]) == [[56, 57], [104, 108]]


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (MONDAY, MONDAY, "end"),
        (MONDAY, MONDAY - timedelta(days=1), "end"),
        (MONDAY, MONDAY + timedelta(days=400, seconds=1), "end"),
        (datetime(2260, 12, 31, tzinfo=UTC), datetime(2261, 1, 1, tzinfo=UTC), "end"),
        (MONDAY.replace(tzinfo=None), MONDAY + timedelta(days=1), "start"),
        (MONDAY, (MONDAY + timedelta(days=1)).replace(tzinfo=None), "end"),
    ],
)
def test_a_span_that_cannot_be_compiled(start, end, field):
    with pytest.raises(BadInputError) as caught:
        compile_intervals(policy_of(), start, end)
    assert caught.value.field == field


def test_the_longest_span_compiles():
    assert len(entry_of(days=400, **NIGHT)["days"]) == 400


class TestInput:
    LIMITS = limits_from(
        {
            "tenant": "acme",
            **NIGHT,
            "packageCaps": {"ns/*": 2},
            "packageUsage": {"ns/a": 1},
            "runningTotal": 4,
        }
    )

    def test_it_is_the_limits_file_and_the_request_as_json_spells_them(self):
        body = b'{"tenant":"acme","package":"ns/a","ts":"2026-03-30T10:00:00-06:00","expectedSeconds":900}'
        assert rego_input(self.LIMITS, parse_request(body)) == {
            "tenant": {
                "tenant": "acme",
                "allowedWindows": [{"start": "22:00", "end": "06:00"}],
                "packageCaps": {"ns/*": 2},
                "packageUsage": {"ns/a": 1},
                "runningTotal": 4,
            },
            "request": {
                "tenant": "acme",
                "package": "ns/a",
                "ts": "2026-03-30T16:00:00Z",
                "expectedSeconds": 900,
            },
        }

    def test_what_is_absent_stays_absent(self):
        asked = rego_input(limits_from({"tenant": "acme"}), parse_request(b'{"tenant":"acme","package":"a"}'))
        assert asked == {"tenant": {"tenant": "acme"}, "request": {"tenant": "acme", "package": "a"}}

    def test_a_revision_binds_it_to_compiled_data(self):
        asked = rego_input(self.LIMITS, parse_request(b'{"tenant":"acme","package":"a"}'), revision="w3.c1")
        assert asked["tenant"]["policyRevision"] == "w3.c1"
