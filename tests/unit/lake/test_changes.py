"""The form in which changes come."""

import pyarrow as pa
import pytest

from maestro.kernel.errors import BadInputError
from maestro.lake.changes import (
    CHANGE_COLUMNS,
    TABLE_COLUMNS,
    Op,
    batch_of,
    change_schema,
    own_columns,
    table_schema,
)

COLUMNS = pa.schema([("executionId", pa.string()), ("day", pa.date32()), ("n", pa.int64())])


def test_a_batch_has_the_tables_columns_and_then_ours():
    schema = change_schema(COLUMNS)
    assert schema.names == ["executionId", "day", "n", *CHANGE_COLUMNS]
    assert own_columns(schema) == COLUMNS


def test_a_stored_table_has_other_columns_of_ours():
    schema = table_schema(COLUMNS)
    assert schema.names == ["executionId", "day", "n", *TABLE_COLUMNS]
    assert own_columns(schema) == COLUMNS


@pytest.mark.parametrize("name", sorted({*CHANGE_COLUMNS, *TABLE_COLUMNS}))
def test_our_names_are_taken(name):
    with pytest.raises(BadInputError, match=name):
        change_schema(COLUMNS.append(pa.field(name, pa.string())))


def test_a_delete_may_bring_the_key_alone():
    batch = batch_of([{"executionId": "a", "_op": "d", "_version": 7, "_source": "s"}], COLUMNS)
    assert batch.to_pylist() == [
        {
            "executionId": "a",
            "day": None,
            "n": None,
            "_op": "d",
            "_version": 7,
            "_event_time": None,
            "_source": "s",
        }
    ]


def test_a_value_that_does_not_fit_is_refused():
    with pytest.raises(BadInputError, match="does not fit"):
        batch_of([{"executionId": "a", "n": "many"}], COLUMNS)


def test_a_name_that_is_no_column_is_refused():
    with pytest.raises(BadInputError, match="extra"):
        batch_of([{"executionId": "a", "extra": 1}], COLUMNS)


def test_operations_are_debeziums_letters():
    assert sorted(Op) == ["c", "d", "r", "t", "u"]
