"""An Avro record's fields as columns of a table."""

from __future__ import annotations

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.arrow.model import ArrowField, ArrowSchema, ArrowType
from maestro.lake.contracts.avro.model import (
    AvroArray,
    AvroFixed,
    AvroMap,
    AvroPrimitive,
    AvroRecord,
    AvroType,
    AvroUnion,
    Logical,
)

__all__ = ["columns_of"]

_PRIMITIVES = {
    "null": ArrowType("null"),
    "boolean": ArrowType("bool"),
    "int": ArrowType("int", (32,)),
    "long": ArrowType("int", (64,)),
    "float": ArrowType("float", (32,)),
    "double": ArrowType("float", (64,)),
    "bytes": ArrowType("binary"),
    "string": ArrowType("string"),
    "enum": ArrowType("string"),
}
_UNITS = {"millis": "ms", "micros": "us", "nanos": "ns"}


def columns_of(schema: AvroType) -> ArrowSchema:
    """The columns of a record.

    Raises:
        BadInputError: ``not_tabular``, the schema is no record, or a part has no type that tables know.
    """
    if not isinstance(schema, AvroRecord):
        raise _no_columns("is no record", "", "Use a record; its fields are the columns.")
    return ArrowSchema(_fields(schema, "", frozenset({schema.name})))


def _fields(record: AvroRecord, path: str, within: frozenset[str]) -> tuple[ArrowField, ...]:
    return tuple(_field(each.name, each.type, f"{path}/fields/{each.name}", within) for each in record.fields)


def _field(name: str, type_: AvroType, path: str, within: frozenset[str]) -> ArrowField:
    nullable = False
    if isinstance(type_, AvroUnion):
        values = [branch for branch in type_.branches if branch.kind != "null"]
        nullable = len(values) < len(type_.branches)
        if len(values) != 1:
            raise _no_columns("is a union of several types", path, "Use one type, or it and null.")
        type_ = values[0]
    return ArrowField(name, _type(type_, path, within), nullable or type_.kind == "null")


def _type(type_: AvroType, path: str, within: frozenset[str]) -> ArrowType:
    if isinstance(type_, AvroRecord):
        if type_.name in within:
            raise _no_columns("contains itself", path, "Tables have no recursive types.")
        return ArrowType("struct", (), _fields(type_, path, within | {type_.name}))
    if isinstance(type_, AvroArray):
        return ArrowType("list", (), (_field("item", type_.items, f"{path}/items", within),))
    if isinstance(type_, AvroMap):
        value = _field("value", type_.values, f"{path}/values", within)
        return ArrowType("map", (), (ArrowField("key", ArrowType("string"), False), value))
    if isinstance(type_, AvroFixed | AvroPrimitive) and type_.logical is not None:
        logical = _logical(type_.logical)
        if logical is not None:
            return logical
    if isinstance(type_, AvroFixed):
        return ArrowType("fixed_size_binary", (type_.size,))
    return _PRIMITIVES[type_.kind]


def _logical(logical: Logical) -> ArrowType | None:
    kind, _, unit = logical.name.rpartition("-")
    if logical.name == "decimal":
        return ArrowType("decimal", (logical.precision, logical.scale))
    if logical.name == "date":
        return ArrowType("date", ("day",))
    if kind == "time":
        return ArrowType("time", (_UNITS[unit],))
    if kind in {"timestamp", "local-timestamp"}:
        return ArrowType("timestamp", (_UNITS[unit], "UTC" if kind == "timestamp" else ""))
    return None


def _no_columns(message: str, path: str, remedy: str) -> BadInputError:
    return BadInputError(f"{message}.", field=path or "/", code="not_tabular", remedy=remedy)
