"""Arrow schemas as documents: our short JSON, Arrow's own integration JSON, and the bytes of Parquet and Arrow files.

The short form is ``{"fields": [{"name": "id", "type": "int64", "nullable": false}]}``, types in the notation that
Arrow's libraries print. The long form is the one of Arrow's integration tests (docs/source/format/Integration.rst).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from maestro.formats.strict_json import convert
from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.arrow.model import ArrowField, ArrowSchema, ArrowType, unique_fields
from maestro.lake.contracts.arrow.notation import parse_type

__all__ = ["dump_schema", "is_arrow_document", "is_arrow_file", "parse_schema"]

_UNITS = {"SECOND": "s", "MILLISECOND": "ms", "MICROSECOND": "us", "NANOSECOND": "ns"}
_INTERVALS = {"YEAR_MONTH": "month", "DAY_TIME": "day_time", "MONTH_DAY_NANO": "month_day_nano"}
_PRECISIONS = {"HALF": 16, "SINGLE": 32, "DOUBLE": 64}
_SAME = {
    "null": ArrowType("null"),
    "bool": ArrowType("bool"),
    **dict.fromkeys(("utf8", "largeutf8", "utf8view"), ArrowType("string")),
    **dict.fromkeys(("binary", "largebinary", "binaryview"), ArrowType("binary")),
}


class _Field(msgspec.Struct, frozen=True):
    name: str
    type: str | dict[str, Any]
    nullable: bool = True
    children: list[_Field] = []
    fields: list[_Field] = []


class _Schema(msgspec.Struct, frozen=True):
    fields: list[_Field]


def is_arrow_document(raw: Any) -> bool:
    """Whether parsed JSON is one of the two forms, and not an Avro record or a JSON Schema."""
    if not isinstance(raw, dict):
        return False
    if isinstance(raw.get("schema"), dict):
        raw = raw["schema"]
    return isinstance(raw.get("fields"), list) and "type" not in raw and "$schema" not in raw


def is_arrow_file(data: bytes) -> bool:
    """Whether bytes begin as a Parquet file, an Arrow file or an Arrow stream does."""
    return data.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"))


def parse_schema(given: Any) -> ArrowSchema:
    """The schema of a document, as parsed JSON, or of a file's bytes.

    Raises:
        BadInputError: neither; names the field and what is the matter with it.
        ImportError: bytes were given, and pyarrow is not installed.
    """
    if isinstance(given, bytes):
        from maestro.lake.contracts.arrow.bridge import schema_of_file

        return schema_of_file(given)
    raw = given.get("schema", given) if isinstance(given, dict) else given
    if not is_arrow_document(raw):
        raise BadInputError(
            "is not an Arrow schema.",
            code="bad_schema",
            remedy='Send {"fields": [{"name": …, "type": …, "nullable": …}]}, or a Parquet or Arrow file.',
        )
    return ArrowSchema(_fields(convert(raw, _Schema).fields, ""))


def dump_schema(schema: ArrowSchema) -> dict[str, Any]:
    """The short form, fields by name, so that two schemas which say the same are written the same."""
    ordered = sorted(schema.fields, key=lambda field: field.name)
    return {
        "fields": [
            {"name": each.name, "nullable": each.nullable, "type": str(_sorted(each.type))}
            for each in ordered
        ]
    }


def _sorted(type_: ArrowType) -> ArrowType:
    children = tuple(ArrowField(each.name, _sorted(each.type), each.nullable) for each in type_.children)
    if type_.name == "struct":
        children = tuple(sorted(children, key=lambda child: child.name))
    elif type_.name == "list":
        children = (ArrowField("item", children[0].type, children[0].nullable),)
    return ArrowType(type_.name, type_.parameters, children)


def _fields(fields: list[_Field], where: str) -> tuple[ArrowField, ...]:
    return unique_fields([_field(each, f"{where}/{each.name}") for each in fields], where)


def _field(field: _Field, where: str) -> ArrowField:
    children = _fields(field.children or field.fields, where)
    if isinstance(field.type, str):
        if field.type == "struct" and children:
            return ArrowField(field.name, ArrowType("struct", (), children), field.nullable)
        return ArrowField(field.name, parse_type(field.type, where), field.nullable)
    return ArrowField(field.name, _integration_type(field.type, children, where), field.nullable)


def _integration_type(raw: dict[str, Any], children: tuple[ArrowField, ...], where: str) -> ArrowType:
    """A type of the integration form, whose parameters stand beside its name."""
    name = str(raw.get("name", ""))
    if name in _SAME:
        return _SAME[name]
    try:
        if name in {"struct", "list", "largelist", "listview", "largelistview", "fixedsizelist", "map"}:
            return _nested(name, raw, children)
        return _parametrised(name, raw)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise BadInputError(
            "is not a type of Arrow's integration form.",
            field=where,
            value=raw,
            code="bad_schema",
            remedy="Correct it, or write the type as text, for example int64.",
        ) from error


def _nested(name: str, raw: dict[str, Any], children: tuple[ArrowField, ...]) -> ArrowType:
    if name == "struct":
        return ArrowType("struct", (), children)
    if name == "map":
        key, value = children[0].type.children
        return ArrowType(
            "map", (), (ArrowField("key", key.type, False), ArrowField("value", value.type, value.nullable))
        )
    size = (int(raw["listSize"]),) if name == "fixedsizelist" else ()
    return ArrowType("list", size, (children[0],))


def _parametrised(name: str, raw: dict[str, Any]) -> ArrowType:
    if name == "int":
        return ArrowType("int" if raw["isSigned"] else "uint", (int(raw["bitWidth"]),))
    if name == "timestamp":
        return ArrowType("timestamp", (_UNITS[raw["unit"]], str(raw.get("timezone") or "")))
    found: dict[str, Callable[[], tuple[str, tuple[int | str, ...]]]] = {
        "floatingpoint": lambda: ("float", (_PRECISIONS[raw["precision"]],)),
        "decimal": lambda: ("decimal", (int(raw["precision"]), int(raw["scale"]))),
        "date": lambda: ("date", ({"DAY": "day", "MILLISECOND": "ms"}[raw["unit"]],)),
        "time": lambda: ("time", (_UNITS[raw["unit"]],)),
        "duration": lambda: ("duration", (_UNITS[raw["unit"]],)),
        "interval": lambda: ("interval", (_INTERVALS[raw["unit"]],)),
        "fixedsizebinary": lambda: ("fixed_size_binary", (int(raw["byteWidth"]),)),
    }
    return ArrowType(*found[name]())
