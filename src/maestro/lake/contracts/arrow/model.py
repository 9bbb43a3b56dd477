"""Arrow's schemas as plain values, so that they are judged without pyarrow.

Encodings that hold the same values are one type here: ``large_string`` and ``string_view`` are ``string``, a
dictionary is its value type. Source: Apache Arrow, Columnar Format 1.5, and its ``Schema.fbs``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

import attrs

from maestro.kernel.errors import BadInputError

__all__ = ["ArrowField", "ArrowSchema", "ArrowType", "unique_fields"]

_WIDTHS = frozenset({"int", "uint", "float"})
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.+/-]*", re.ASCII)


@attrs.frozen
class ArrowType:
    """A type.

    Attributes:
        name: ``int``, ``uint``, ``float``, ``decimal``, ``string``, ``timestamp``, ``list``, ``struct`` …
        parameters: what narrows it: width in bits, precision and scale, unit and zone, size.
        children: fields of a struct, the item of a list, key and value of a map.
    """

    name: str
    parameters: tuple[int | str, ...] = ()
    children: tuple[ArrowField, ...] = ()

    def __str__(self) -> str:
        inner = ""
        if self.name == "struct":
            inner = ", ".join(f"{_written(child.name)}: {child.shown}" for child in self.children)
        elif self.children:
            inner = ", ".join(child.shown for child in self.children)
        if self.children or self.name == "struct":
            size = f"[{self.parameters[0]}]" if self.parameters else ""
            return f"{self.name}<{inner}>{size}"
        return self._flat()

    def _flat(self) -> str:
        if self.name in _WIDTHS:
            return f"{self.name}{self.parameters[0]}"
        if self.name == "timestamp":
            unit, zone = self.parameters
            return f"timestamp[{unit}, tz={zone}]" if zone else f"timestamp[{unit}]"
        if self.name == "interval":
            return f"{self.parameters[0]}_interval"
        if self.name == "date":
            return "date32" if self.parameters == ("day",) else "date64"
        if self.name == "decimal":
            return "decimal({}, {})".format(*self.parameters)
        return f"{self.name}[{self.parameters[0]}]" if self.parameters else self.name


@attrs.frozen
class ArrowField:
    """A named column, or a part of one."""

    name: str
    type: ArrowType
    nullable: bool = True

    @property
    def shown(self) -> str:
        """Type and nullability, as messages show them."""
        return str(self.type) if self.nullable else f"{self.type} not null"


@attrs.frozen
class ArrowSchema:
    """The columns of a table, in the order they were declared; order means nothing."""

    fields: tuple[ArrowField, ...]


def unique_fields(fields: Sequence[ArrowField], where: str) -> tuple[ArrowField, ...]:
    """The fields, none of which may stand twice: which of two would be meant is nobody's guess.

    Raises:
        BadInputError: ``bad_schema``; names the field.
    """
    twice = [name for name, count in Counter(each.name for each in fields).items() if count > 1]
    if twice:
        raise BadInputError(
            "stands twice.",
            field=f"{where}/{twice[0]}",
            code="bad_schema",
            remedy="Give each field a name of its own.",
        )
    return tuple(fields)


def _written(name: str) -> str:
    """A field's name within a type's text, quoted if it could be taken for something else."""
    return name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)
