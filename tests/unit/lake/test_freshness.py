"""Freshness: the age of events when they are visible, never an average, never wrong about silence."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.lake.changes import batch_of
from maestro.lake.freshness import BUCKETS, Freshness, ages_of
from maestro.lake.incidents import Alarm

NOW = dt.datetime(2026, 3, 30, 12, tzinfo=dt.UTC)
COLUMNS = pa.schema([("id", pa.int64())])


def ago(seconds):
    return NOW - dt.timedelta(seconds=seconds)


def batch(*ages, op="u"):
    rows = [
        {"id": 1, "_op": op, "_version": 1, "_event_time": None if age is None else ago(age), "_source": "s"}
        for age in ages
    ]
    return batch_of(rows, COLUMNS)


def test_each_event_counts_by_its_own_age():
    ages = ages_of(batch(0.2, 3, 3, 100), NOW)
    assert (ages.live, ages.ahead, ages.snapshot) == (4, 0, 0)
    assert dict(zip(BUCKETS, ages.histogram, strict=True))[0.25] == 1
    assert dict(zip(BUCKETS, ages.histogram, strict=True))[90.0] == 3
    assert ages.seconds == pytest.approx(106.2)


def test_snapshot_rows_are_counted_apart_and_unknown_times_not_at_all():
    assert ages_of(batch(500, 600, op="r"), NOW).snapshot == 2
    assert ages_of(batch(None), NOW).live == 0


def test_an_event_from_the_future_counts_as_fresh_and_tells_of_the_clock():
    fresh = Freshness()
    fresh.committed(ages_of(batch(-30, -1), NOW), NOW)
    assert fresh.seconds(NOW) == 0.0
    assert fresh.skewed_at == NOW


def test_the_gauge_is_the_95th_percentile_of_the_last_minute():
    fresh = Freshness()
    fresh.committed(ages_of(batch(*[1] * 90, *[20] * 10), NOW), NOW)
    assert 20 <= fresh.seconds(NOW) <= 21
    assert fresh.quantile(0.5) == pytest.approx(1, rel=0.06)
    assert fresh.seconds(NOW + dt.timedelta(seconds=61)) == 0.0
    assert fresh.quantile(0.5) == 0.0


def test_it_grows_in_a_stall_with_the_oldest_change_that_waits():
    fresh = Freshness()
    fresh.waiting(ago(5))
    assert fresh.seconds(NOW) == 5
    assert fresh.seconds(NOW + dt.timedelta(seconds=600)) == 605
    fresh.waiting(None)
    assert fresh.seconds(NOW + dt.timedelta(seconds=600)) == 0


def test_a_silent_source_is_fresh_while_its_heart_beats():
    fresh = Freshness(heartbeat_every=10)
    assert fresh.seconds(NOW) == 0
    fresh.quiet(ago(3))
    fresh.quiet(ago(8))
    assert fresh.seconds(NOW) == 0
    assert fresh.seconds(NOW + dt.timedelta(seconds=100)) == 93


@given(st.lists(st.floats(min_value=0.01, max_value=5_000), min_size=1, max_size=50))
def test_a_percentile_is_at_most_five_percent_too_high(ages):
    fresh = Freshness()
    fresh.committed(ages_of(batch(*ages), NOW), NOW)
    exact = sorted(ages)[max(0, -(-len(ages) * 95 // 100) - 1)]
    assert exact * 0.999 <= fresh.quantile(0.95) <= exact * 1.06


def test_an_alarm_is_told_when_it_begins_and_when_it_ends():
    alarm = Alarm("cdc.freshness.breach", "freshness_slo", "runs")
    assert alarm.judge(False, NOW, {}) is None
    opened = alarm.judge(True, NOW, {"freshnessSeconds": 91})
    assert alarm.judge(True, NOW + dt.timedelta(1), {}) is None
    closed = alarm.judge(False, NOW + dt.timedelta(2), {})
    assert (opened.type, closed.type) == ("mc.incident.open", "mc.incident.close")
    assert opened.data["dedupeKey"] == closed.data["dedupeKey"] == "cdc.freshness.breach/runs"
    assert opened.data["openedAt"] == closed.data["openedAt"]
    assert opened.id != closed.id
