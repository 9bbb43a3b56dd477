"""Open Data Contract Standard documents, 3.x: tables with their columns, and the promises made about them.

Source: Bitol, Open Data Contract Standard 3.1, "Schema" and "Service-Level Agreement (SLA)".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import attrs

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.arrow.model import ArrowField, ArrowSchema, ArrowType, unique_fields
from maestro.lake.contracts.arrow.notation import parse_type

__all__ = ["DataContract", "is_data_contract", "read_data_contract"]

_LOGICAL: Final = {
    "string": ArrowType("string"),
    "boolean": ArrowType("bool"),
    "integer": ArrowType("int", (64,)),
    "number": ArrowType("float", (64,)),
    "date": ArrowType("date", ("day",)),
    "timestamp": ArrowType("timestamp", ("us", "UTC")),
    "time": ArrowType("time", ("us",)),
}
_WIDTHS: Final = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "f32": 32, "f64": 64}
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "y": 31_536_000}
_SECONDS_BY_WORD: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "year": 31_536_000}
_FRESHNESS: Final = frozenset({"latency", "ly", "freshness", "fresh"})
"""``latency`` is the standard's word; ``freshness`` is what people write."""


@attrs.frozen
class DataContract:
    """A data contract.

    Attributes:
        id: its identity.
        name: what people call it; may be empty.
        version: its own version.
        status: ``draft``, ``active`` …
        tables: columns by table.
        freshness: how old the newest data may be; None when nothing is promised.
        keys: primary key columns by table.
    """

    id: str
    name: str
    version: str
    status: str
    tables: Mapping[str, ArrowSchema]
    freshness: timedelta | None
    keys: Mapping[str, tuple[str, ...]]

    def table(self, name: str = "") -> ArrowSchema:
        """The columns of a table; without a name, of the only one.

        Raises:
            BadInputError: ``no_such_table``; lists those there are.
        """
        if not name and len(self.tables) == 1:
            return next(iter(self.tables.values()))
        if name not in self.tables:
            raise BadInputError(
                "is no table of the contract.",
                field="table",
                value=name or None,
                code="no_such_table",
                remedy=f"Name one of: {', '.join(self.tables)}.",
            )
        return self.tables[name]


def is_data_contract(raw: Any) -> bool:
    """Whether a parsed document is one of the standard."""
    return isinstance(raw, Mapping) and raw.get("kind") == "DataContract"


def read_data_contract(raw: Any) -> DataContract:
    """A data contract from parsed YAML or JSON.

    Raises:
        BadInputError: ``bad_schema``; names the field, its value and the remedy.
    """
    if not is_data_contract(raw):
        raise _bad("kind", raw.get("kind") if isinstance(raw, Mapping) else raw, "Write kind: DataContract.")
    version = str(raw.get("apiVersion", ""))
    if not version.startswith("v3."):
        raise _bad("apiVersion", version, "Documents of v3.0 and later are read; convert it.")
    schema = raw.get("schema")
    if not isinstance(schema, list) or not schema:
        raise _bad("schema", schema, "List the tables under schema.")
    tables, keys = {}, {}
    for at, each in enumerate(schema):
        name = each.get("name") if isinstance(each, Mapping) else None
        if not isinstance(name, str):
            raise _bad(f"schema[{at}].name", name, "Name the table.")
        path = f"/{name}"
        tables[name] = ArrowSchema(_columns(each.get("properties"), path))
        keys[name] = _keys(each["properties"])
    return DataContract(
        id=str(raw.get("id", "")),
        name=str(raw.get("name") or ""),
        version=str(raw.get("version", "")),
        status=str(raw.get("status", "")),
        tables=tables,
        freshness=_freshness(raw.get("slaProperties") or []),
        keys=keys,
    )


def _columns(properties: Any, path: str) -> tuple[ArrowField, ...]:
    if not isinstance(properties, list) or not properties:
        raise _bad(f"{path}/properties", properties, "List the columns under properties.")
    fields = []
    for at, each in enumerate(properties):
        name = each.get("name") if isinstance(each, Mapping) else None
        if not isinstance(name, str):
            raise _bad(f"{path}/properties[{at}].name", name, "Name the column.")
        needed = each.get("required") is True or each.get("primaryKey") is True
        fields.append(ArrowField(name, _type(each, f"{path}/{name}"), not needed))
    return unique_fields(fields, path)


def _keys(properties: list[Mapping[str, Any]]) -> tuple[str, ...]:
    found = [each for each in properties if each.get("primaryKey") is True]
    return tuple(
        str(each["name"]) for each in sorted(found, key=lambda each: each.get("primaryKeyPosition") or 0)
    )


def _type(column: Mapping[str, Any], path: str) -> ArrowType:
    """The logical type, narrowed by its options; without one, the physical type if it is Arrow's notation."""
    logical, options = column.get("logicalType"), column.get("logicalTypeOptions") or {}
    if logical == "object":
        return ArrowType("struct", (), _columns(column.get("properties"), path))
    if logical == "array":
        items = column.get("items")
        if not isinstance(items, Mapping):
            raise _bad(f"{path}/items", items, "Describe the items of the array.")
        return ArrowType("list", (), (ArrowField("item", _type(items, f"{path}/items")),))
    if logical is None and isinstance(column.get("physicalType"), str):
        return parse_type(column["physicalType"].lower(), path)
    if logical not in _LOGICAL:
        raise _bad(
            f"{path}/logicalType", logical, f"Use one of: {', '.join([*_LOGICAL, 'object', 'array'])}."
        )
    return _narrowed(str(logical), options, column, path)


def _narrowed(logical: str, options: Mapping[str, Any], column: Mapping[str, Any], path: str) -> ArrowType:
    physical = str(column.get("physicalType") or "").lower()
    if logical == "number" and physical.startswith(("decimal", "numeric")) and "(" in physical:
        return parse_type(physical.replace("numeric", "decimal"), path)
    width = _WIDTHS.get(str(options.get("format", "")))
    if width and logical in {"integer", "number"}:
        return ArrowType("int" if logical == "integer" else "float", (width,))
    if logical == "timestamp" and options.get("timezone") is False:
        return ArrowType("timestamp", ("us", ""))
    return _LOGICAL[logical]


def _freshness(promises: Any) -> timedelta | None:
    """The smallest freshness among the promises."""
    found = []
    for at, promise in enumerate(promises if isinstance(promises, list) else []):
        if not isinstance(promise, Mapping) or str(promise.get("property", "")).lower() not in _FRESHNESS:
            continue
        unit = str(promise.get("unit", "")).lower()
        seconds = _SECONDS.get(unit) or _SECONDS_BY_WORD.get(unit.removesuffix("s"))
        value = promise.get("value")
        if seconds is None:
            raise _bad(f"slaProperties[{at}].unit", unit, "Use s, min, h, d or y, or the words for them.")
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise _bad(f"slaProperties[{at}].value", value, "Write a number above 0.")
        found.append(timedelta(seconds=seconds * value))
    return min(found, default=None)


def _bad(field: str, value: Any, remedy: str) -> BadInputError:
    return BadInputError(
        "is not as the standard has it.", field=field, value=value, code="bad_schema", remedy=remedy
    )
