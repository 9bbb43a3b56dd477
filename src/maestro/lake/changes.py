"""Changes as Arrow batches: a table's own columns, and what happened to each row beside them.

A batch is a ``pyarrow.Table`` whose rows are changes, in any order, also more than one of a key:

===============  =====================  ========================================================================
column           type                   meaning
===============  =====================  ========================================================================
the table's own  the table's own        the whole row after the change; a change without it (a delete that brings
                                        only the key) has nulls
``_op``          string                 ``c`` create, ``r`` read by a snapshot, ``u`` update, ``d`` delete, ``t``
                                        truncate, as Debezium names them
``_version``     int64, not negative    order at the source (LSN, offset, sequence); greater is later. One key's
                                        changes never share a version unless they are the same change
``_event_time``  timestamp[us, UTC]     the source's commit; null when unknown. Never decides the order unless
                                        versions tie
``_source``      string                 where it came from; versions are comparable within one source, and a key
                                        comes from one source
===============  =====================  ========================================================================

A truncate empties the table of all rows of its ``_source`` whose version is below its own; its other columns are null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CHANGE_COLUMNS",
    "DELETED",
    "EVENT_TIME",
    "OP",
    "SOURCE",
    "TABLE_COLUMNS",
    "VERSION",
    "Op",
    "batch_of",
    "change_schema",
    "own_columns",
    "table_schema",
]

OP, VERSION, EVENT_TIME, SOURCE, DELETED = "_op", "_version", "_event_time", "_source", "_deleted"

CHANGE_COLUMNS = (OP, VERSION, EVENT_TIME, SOURCE)
"""Our columns in a batch of changes."""

TABLE_COLUMNS = (DELETED, VERSION, SOURCE)
"""Our columns in a table; a live row is ``not _deleted``."""


class Op(StrEnum):
    """What happened to a row, in Debezium's letters."""

    CREATE = "c"
    READ = "r"
    UPDATE = "u"
    DELETE = "d"
    TRUNCATE = "t"


def change_schema(columns: pa.Schema) -> pa.Schema:
    """The schema of a batch of changes to a table with these columns of its own.

    Raises:
        BadInputError: a column has one of our names.
    """
    return _with(columns, CHANGE_COLUMNS)


def table_schema(columns: pa.Schema) -> pa.Schema:
    """The schema in which such a table is stored. Raises BadInputError: a column has one of our names."""
    return _with(columns, TABLE_COLUMNS)


def own_columns(schema: pa.Schema) -> pa.Schema:
    """A schema without our columns: of a batch or of a stored table."""
    import pyarrow as pa

    ours = {*CHANGE_COLUMNS, *TABLE_COLUMNS}
    return pa.schema([field for field in schema if field.name not in ours])


def batch_of(rows: Iterable[Mapping[str, Any]], columns: pa.Schema) -> pa.Table:
    """A batch from mappings; a column that a row does not name is null there.

    Raises:
        BadInputError: a value does not fit its column, or a name is no column.
    """
    import pyarrow as pa

    schema = change_schema(columns)
    listed: Sequence[Mapping[str, Any]] = list(rows)
    unknown = {name for row in listed for name in row} - set(schema.names)
    if unknown:
        raise BadInputError("is no column of the batch.", field=min(unknown), remedy="Name the table's own.")
    try:
        return pa.Table.from_pylist(listed, schema=schema)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise BadInputError(f"a value does not fit its column: {error}.", field="rows") from error


def _with(columns: pa.Schema, ours: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    types = {
        OP: pa.string(),
        VERSION: pa.int64(),
        EVENT_TIME: pa.timestamp("us", tz="UTC"),
        SOURCE: pa.string(),
        DELETED: pa.bool_(),
    }
    taken = {*CHANGE_COLUMNS, *TABLE_COLUMNS} & set(columns.names)
    if taken:
        raise BadInputError(
            "is a name that Maestro keeps for itself.", field=min(taken), remedy="Rename the column."
        )
    return pa.schema([*columns, *(pa.field(name, types[name]) for name in ours)])
