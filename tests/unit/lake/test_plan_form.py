"""Files of changes as they come."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from maestro.kernel.errors import BadInputError
from maestro.lake.changes import batch_of
from maestro.lake.columns import conform
from maestro.lake.plan_form import columns_of_values, from_plan_form

COLUMNS = pa.schema([("k", pa.string())])
ROWS = pa.table({"op": ["c"], "_version": pa.array([1], pa.int32()), "k": ["a"]})


def test_the_plans_form_becomes_a_batch():
    want = batch_of([{"k": "a", "_op": "c", "_version": 1, "_source": "files"}], COLUMNS)
    assert conform(from_plan_form(ROWS, "files"), COLUMNS) == want
    assert conform(from_plan_form(want, "elsewhere"), COLUMNS) == want


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ns", tz="UTC"), pa.timestamp("ms"), pa.timestamp("us", tz="Europe/Berlin")]
)
def test_event_times_come_in_any_unit(kind):
    at = datetime(2026, 3, 30, 10, tzinfo=UTC)
    told = pa.array([at], pa.timestamp("us", tz="UTC")).cast(kind)
    rows = ROWS.append_column("_event_time", told)
    assert from_plan_form(rows, "s")["_event_time"].to_pylist() == [at]


def test_a_column_of_ours_without_values_has_no_type_and_needs_none():
    rows = ROWS.append_column("_event_time", pa.nulls(1)).append_column(
        "_source", pa.array(["x"]).dictionary_encode()
    )
    found = from_plan_form(rows, "s")
    assert found["_event_time"].to_pylist() == [None]
    assert found["_source"].to_pylist() == ["x"]


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        (ROWS.drop_columns(["op"]), "_op"),
        (ROWS.drop_columns(["_version"]), "_version"),
        (ROWS.append_column("_deleted", pa.array([False])), "_deleted"),
        (ROWS.set_column(0, "op", pa.array([1])), "_op"),
        (ROWS.set_column(1, "_version", pa.array([1.5])), "_version"),
        (ROWS.set_column(1, "_version", pa.array([2**63], pa.uint64())), "_version"),
    ],
)
def test_what_cannot_be_ours_is_named(rows, field):
    with pytest.raises(BadInputError) as told:
        from_plan_form(rows, "s")
    assert (told.value.field, told.value.code) == (field, "schema_drift")


def test_columns_are_learned_from_values():
    rows = [{"a": 1, "b": 1, "c": True, "d": "x", "e": None, "f": {"x": 1}}, {"a": None, "b": 1.5}]
    assert columns_of_values(rows) == pa.schema(
        [
            ("a", pa.int64()),
            ("b", pa.float64()),
            ("c", pa.bool_()),
            ("d", pa.string()),
            ("e", pa.string()),
            ("f", pa.string()),
        ]
    )
    with pytest.raises(BadInputError, match="no event has a row"):
        columns_of_values([])
