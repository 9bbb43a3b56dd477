"""Whether a batch's columns are the table's: compared exactly, never cast, widened or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestro.kernel.errors import BadInputError
from maestro.lake.changes import CHANGE_COLUMNS, EVENT_TIME, change_schema, own_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["conform", "plain"]

_REMEDY = "Correct the producer, or register the new schema; a merge never casts, drops or widens."


def plain(schema: pa.Schema) -> pa.Schema:
    """The schema with one Arrow type for each way of holding the same values: ``string`` for ``large_string``,
    ``string_view`` and dictionaries of strings, ``list`` for ``large_list``; without metadata.

    Two schemas hold the same values exactly if their plain forms are equal.
    """  # noqa: D205  # one sentence
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _plain(field.type), nullable=field.nullable) for field in schema])


def conform(batch: pa.Table, columns: pa.Schema) -> pa.Table:
    """The batch with its columns in the table's order and form.

    Args:
        batch: changes.
        columns: the table's own columns, plain.

    Raises:
        BadInputError: ``schema_drift``, a column is missing, unknown or of another type; names it.
    """
    import pyarrow as pa

    wanted = change_schema(columns)
    if EVENT_TIME not in batch.column_names:
        missing = pa.nulls(len(batch), wanted.field(EVENT_TIME).type)
        batch = batch.append_column(wanted.field(EVENT_TIME), missing)
    given = plain(batch.schema)
    _same_names(given, wanted)
    for field in wanted:
        if given.field(field.name).type != field.type:
            raise _drift(f"is {given.field(field.name).type} here and {field.type} in the table.", field.name)
    return batch.select(wanted.names).cast(pa.schema([field.with_nullable(True) for field in wanted]))


def _same_names(given: pa.Schema, wanted: pa.Schema) -> None:
    if len(set(given.names)) < len(given.names):
        twice = next(name for name in given.names if given.names.count(name) > 1)
        raise _drift("stands twice in the batch.", twice)
    if missing := [name for name in wanted.names if name not in given.names]:
        ours = missing[0] in CHANGE_COLUMNS
        raise _drift(
            "is missing in the batch." if not ours else "is missing: no batch of changes.", missing[0]
        )
    if unknown := [field.name for field in own_columns(given) if field.name not in wanted.names]:
        raise _drift("is no column of the table.", unknown[0])


def _drift(message: str, column: str) -> BadInputError:
    return BadInputError(message, field=column, code="schema_drift", remedy=_REMEDY)


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind) or types.is_fixed_size_binary(kind):
        return pa.binary()
    return _nested(kind) if types.is_nested(kind) else kind


def _nested(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain(field.type), field.nullable) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    return pa.list_(pa.field("element", _plain(kind.value_type)))
