from datetime import UTC, datetime
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
import tzdata

from maestro.calendar import DAY, TZDATA_VERSION, offset_spans, wall_seconds, zone, zone_names
from maestro.kernel.errors import BadInputError


def at(*fields):
    return int(datetime(*fields, tzinfo=UTC).timestamp())


def test_the_version_is_that_of_the_package():
    assert tzdata.IANA_VERSION == TZDATA_VERSION


def test_every_listed_zone_loads_from_the_package_and_not_from_the_system(monkeypatch):
    def forbidden(*_args, **_kwargs):
        pytest.fail("a system file was asked for")

    monkeypatch.setattr("zoneinfo._tzpath.find_tzfile", forbidden)
    assert len(zone_names()) > 400
    for name in zone_names():
        assert zone(name).key == name
        assert zone(name) is zone(name)


def test_a_zone_says_what_the_package_s_bytes_say():
    with files("tzdata").joinpath("zoneinfo", "Europe", "Berlin").open("rb") as file:
        other = ZoneInfo.from_file(file)
    for seconds in range(at(2026, 1, 1), at(2027, 1, 1), DAY // 4):
        moment = datetime.fromtimestamp(seconds, UTC)
        assert moment.astimezone(zone("Europe/Berlin")).utcoffset() == moment.astimezone(other).utcoffset()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Berlln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_an_unknown_zone_names_the_one_that_was_meant(name, meant):
    with pytest.raises(BadInputError) as caught:
        zone(name, "allowedWindows[0].timezone")
    error = caught.value
    assert (error.field, error.value, error.code) == ("allowedWindows[0].timezone", name, "unknown_timezone")
    assert error.remedy == f"Use an IANA name; did you mean {meant}?"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../zones",
        "../../etc/passwd",
        "/etc/localtime",
        "America/../UTC",
        "America",
        "__init__.py",
        "zone1970.tab",
        "tzdata.zi",
        "Europe\\Berlin\0",
        pytest.param("\ud800", id="surrogate"),
        pytest.param("x" * 100_000, id="long"),
        "Europe/Berlin\n",
    ],
)
def test_nothing_but_a_listed_name_is_opened(name):
    with pytest.raises(BadInputError) as caught:
        zone(name)
    assert caught.value.field == "timezone"
    assert caught.value.code == "unknown_timezone"
    assert len(str(caught.value)) < 250


def test_without_a_near_name_an_example_is_given():
    with pytest.raises(BadInputError, match="for example Europe/Berlin"):
        zone("qqqqqqqqqqqq")


def test_wall_seconds_are_what_the_clock_shows():
    seconds = at(2026, 7, 1, 12)
    assert wall_seconds(zone("Europe/Berlin"), seconds) == at(2026, 7, 1, 14)
    assert wall_seconds(zone("America/St_Johns"), seconds) == at(2026, 7, 1, 9, 30)


def test_offset_spans_are_exact_to_the_second():
    new_york = zone("America/New_York")
    start, spring, autumn, end = at(2026, 1, 1), at(2026, 3, 8, 7), at(2026, 11, 1, 6), at(2027, 1, 1)
    assert offset_spans(new_york, start, end) == (
        (start, spring, -5 * 3600),
        (spring, autumn, -4 * 3600),
        (autumn, end, -5 * 3600),
    )
    assert offset_spans(new_york, spring - 1, spring + 1) == (
        (spring - 1, spring, -5 * 3600),
        (spring, spring + 1, -4 * 3600),
    )
    assert offset_spans(new_york, spring, spring) == ()
    assert offset_spans(new_york, spring, start) == ()


def test_years_of_one_offset_are_one_span():
    start, end = at(1990, 1, 1), at(2040, 1, 1)
    assert offset_spans(zone("Asia/Kathmandu"), start, end) == ((start, end, 20700),)


def test_offsets_of_local_mean_time_have_seconds():
    # Until 1972-01-07 Monrovia kept 44 minutes and 30 seconds behind Greenwich.
    change = at(1972, 1, 7, 0, 44, 30)
    spans = offset_spans(zone("Africa/Monrovia"), change - DAY, change + DAY)
    assert spans == ((change - DAY, change, -2670), (change, change + DAY, 0))


def test_beyond_the_years_of_datetime_the_last_offset_stays():
    for name in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"):
        for seconds in (-(10**14), -62_135_596_800, 253_402_300_799, 10**14):
            ((begin, until, offset),) = offset_spans(zone(name), seconds, seconds + 1)
            assert (begin, until) == (seconds, seconds + 1)
            assert wall_seconds(zone(name), seconds) == seconds + offset
