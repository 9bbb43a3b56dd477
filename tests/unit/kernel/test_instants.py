"""Instants are RFC 3339 with an offset; everything else is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro import BadInputError
from maestro.kernel.instants import (
    epoch_seconds,
    format_instant,
    from_epoch_seconds,
    parse_instant,
    require_aware,
)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-30T10:00:00-06:00", datetime(2026, 3, 30, 16, tzinfo=UTC)),
        ("2026-03-30t16:00:00z", datetime(2026, 3, 30, 16, tzinfo=UTC)),
        ("2026-03-30T16:00:00.123456789Z", datetime(2026, 3, 30, 16, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read(text, instant):
    assert parse_instant(text) == instant
    assert parse_instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-30T10:00:00",
        "2026-03-30",
        "20260330T100000Z",
        "2026-W14-1T10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-03-30T10:00:60Z",
        "0001-01-01T00:00:00+14:00",
        "٢٠٢٦-03-30T10:00:00Z",
        "",
    ],
)
def test_anything_else_is_refused_with_field_value_and_remedy(text):
    with pytest.raises(BadInputError, match="RFC 3339") as caught:
        parse_instant(text, "evaluatedAt")
    assert caught.value.field == "evaluatedAt"


@given(st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_what_is_written_is_read_back(instant):
    assert parse_instant(format_instant(instant)) == instant


@given(st.integers(-(2**35), 2**35))
def test_epoch_seconds_round_trip(seconds):
    assert epoch_seconds(from_epoch_seconds(seconds)) == seconds
    assert epoch_seconds(from_epoch_seconds(seconds) + timedelta(microseconds=999_999)) == seconds


def test_an_aware_datetime_comes_back_in_utc():
    berlin_summer = timezone(timedelta(hours=2))
    assert require_aware(datetime(2026, 7, 1, 12, tzinfo=berlin_summer), "at").hour == 10


def test_a_naive_datetime_names_no_instant():
    with pytest.raises(BadInputError, match="without a zone"):
        require_aware(datetime(2026, 7, 1, 12), "at")  # noqa: DTZ001 - the naive one is the point
