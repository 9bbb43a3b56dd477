from datetime import UTC, datetime, timedelta

import pytest

from maestro.calendar import DAY, EVERY_DAY, Window, parse_days, parse_time_of_day
from maestro.kernel.errors import BadInputError

NEW_YORK = "America/New_York"
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
TO = "\N{EN DASH}"


def window(hours, timezone=NEW_YORK, *days):
    start, end = hours.split("-")
    return Window(
        days or EVERY_DAY,
        parse_time_of_day(start, "start", end=False),
        parse_time_of_day(end, "end", end=True),
        timezone,
    )


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def expand(window, start, end):
    """Intervals in UTC text, held against `contains` at every minute and around every edge."""
    low, high = at(start), at(end)
    intervals = window.intervals(low, high)
    edges = {edge + by for interval in intervals for edge in interval for by in (-1, 0, 1)}
    for instant in sorted({*range(low, high, 60), *(edge for edge in edges if low <= edge < high)}):
        assert window.contains(instant) == any(begin <= instant < until for begin, until in intervals), (
            instant
        )
    return [
        tuple(f"{datetime.fromtimestamp(edge, UTC):%m-%dT%H:%M:%S}" for edge in pair) for pair in intervals
    ]


def hours(window, start, end):
    return sum(until - begin for begin, until in window.intervals(at(start), at(end))) / 3600


# ---- the research page's durations -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day", "expected"),
    [
        ("22:00-06:00", "2026-03-07", 7),
        ("22:00-06:00", "2026-10-31", 9),
        ("22:00-06:00", "2026-06-06", 8),
        ("02:00-03:00", "2026-03-08", 0),
        ("01:00-02:00", "2026-11-01", 2),
        ("12:00-12:00", "2026-03-07", 23),
        ("12:00-12:00", "2026-10-31", 25),
        ("00:00-24:00", "2026-03-08", 23),
        ("00:00-00:00", "2026-11-01", 25),
    ],
)
def test_a_window_lasts_as_long_as_the_wall_s_clock_shows_it(text, day, expected):
    start = datetime.fromisoformat(day)
    one_day = window(text, NEW_YORK, start.weekday())
    assert hours(one_day, day, (start + timedelta(days=3)).isoformat()) == expected


# ---- odd days --------------------------------------------------------------------------------------------


def test_a_start_in_a_gap_opens_at_the_gap_s_end():
    assert expand(window("02:30-03:30"), "2026-03-08T00:00", "2026-03-09T00:00") == [
        ("03-08T07:00:00", "03-08T07:30:00")
    ]


def test_an_end_in_a_gap_closes_where_the_gap_is():
    assert expand(window("01:30-02:30"), "2026-03-08T00:00", "2026-03-09T00:00") == [
        ("03-08T06:30:00", "03-08T07:00:00")
    ]


def test_a_window_wholly_in_a_gap_does_not_exist():
    assert expand(window("02:00-03:00"), "2026-03-08T00:00", "2026-03-09T00:00") == []
    assert expand(window("02:15-02:45:30"), "2026-03-08T00:00", "2026-03-09T00:00") == []


def test_edges_in_an_overlap_give_two_intervals():
    assert expand(window("01:30-01:45"), "2026-11-01T00:00", "2026-11-02T00:00") == [
        ("11-01T05:30:00", "11-01T05:45:00"),
        ("11-01T06:30:00", "11-01T06:45:00"),
    ]


def test_one_edge_in_an_overlap_gives_two_intervals_as_well():
    assert expand(window("01:30-05:00"), "2026-11-01T00:00", "2026-11-02T00:00") == [
        ("11-01T05:30:00", "11-01T06:00:00"),
        ("11-01T06:30:00", "11-01T10:00:00"),
    ]


def test_the_whole_overlap_is_one_interval():
    assert expand(window("01:00-02:00"), "2026-11-01T00:00", "2026-11-02T00:00") == [
        ("11-01T05:00:00", "11-01T07:00:00")
    ]


def test_a_day_that_does_not_exist():
    # Samoa went from Thursday 29 December 2011 to Saturday the 31st.
    span = ("2011-12-29T00:00", "2012-01-02T00:00")
    assert expand(window("00:00-24:00", "Pacific/Apia", FRI), *span) == []
    assert hours(window("22:00-06:00", "Pacific/Apia", THU), *span) == 2
    # Saturday 00:00 to 06:00 is the second half of Friday's night, though nobody saw the first.
    assert expand(window("22:00-06:00", "Pacific/Apia", FRI), *span) == [("12-30T10:00:00", "12-30T16:00:00")]


