"""Whether a default, as JSON, is a value of a type (Avro 1.12, Complex Types, "default")."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from maestro.lake.contracts.avro.model import (
    MISSING,
    AvroArray,
    AvroEnum,
    AvroField,
    AvroFixed,
    AvroMap,
    AvroRecord,
    AvroType,
    AvroUnion,
)

__all__ = ["fits"]


def _is_whole(value: Any, bits: int) -> bool:
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)
    )


def _is_number(value: Any) -> bool:
    if value in ("NaN", "Infinity", "-Infinity", "INF", "-INF"):
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_bytes(value: Any) -> bool:
    """Bytes are written as the characters of their numbers."""
    return isinstance(value, str) and all(ord(character) < 256 for character in value)


_PRIMITIVES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda value: _is_whole(value, 32),
    "long": lambda value: _is_whole(value, 64),
    "float": _is_number,
    "double": _is_number,
    "bytes": _is_bytes,
    "string": lambda value: isinstance(value, str),
}


def fits(value: Any, type_: AvroType) -> bool:
    """Whether it does; of a union, whether it fits one of the branches."""
    if type_.kind in _PRIMITIVES:
        return _PRIMITIVES[type_.kind](value)
    if isinstance(type_, AvroUnion):
        return any(fits(value, branch) for branch in type_.branches)
    return _fits_complex(value, type_)


def _fits_complex(value: Any, type_: AvroType) -> bool:
    match type_:
        case AvroArray(items=items):
            good = isinstance(value, list) and all(fits(each, items) for each in value)
        case AvroMap(values=values):
            good = isinstance(value, dict) and all(fits(each, values) for each in value.values())
        case AvroEnum(symbols=symbols):
            good = value in symbols
        case AvroFixed(size=size):
            good = _is_bytes(value) and len(value) == size
        case _:
            fields = type_.fields if isinstance(type_, AvroRecord) else ()
            good = isinstance(value, dict) and all(_field_fits(value, field) for field in fields)
    return good


def _field_fits(value: dict[str, Any], field: AvroField) -> bool:
    if field.name in value:
        return fits(value[field.name], field.type)
    return field.default is not MISSING
