"""Whether a batch's columns are the table's."""

import pyarrow as pa
import pytest

from maestro.kernel.errors import BadInputError
from maestro.lake.changes import batch_of, change_schema
from maestro.lake.columns import conform, plain

COLUMNS = pa.schema([("k", pa.string()), ("n", pa.int64())])
BATCH = batch_of([{"k": "a", "n": 1, "_op": "c", "_version": 1, "_source": "s"}], COLUMNS)


@pytest.mark.parametrize(
    ("kind", "same"),
    [
        (pa.large_string(), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.large_binary(), pa.binary()),
        (pa.binary(3), pa.binary()),
        (pa.large_list(pa.large_string()), pa.list_(pa.field("element", pa.string()))),
        (pa.struct([("a", pa.large_string())]), pa.struct([("a", pa.string())])),
        (pa.map_(pa.large_string(), pa.large_binary()), pa.map_(pa.string(), pa.binary())),
        (pa.int32(), pa.int32()),
    ],
)
def test_ways_of_holding_the_same_values_are_one(kind, same):
    assert plain(pa.schema([("x", kind)])) == pa.schema([("x", same)])


def test_columns_come_in_the_tables_order_and_form():
    other = BATCH.select(["_source", "n", "k", "_version", "_op", "_event_time"])
    other = other.set_column(2, "k", other["k"].dictionary_encode())
    assert conform(other, COLUMNS) == BATCH


def test_an_event_time_may_be_left_out():
    assert conform(BATCH.drop_columns(["_event_time"]), COLUMNS).schema == change_schema(COLUMNS)


@pytest.mark.parametrize(
    ("bad", "field", "words"),
    [
        (BATCH.drop_columns(["n"]), "n", "missing in the batch"),
        (BATCH.drop_columns(["_op"]), "_op", "no batch of changes"),
        (BATCH.append_column("z", pa.array([1])), "z", "no column of the table"),
        (BATCH.append_column("n", pa.array([1])), "n", "twice"),
        (BATCH.set_column(1, "n", pa.array([1.0])), "n", "double here and int64"),
        (BATCH.set_column(1, "n", pa.array([1], pa.int32())), "n", "int32 here"),
    ],
)
def test_other_columns_are_named(bad, field, words):
    with pytest.raises(BadInputError, match=words) as told:
        conform(bad, COLUMNS)
    assert (told.value.field, told.value.code) == (field, "schema_drift")
