"""Columns from what came over the wire: read as the source says, held as the table says, wrong values told by place."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from maestro.formats.connect_types import WireType
from maestro.lake.wire_columns import column_of, wanted_of


def test_a_time_of_day_is_text_in_a_table():
    column, wrong = column_of([36_000_000_000, None], pa.string(), WireType("time", "us"))
    assert (column.to_pylist(), wrong) == (["10:00:00", None], {})


@pytest.mark.parametrize("unit", ["us", "ms"], ids=["the column's unit", "another unit"])
def test_a_wall_clock_s_reading_is_no_instant(unit):
    column, wrong = column_of([1_774_864_800_000], pa.timestamp("us", tz="UTC"), WireType("timestamp", unit))
    assert column.to_pylist() == [None]
    assert "timestamp with zone for a column without one, or the reverse" in wrong[0]


def test_an_instant_in_another_unit_is_the_same_instant():
    told = WireType("timestamp", "ms", zoned=True)
    column, wrong = column_of([1_774_864_800_000], pa.timestamp("us", tz="UTC"), told)
    assert (column.to_pylist(), wrong) == ([datetime(2026, 3, 30, 10, tzinfo=UTC)], {})


def test_a_column_that_no_source_writes_is_read_as_it_comes():
    assert wanted_of(pa.list_(pa.int64())).name == "other"
