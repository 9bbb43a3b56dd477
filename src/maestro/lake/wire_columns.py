"""JSON values of change events to Arrow columns, strictly: what does not fit is told, never bent.

Whole columns are converted at once where all their values have one plain type; only a column that has something odd in
it is looked at value by value, to find out which event is to blame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from typing import TYPE_CHECKING, Any

from maestro.formats.connect_types import WireType, read_value
from maestro.kernel.errors import BadInputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["column_of", "schema_of", "wanted_of"]

_NONE = type(None)
_HELD: Mapping[str, type] = {"string": str, "bytes": bytes}
"""What a text or binary column holds as it is, whatever the source calls it (a uuid, a document, hex)."""
_SIMPLE: Mapping[str, frozenset[type]] = {
    "int": frozenset({int, _NONE}),
    "float": frozenset({float, int, _NONE}),
    "string": frozenset({str, _NONE}),
    "boolean": frozenset({bool, _NONE}),
}


def schema_of(types: Mapping[str, WireType], key: Sequence[str] = ()) -> pa.Schema:
    """The table's columns for what a source says of its own, when nobody declared a contract.

    A type without its like in a table (a time of day, a JSON document, an array) becomes text; a decimal of unknown
    digits gets 38 of which 18 are behind the point.
    """
    import pyarrow as pa

    return pa.schema(
        [pa.field(name, _arrow_type(wire), nullable=name not in key) for name, wire in types.items()]
    )


def wanted_of(column: pa.DataType) -> WireType:
    """How a value is to be read for a column of this type when no schema rides along with it."""
    import pyarrow.types as kinds

    if kinds.is_timestamp(column):
        return WireType("timestamp", column.unit, zoned=column.tz is not None)
    if kinds.is_decimal(column):
        return WireType("decimal", scale=column.scale, precision=column.precision)
    for name, fits in (
        ("int", kinds.is_integer),
        ("float", kinds.is_floating),
        ("boolean", kinds.is_boolean),
        ("date", kinds.is_date),
        ("bytes", lambda of: kinds.is_binary(of) or kinds.is_large_binary(of)),
        ("string", lambda of: kinds.is_string(of) or kinds.is_large_string(of)),
    ):
        if fits(column):
            return WireType(name)
    return WireType("other")


def column_of(
    values: Sequence[Any], column: pa.DataType, told: WireType | None
) -> tuple[pa.Array, dict[int, str]]:
    """One column, and what is wrong with which value (by place; its value is null then).

    Args:
        values: as JSON has them.
        column: the table's type.
        told: what the source says of the column, None when it does not.
    """
    import pyarrow as pa

    wanted = wanted_of(column)
    wire = told or wanted
    fast = _at_once(values, column, wanted, wire)
    if fast is not None:
        return fast, {}
    read: list[Any] = []
    wrong: dict[int, str] = {}
    for place, value in enumerate(values):
        try:
            read.append(None if value is None else _fitted(value, wanted, wire))
        except BadInputError as error:
            read.append(None)
            wrong[place] = str(error)
    try:
        return pa.array(read, type=column), wrong
    except (pa.ArrowException, ValueError, TypeError, OverflowError):  # range, scale or digits of some value
        return _one_by_one(read, column, wrong), wrong


def _one_by_one(read: list[Any], column: pa.DataType, wrong: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    for place, value in enumerate(read):
        try:
            pa.scalar(value, type=column)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            read[place] = None
            wrong[place] = f"does not fit {column}: {error}."
    return pa.array(read, type=column)


def _at_once(values: Sequence[Any], column: pa.DataType, wanted: WireType, wire: WireType) -> pa.Array | None:
    """The whole column by Arrow's own conversion, None when a value may need a closer look."""
    import pyarrow as pa

    found = set(map(type, values))
    try:
        if wire.name == wanted.name and found <= _SIMPLE.get(wanted.name, frozenset()):
            return pa.array(values, type=column)
        if wanted.name == "timestamp" == wire.name:
            if found <= _SIMPLE["int"] and (wire.unit, wire.zoned) == (wanted.unit, wanted.zoned):
                return pa.array(values, type=column)
            if found <= _SIMPLE["string"] and wanted.zoned and wire.zoned:
                return pa.array(values, type=pa.string()).cast(column)
        if wanted.name == "date" == wire.name and found <= _SIMPLE["int"]:
            return pa.array(values, type=pa.int32()).cast(column)
    except (pa.ArrowException, OverflowError):
        return None
    return None


def _fitted(value: Any, wanted: WireType, wire: WireType) -> Any:
    read = read_value(value, wire)
    if wanted.name == "string" and isinstance(read, time):
        return read.isoformat()
    if wanted.name != wire.name and not isinstance(read, _HELD.get(wanted.name, ())):
        # The source's own words for it are another type's: read what was sent as what the table holds.
        read = read_value(value, wanted)
    if wanted.name == "timestamp" and (read.tzinfo is None) == wanted.zoned:
        raise BadInputError(
            "is a timestamp with zone for a column without one, or the reverse.",
            value=value,
            code="wrong_type",
        )
    return read


def _arrow_type(wire: WireType) -> pa.DataType:
    import pyarrow as pa

    if wire.name == "int":
        return {8: pa.int8(), 16: pa.int16(), 32: pa.int32()}.get(wire.bits, pa.int64())
    if wire.name == "decimal":
        scale = 18 if wire.scale is None else wire.scale
        return pa.decimal128(wire.precision or 38, scale)
    if wire.name == "timestamp":
        return pa.timestamp("us", tz="UTC" if wire.zoned else None)
    plain = {
        "float": pa.float32() if wire.bits == 32 else pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "bytes": pa.binary(),
        "hex": pa.binary(),
    }
    return plain.get(wire.name, pa.string())
