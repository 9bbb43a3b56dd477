"""Avro schemas from JSON, found whole or refused with the place of the fault (Avro 1.12, Schema Declaration)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.avro.defaults import fits
from maestro.lake.contracts.avro.model import (
    MISSING,
    AvroArray,
    AvroEnum,
    AvroField,
    AvroFixed,
    AvroMap,
    AvroPrimitive,
    AvroRecord,
    AvroType,
    AvroUnion,
    Logical,
    Named,
)

__all__ = ["PRIMITIVES", "parse_avro"]

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAMED: Final = frozenset({"record", "error", "enum", "fixed"})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FULL: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_LOGICAL: Final[Mapping[str, frozenset[str]]] = {
    "decimal": frozenset({"bytes", "fixed"}),
    "big-decimal": frozenset({"bytes"}),
    "uuid": frozenset({"string", "fixed"}),
    "date": frozenset({"int"}),
    "time-millis": frozenset({"int"}),
    "time-micros": frozenset({"long"}),
    "duration": frozenset({"fixed"}),
    **{
        f"{kind}-{unit}": frozenset({"long"})
        for kind in ("timestamp", "local-timestamp")
        for unit in ("millis", "micros", "nanos")
    },
}


def parse_avro(raw: Any, others: Iterable[Any] = ()) -> AvroType:
    """The schema of parsed JSON.

    Args:
        raw: an object, an array (a union) or a name.
        others: schemas whose named types this one may use, in an order in which each knows what it uses.

    Raises:
        BadInputError: ``bad_schema``; names the field, its value and the remedy.
    """
    parser = _Parser()
    for other in others:
        parser.read(other, "", "")
    return parser.read(raw, "", "")


class _Parser:
    """Reads schemas in the order of the text, which is the order in which names become known."""

    def __init__(self) -> None:
        self._known: dict[str, AvroType] = {}

    def read(self, raw: Any, namespace: str, where: str) -> AvroType:
        if isinstance(raw, str):
            return self._by_name(raw, namespace, where)
        if isinstance(raw, list):
            return self._union(raw, namespace, where)
        if not isinstance(raw, Mapping):
            raise _bad("is not a schema.", where, raw, "Write a name, an object or an array.")
        return self._object(raw, namespace, where)

    def _object(self, raw: Mapping[str, Any], namespace: str, where: str) -> AvroType:
        kind = raw.get("type", MISSING)
        if kind is MISSING:
            raise _bad("has no type.", where, raw, 'Add "type".')
        if not isinstance(kind, str):
            return self.read(kind, namespace, where)
        if kind in PRIMITIVES:
            return AvroPrimitive(kind, _logical(raw, kind))
        if kind in _NAMED:
            return self._named(raw, kind, namespace, where)
        if kind in {"array", "map"}:
            part = self._part(raw, "items" if kind == "array" else "values", namespace, where)
            return AvroArray(part) if kind == "array" else AvroMap(part)
        return self._by_name(kind, namespace, where)

    def _part(self, raw: Mapping[str, Any], keyword: str, namespace: str, where: str) -> AvroType:
        if keyword not in raw:
            raise _bad(f"has no {keyword}.", where, raw, f'Add "{keyword}".')
        return self.read(raw[keyword], namespace, f"{where}/{keyword}")

    def _by_name(self, name: str, namespace: str, where: str) -> AvroType:
        if name in PRIMITIVES:
            return AvroPrimitive(name)
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        found = self._known.get(full, self._known.get(name))
        if found is None:
            raise _bad("is no known type.", where, name, "Define it before it is used, or correct the name.")
        return found

    def _union(self, raw: list[Any], namespace: str, where: str) -> AvroUnion:
        branches = tuple(self.read(each, namespace, f"{where}/{at}") for at, each in enumerate(raw))
        seen = set[str]()
        for at, branch in enumerate(branches):
            key = branch.name if isinstance(branch, Named) else branch.kind
            if key == "union":
                raise _bad(
                    "is a union within a union.", f"{where}/{at}", raw[at], "List its branches instead."
                )
            if key in seen:
                raise _bad("stands twice in a union.", f"{where}/{at}", key, "Keep one of them.")
            seen.add(key)
        return AvroUnion(branches)

    def _named(self, raw: Mapping[str, Any], kind: str, namespace: str, where: str) -> AvroType:
        name, space = _full_name(raw, namespace, where)
        if name in self._known:
            raise _bad("is defined twice.", where, name, "Give each type a name of its own.")
        aliases = frozenset(
            alias if "." in alias or not space else f"{space}.{alias}"
            for alias in _texts(raw, "aliases", where)
        )
        if kind == "fixed":
            size = raw.get("size")
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                raise _bad("must be a number of bytes.", f"{where}/size", size, 'Write "size": 16.')
            fixed = self._known[name] = AvroFixed(name, aliases, size, _logical(raw, kind))
            return fixed
        if kind == "enum":
            return self._enum(raw, name, aliases, where)
        record = AvroRecord(name, aliases)
        self._known[name] = record
        record.fields = self._fields(raw, space, where)
        return record

    def _enum(self, raw: Mapping[str, Any], name: str, aliases: frozenset[str], where: str) -> AvroEnum:
        symbols, default = _texts(raw, "symbols", where, needed=True), raw.get("default")
        for at, symbol in enumerate(symbols):
            if not _NAME.fullmatch(symbol) or symbol in symbols[:at]:
                raise _bad(
                    "must be a name, once.",
                    f"{where}/symbols",
                    symbol,
                    "Use letters, digits and _, each symbol once.",
                )
        if default is not None and default not in symbols:
            raise _bad("is none of the symbols.", f"{where}/default", default, "Name one of the symbols.")
        found = self._known[name] = AvroEnum(name, aliases, tuple(symbols), default)
        return found

    def _fields(self, raw: Mapping[str, Any], namespace: str, where: str) -> tuple[AvroField, ...]:
        fields = raw.get("fields")
        if not isinstance(fields, list):
            raise _bad("must be an array.", f"{where}/fields", fields, 'Write "fields": [...].')
        found: dict[str, AvroField] = {}
        for at, each in enumerate(fields):
            field = self._field(each, namespace, where, at)
            if field.name in found:
                raise _bad("stands twice.", f"{where}/fields/{field.name}", field.name, "Keep one of them.")
            found[field.name] = field
        return tuple(found.values())

    def _field(self, raw: Any, namespace: str, where: str, at: int) -> AvroField:
        name = raw.get("name") if isinstance(raw, Mapping) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _bad("must have a name.", f"{where}/fields/{at}", raw, "Use letters, digits and _.")
        place = f"{where}/fields/{name}"
        type_ = self._part(raw, "type", namespace, place)
        default = raw.get("default", MISSING)
        if default is not MISSING and not fits(default, type_):
            remedy = "Write a default of the field's type; of a union, of one of its branches."
            raise _bad("does not fit the field's type.", f"{place}/default", default, remedy)
        return AvroField(name, type_, default, frozenset(_texts(raw, "aliases", place)))


def _full_name(raw: Mapping[str, Any], namespace: str, where: str) -> tuple[str, str]:
    """The full name of a named type, and the namespace that holds within it."""
    name = raw.get("name")
    if not isinstance(name, str) or not _FULL.fullmatch(name):
        raise _bad("must be a name.", f"{where}/name", name, "Use letters, digits and _, with dots between.")
    if "." in name:
        return name, name.rpartition(".")[0]
    space = raw.get("namespace", namespace)
    if not isinstance(space, str) or (space and not _FULL.fullmatch(space)):
        raise _bad("must be a namespace.", f"{where}/namespace", space, "Use names with dots between.")
    return (f"{space}.{name}" if space else name), space


def _texts(raw: Mapping[str, Any], keyword: str, where: str, *, needed: bool = False) -> list[str]:
    texts = raw.get(keyword, None if needed else [])
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise _bad("must be an array of names.", f"{where}/{keyword}", texts, "Write them in [ ].")
    return texts


def _logical(raw: Mapping[str, Any], kind: str) -> Logical | None:
    """The logical type; one that is unknown or does not fit is to be ignored (Avro 1.12, Logical Types)."""
    name = raw.get("logicalType")
    if not isinstance(name, str) or kind not in _LOGICAL.get(name, ()):
        return None
    if name != "decimal":
        return Logical(name)
    precision, scale = raw.get("precision"), raw.get("scale", 0)
    if (
        not isinstance(precision, int)
        or not isinstance(scale, int)
        or not 0 <= scale <= precision
        or not precision
    ):
        return None
    return Logical(name, precision, scale)


def _bad(message: str, where: str, value: Any, remedy: str) -> BadInputError:
    return BadInputError(message, field=where or "/", value=value, code="bad_schema", remedy=remedy)