@pytest.mark.parametrize(
    ("zone", "day", "opens"),
    [("America/Santiago", SUN, "2026-09-06T04:00"), ("Africa/Cairo", FRI, "2026-04-23T22:00")],
)
def test_a_midnight_that_does_not_exist(zone, day, opens):
    change = at(opens)
    around = (change - DAY, change + DAY)
    assert window("00:00-02:00", zone, day).intervals(*around) == ((change, change + 3600),)
    assert window("23:30-00:30", zone, (day - 1) % 7).intervals(*around) == ((change - 1800, change),)
    assert window("00:00-01:00", zone, day).intervals(*around) == ()


def test_a_shift_of_half_an_hour():
    howe = "Australia/Lord_Howe"
    assert expand(window("02:15-03:00", howe), "2026-10-03T10:00", "2026-10-03T20:00") == [
        ("10-03T15:30:00", "10-03T16:00:00")
    ]
    assert expand(window("01:30-02:00", howe), "2026-04-04T10:00", "2026-04-04T20:00") == [
        ("04-04T14:30:00", "04-04T15:30:00")
    ]


def test_ramadan():
    casablanca = "Africa/Casablanca"
    assert expand(window("02:15-02:45", casablanca), "2026-02-15T00:00", "2026-02-15T12:00") == [
        ("02-15T01:15:00", "02-15T01:45:00"),
        ("02-15T02:15:00", "02-15T02:45:00"),
    ]
    assert expand(window("02:30-03:30", casablanca), "2026-03-22T00:00", "2026-03-22T12:00") == [
        ("03-22T02:00:00", "03-22T02:30:00")
    ]


def test_an_offset_with_seconds():
    assert expand(window("00:00-01:00", "Africa/Monrovia"), "1971-12-31T12:00", "1972-01-01T12:00") == [
        ("01-01T00:44:30", "01-01T01:44:30")
    ]


