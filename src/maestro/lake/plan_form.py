"""The plan's form of Parquet micro-batches, and Debezium's records without schemas, as canonical changes.

One row a change: ``op`` in ``c u r d t``, ``_version``, ``_event_time``, and the table's columns; the whole row for
``c u r``, at least the key for ``d``. Our own four columns may come in any integer, text or timestamp type and are
brought to ours exactly; the table's own columns are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError
from maestro.lake.changes import DELETED, EVENT_TIME, OP, SOURCE, VERSION

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["columns_of_values", "from_plan_form"]


def from_plan_form(rows: pa.Table, source: str) -> pa.Table:
    """A file's rows as a batch.

    Args:
        rows: as read.
        source: ``_source`` of rows that do not name theirs.

    Raises:
        BadInputError: ``schema_drift``, one of our columns is missing or of a type that cannot be ours.
    """
    import pyarrow as pa

    names = ["_op" if name == "op" and OP not in rows.column_names else name for name in rows.column_names]
    rows = rows.rename_columns(names)
    for name in (OP, VERSION):
        if name not in names:
            raise _bad("is missing: no batch of changes.", name)
    if DELETED in names:
        raise _bad("is a column of ours in a table, not in a batch.", DELETED)
    if SOURCE not in names:
        rows = rows.append_column(SOURCE, pa.repeat(pa.scalar(source, pa.string()), len(rows)))
    if EVENT_TIME not in names:
        rows = rows.append_column(EVENT_TIME, pa.nulls(len(rows), pa.timestamp("us", tz="UTC")))
    return _exact(rows)


def columns_of_values(rows: Iterable[Mapping[str, Any]]) -> pa.Schema:
    """Columns for JSON rows of which nobody told the types: what all values of a column are.

    Whole numbers become int64, numbers with and without a point double, the rest text. A decimal that comes as base64
    stays that text: only a contract tells it from a word.

    Raises:
        BadInputError: ``no_columns``, there is no row to learn from.
    """
    import pyarrow as pa

    kinds: dict[str, set[type]] = {}
    for row in rows:
        for name, value in row.items():
            kinds.setdefault(name, set())
            if value is not None:
                kinds[name].add(type(value))
    if not kinds:
        raise BadInputError(
            "tells no columns: no event has a row.",
            field="SOURCE",
            code="no_columns",
            remedy="Give the contract (--contract FILE).",
        )
    types = {frozenset({bool}): pa.bool_(), frozenset({int}): pa.int64()}
    types |= dict.fromkeys([frozenset({float}), frozenset({int, float})], pa.float64())
    return pa.schema([(name, types.get(frozenset(found), pa.string())) for name, found in kinds.items()])


def _exact(rows: pa.Table) -> pa.Table:
    """Our columns in our types."""
    import pyarrow as pa
    import pyarrow.compute as pc

    instant = pa.timestamp("us", tz="UTC")
    for name, kind, fits in (
        (OP, pa.string(), _is_text),
        (SOURCE, pa.string(), _is_text),
        (VERSION, pa.int64(), pa.types.is_integer),
        (EVENT_TIME, instant, pa.types.is_timestamp),
    ):
        place = rows.column_names.index(name)
        column = rows.column(place)
        if column.type == kind:
            continue
        if not (fits(column.type) or pa.types.is_null(column.type)):
            raise _bad(f"is {column.type}, which cannot be {kind}.", name)
        try:
            # Nanoseconds of an event time are cut: it orders nothing.
            column = pc.cast(column, kind, safe=name != EVENT_TIME)
        except pa.ArrowInvalid as error:
            raise _bad(f"does not fit {kind}: {error}.", name) from error
        rows = rows.set_column(place, name, column)
    return rows


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _bad(message: str, column: str) -> BadInputError:
    return BadInputError(
        message,
        field=column,
        code="schema_drift",
        remedy="Write one row a change with op, _version, _event_time and the table's columns.",
    )
