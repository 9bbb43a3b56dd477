from datetime import UTC, datetime

import pytest

from maestro.calendar import DAY, Closure, parse_local
from maestro.kernel.errors import BadInputError


def closure(start, end, timezone="UTC"):
    return Closure(parse_local(start, "start"), parse_local(end, "end"), timezone, "freeze")


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_the_start_is_closed_and_the_end_is_not():
    christmas = closure("2026-12-24T00:00", "2026-12-27T00:00", "Europe/Berlin")
    start, end = at("2026-12-23T23:00"), at("2026-12-26T23:00")
    assert [christmas.contains(t) for t in (start - 1, start, end - 1, end)] == [False, True, True, False]
    assert christmas.intervals(start - DAY, end + DAY) == ((start, end),)
    assert christmas.intervals(start + 5, start + 9) == ((start + 5, start + 9),)


def test_what_lies_elsewhere_is_no_part():
    freeze = closure("2026-12-24T00:00", "2026-12-27T00:00", "Pacific/Kiritimati")
    start, end = at("2026-12-23T10:00"), at("2026-12-26T10:00")
    assert freeze.intervals(0, start) == ()
    assert freeze.intervals(end, end + 10**9) == ()
    assert freeze.intervals(end, start) == ()
    assert freeze.intervals(start - 10**9, end + 10**9) == ((start, end),)


def test_a_closure_over_a_gap_and_in_an_overlap():
    gap = closure("2026-03-08T02:00", "2026-03-08T03:00", "America/New_York")
    assert gap.intervals(at("2026-03-01"), at("2026-03-15")) == ()
    twice = closure("2026-11-01T01:30", "2026-11-01T01:45", "America/New_York")
    assert twice.intervals(at("2026-10-01"), at("2026-12-01")) == (
        (at("2026-11-01T05:30"), at("2026-11-01T05:45")),
        (at("2026-11-01T06:30"), at("2026-11-01T06:45")),
    )


def test_closed_for_good():
    always = closure("0001-01-01T00:00", "9999-12-31T23:59:59")
    assert always.contains(0)
    assert always.intervals(0, 10) == ((0, 10),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026-12-24T00:00", (2026, 12, 24)), ("2028-02-29T23:59:58", (2028, 2, 29, 23, 59, 58))],
)
def test_local_times(text, expected):
    assert parse_local(text, "start") == datetime(*expected)  # noqa: DTZ001 - naive on purpose


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-12-24", "is a date without a time."),
        ("2026-12-24T00:00Z", "has an offset, but is local time of the closure's timezone."),
        ("2026-12-24T00:00:00+01:00", "has an offset, but is local time of the closure's timezone."),
        ("2026-12-24T00:00-0600", "has an offset, but is local time of the closure's timezone."),
        ("2026-12-24 00:00", "is not a local time."),
        ("2026-12-24T24:00", "is not a local time."),
        ("2026-12-24T00:60", "is not a local time."),
        ("2026-12-24T00:00:00.5", "is not a local time."),
        ("2026-W52-4T00:00", "is not a local time."),
        ("2026-12-24T00:00\n", "is not a local time."),
        ("\u0662026-12-24T00:00", "is not a local time."),
        ("2026-02-29T00:00", "names no day of the calendar."),
        ("0000-01-01T00:00", "names no day of the calendar."),
    ],
)
def test_local_times_that_are_none(text, message):
    with pytest.raises(BadInputError) as caught:
        parse_local(text, "closures[0].start")
    error = caught.value
    assert (error.field, error.value, error.message) == ("closures[0].start", text, message)
    assert error.code == "bad_time"
    assert "2026-12-24T00:00" in error.remedy


def test_an_empty_local_time_is_shown():
    with pytest.raises(BadInputError, match='got ""'):
        parse_local("", "start")


NAIVE = datetime(2026, 12, 24)  # noqa: DTZ001 - naive on purpose


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("end", (NAIVE, NAIVE, "UTC")),
        ("end", (NAIVE.replace(hour=1), NAIVE, "UTC")),
        ("start", (NAIVE.replace(tzinfo=UTC), NAIVE, "UTC")),
        ("start", (NAIVE.replace(microsecond=1), NAIVE, "UTC")),
        ("end", (NAIVE, NAIVE.replace(hour=1, tzinfo=UTC), "UTC")),
        ("end", (NAIVE, NAIVE.replace(hour=1, microsecond=5), "UTC")),
        ("timezone", (NAIVE, NAIVE.replace(hour=1), "Mars/Phobos")),
    ],
)
def test_no_closure_is_made_of_nonsense(field, values):
    with pytest.raises(BadInputError) as caught:
        Closure(*values, "freeze")
    assert caught.value.field == field