@pytest.mark.parametrize(("zone", "east"), [("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)])
def test_the_ends_of_the_world_have_their_own_monday(zone, east):
    monday = at("2026-06-01T00:00") - east * 3600
    found = window("00:00-24:00", zone, MON).intervals(monday - 3 * DAY, monday + 3 * DAY)
    assert found == ((monday, monday + DAY),)


# ---- days, midnight, seams -------------------------------------------------------------------------------


def test_the_day_is_the_one_on_which_the_window_starts():
    night = window("22:00-06:00", "UTC", FRI)
    assert night.contains(at("2026-06-06T05:59:59"))
    assert not night.contains(at("2026-06-06T06:00"))
    assert not night.contains(at("2026-06-05T05:00"))
    assert not night.contains(at("2026-06-06T22:00"))


def test_windows_of_all_hours_of_all_days_are_one_interval():
    start, end = at("2026-01-01"), at("2027-01-01")
    for text in ("00:00-24:00", "00:00-00:00", "06:30-06:30"):
        assert window(text).intervals(start, end) == ((start, end),)


def test_an_end_at_midnight_can_be_written_both_ways():
    span = (at("2026-01-01"), at("2026-02-01"))
    assert window("22:00-24:00").intervals(*span) == window("22:00-00:00").intervals(*span)
    assert window("22:00-24:00").length == window("22:00-00:00").length == 2 * 3600
    assert window("22:00-22:00").length == DAY


def test_an_expansion_is_cut_to_what_was_asked():
    night = window("22:00-06:00", "UTC")
    start = at("2026-06-06T23:00")
    assert night.intervals(start, start + 60) == ((start, start + 60),)
    assert night.intervals(start, start) == ()


def test_the_far_ends_of_time_do_not_break():
    for seconds in (-62_135_596_800, 253_402_300_799, 10**14):
        for name in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
            always = window("00:00-24:00", name)
            assert always.contains(seconds)
            assert always.intervals(seconds, seconds + 1) == ((seconds, seconds + 1),)


# ---- words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "days", "words"),
    [
        ("22:00-06:00", (MON, TUE, WED, THU, FRI), "Mon_Fri 22:00_06:00 (Europe/Berlin)"),
        ("00:00-00:00", (), "every day 00:00_24:00 (Europe/Berlin)"),
        ("08:00-12:30:15", (MON, WED, SUN), "Mon, Wed, Sun 08:00_12:30:15 (Europe/Berlin)"),
        ("08:00-24:00", (SAT, SUN), "Sat, Sun 08:00_24:00 (Europe/Berlin)"),
        ("08:00-09:00", (MON, THU, FRI, SAT), "Mon, Thu_Sat 08:00_09:00 (Europe/Berlin)"),
    ],
)
def test_a_window_in_words(text, days, words):
    assert window(text, "Europe/Berlin", *days).describe() == words.replace("_", TO)


# ---- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "end", "seconds"),
    [
        ("00:00", False, 0),
        ("07:05", False, 25500),
        ("23:59:59", False, 86399),
        ("24:00", True, 86400),
        ("24:00:00", True, 86400),
        ("00:00", True, 0),
    ],
)
def test_times_of_day(text, end, seconds):
    assert parse_time_of_day(text, "start", end=end) == seconds


@pytest.mark.parametrize(
    ("text", "end", "message", "remedy"),
    [
        ("25:00", False, "names no time of a day.", "Use 00:00 to 23:59:59."),
        ("25:00", True, "names no time of a day.", "Use 00:00 to 24:00."),
        ("24:00", False, "cannot be a start.", "Write 00:00 and the next day."),
        ("24:00:01", True, "names no time of a day.", "Use 00:00 to 24:00."),
        ("24:01", True, "names no time of a day.", "Use 00:00 to 24:00."),
        ("23:60", True, "names no time of a day.", "Use 00:00 to 24:00."),
        ("22:59:60", True, "names no time of a day.", "Use 00:00 to 24:00."),
        *(
            (
                text,
                False,
                "is not a time of day.",
                "Write HH:MM or HH:MM:SS with two digits each, for example 07:00.",
            )
            for text in (
                "7:00",
                "0700",
                "07:00\n",
                " 07:00",
                "07:00:0",
                "07:00:00.5",
                "7pm",
                "-1:00",
                "\u0660\u0667:00",
            )
        ),
    ],
)
def test_times_that_are_none(text, end, message, remedy):
    with pytest.raises(BadInputError) as caught:
        parse_time_of_day(text, "allowedWindows[0].start", end=end)
    error = caught.value
    assert (error.field, error.value, error.message, error.remedy) == (
        "allowedWindows[0].start",
        text,
        message,
        remedy,
    )
    assert error.code == "bad_time"


def test_an_empty_time_is_shown():
    with pytest.raises(BadInputError, match='got ""'):
        parse_time_of_day("", "start", end=False)


def test_days():
    assert parse_days(["mon", "sun", "wed"], "days") == {MON, WED, SUN}


@pytest.mark.parametrize(
    ("days", "field", "message", "remedy"),
    [
        ([], "days", "is an empty list.", "leave days out for every day"),
        (["mon", "tue", "mon"], "days[2]", "is there twice.", "once"),
        (["Mon"], "days[0]", "is not a day.", "mon, tue, wed, thu, fri, sat, sun"),
        (["mon", ""], "days[1]", "is not a day.", "Use mon"),
    ],
)
def test_days_that_are_none(days, field, message, remedy):
    with pytest.raises(BadInputError) as caught:
        parse_days(days, "days")
    assert (caught.value.field, caught.value.message) == (field, message)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("days", (frozenset(), 0, 60, "UTC")),
        ("days", ({7}, 0, 60, "UTC")),
        ("days", ({-1, 0}, 0, 60, "UTC")),
        ("start", (EVERY_DAY, DAY, 60, "UTC")),
        ("start", (EVERY_DAY, -1, 60, "UTC")),
        ("end", (EVERY_DAY, 0, DAY + 1, "UTC")),
        ("end", (EVERY_DAY, 0, -1, "UTC")),
        ("timezone", (EVERY_DAY, 0, 60, "Mars/Phobos")),
    ],
)
def test_no_window_is_made_of_nonsense(field, values):
    with pytest.raises(BadInputError) as caught:
        Window(*values)
    assert caught.value.field == field
