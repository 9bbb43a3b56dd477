"""Our values to pyarrow's and back; pyarrow comes with the extras ``delta``, ``iceberg`` and ``spark``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.arrow.model import ArrowField, ArrowSchema, ArrowType, unique_fields
from maestro.lake.contracts.arrow.notation import parse_type

__all__ = ["from_pyarrow", "schema_of_file", "to_pyarrow"]

_FIXED: dict[Any, pa.DataType] = {
    ("float", 16): pa.float16(),
    ("float", 32): pa.float32(),
    ("float", 64): pa.float64(),
    "bool": pa.bool_(),
    "null": pa.null(),
    "string": pa.string(),
    "binary": pa.binary(),
    ("date", "day"): pa.date32(),
    ("date", "ms"): pa.date64(),
    ("time", "s"): pa.time32("s"),
    ("time", "ms"): pa.time32("ms"),
    ("time", "us"): pa.time64("us"),
    ("time", "ns"): pa.time64("ns"),
    **{("int", width): getattr(pa, f"int{width}")() for width in (8, 16, 32, 64)},
    **{("uint", width): getattr(pa, f"uint{width}")() for width in (8, 16, 32, 64)},
}
_NARROW_DECIMAL = 38
"""Digits that fit 128 bits."""


def schema_of_file(data: bytes) -> ArrowSchema:
    """The schema of a Parquet file, an Arrow file or an Arrow stream.

    Raises:
        BadInputError: ``bad_schema``, the bytes are cut or of another kind.
    """
    import pyarrow.parquet as pq

    source = pa.BufferReader(data)
    try:
        if data[:4] == b"PAR1":
            schema = pq.read_schema(source)
        elif data[:6] == b"ARROW1":
            schema = pa.ipc.open_file(source).schema
        else:
            schema = pa.ipc.read_schema(source)
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(
            f"The file's schema cannot be read: {error}",
            code="bad_schema",
            remedy="Name a whole Parquet or Arrow file.",
        ) from error
    return from_pyarrow(schema)


def from_pyarrow(schema: pa.Schema) -> ArrowSchema:
    """Our value of a pyarrow schema; metadata is left behind."""
    return ArrowSchema(unique_fields([_field(schema.field(at)) for at in range(len(schema))], ""))


def _field(field: pa.Field) -> ArrowField:
    return ArrowField(field.name, _type(field.type), field.nullable)


def _type(type_: pa.DataType) -> ArrowType:  # names of columns need not be fit for the notation
    if kinds.is_dictionary(type_):
        return _type(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return _type(type_.storage_type)
    if kinds.is_struct(type_):
        return ArrowType("struct", (), tuple(_field(type_.field(at)) for at in range(type_.num_fields)))
    if kinds.is_map(type_):
        key, value = _field(type_.key_field), _field(type_.item_field)
        return ArrowType(
            "map", (), (ArrowField("key", key.type, False), ArrowField("value", value.type, value.nullable))
        )
    if hasattr(type_, "value_field"):
        size = (type_.list_size,) if kinds.is_fixed_size_list(type_) else ()
        return ArrowType("list", size, (_field(type_.value_field),))
    return parse_type(str(type_), "")


def to_pyarrow(schema: ArrowSchema) -> pa.Schema:
    """The pyarrow schema of our value."""
    return pa.schema([_to_field(field) for field in schema.fields])


def _to_field(field: ArrowField) -> pa.Field:
    return pa.field(field.name, _to_type(field.type), field.nullable)


def _to_type(type_: ArrowType) -> pa.DataType:
    key: Any = (type_.name, *type_.parameters) if type_.parameters else type_.name
    if key in _FIXED:
        return _FIXED[key]
    if type_.name not in _MAKERS:
        raise BadInputError(
            f"pyarrow has no way to make {type_}.",
            code="bad_schema",
            remedy="Use another type in the contract.",
        )
    return _MAKERS[type_.name](type_.parameters, [_to_field(child) for child in type_.children])


def _decimal(parameters: tuple[Any, ...], _: list[pa.Field]) -> pa.DataType:
    return (pa.decimal128 if parameters[0] <= _NARROW_DECIMAL else pa.decimal256)(*parameters)


_MAKERS: dict[str, Callable[[tuple[Any, ...], list[pa.Field]], pa.DataType]] = {
    "struct": lambda _, children: pa.struct(children),
    "map": lambda _, children: pa.map_(*children),
    "list": lambda size, children: pa.list_(children[0], *size),
    "decimal": _decimal,
    "timestamp": lambda parameters, _: pa.timestamp(parameters[0], tz=parameters[1] or None),
    "duration": lambda parameters, _: pa.duration(*parameters),
    "fixed_size_binary": lambda parameters, _: pa.binary(*parameters),
    "interval": lambda _, __: pa.month_day_nano_interval(),
}
