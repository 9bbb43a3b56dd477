"""Avro's parsing canonical form: the text that all spellings of a schema share, as far as decoding goes.

Source: Avro 1.12, "Parsing Canonical Form for Schemas". Defaults, aliases, documentation and logical types are no
part of it, since none of them changes how bytes are read.
"""

from __future__ import annotations

import json
from typing import Any

from maestro.lake.contracts.avro.model import (
    AvroArray,
    AvroEnum,
    AvroFixed,
    AvroMap,
    AvroRecord,
    AvroType,
    AvroUnion,
    Named,
)

__all__ = ["canonical_form"]


def canonical_form(schema: AvroType) -> str:
    """The schema's parsing canonical form."""
    return json.dumps(_form(schema, set()), ensure_ascii=False, separators=(",", ":"))


def _form(schema: AvroType, told: set[str]) -> Any:
    """Keys in the order of the specification; a named type in full where it comes first, later by name."""
    if isinstance(schema, Named):
        if schema.name in told:
            return schema.name
        told.add(schema.name)
    if isinstance(schema, AvroUnion):
        return [_form(branch, told) for branch in schema.branches]
    return _object(schema, told)


def _object(schema: AvroType, told: set[str]) -> Any:
    match schema:
        case AvroRecord(name=name, fields=fields):
            parts = [{"name": field.name, "type": _form(field.type, told)} for field in fields]
            form: Any = {"name": name, "type": "record", "fields": parts}
        case AvroEnum(name=name, symbols=symbols):
            form = {"name": name, "type": "enum", "symbols": list(symbols)}
        case AvroFixed(name=name, size=size):
            form = {"name": name, "type": "fixed", "size": size}
        case AvroArray(items=items):
            form = {"type": "array", "items": _form(items, told)}
        case AvroMap(values=values):
            form = {"type": "map", "values": _form(values, told)}
        case _:
            form = schema.kind
    return form
