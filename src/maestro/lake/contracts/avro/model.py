"""Avro schemas as values; named types are told apart by identity, since they may contain themselves."""

from __future__ import annotations

from typing import Any, Final

import attrs

__all__ = [
    "MISSING",
    "AvroArray",
    "AvroEnum",
    "AvroField",
    "AvroFixed",
    "AvroMap",
    "AvroPrimitive",
    "AvroRecord",
    "AvroType",
    "AvroUnion",
    "Logical",
    "Named",
    "same_name",
]

MISSING: Final = object()
"""A default that is not there; None is one."""


@attrs.frozen
class Logical:
    """A logical type.

    Attributes:
        name: for example ``decimal`` or ``timestamp-millis``.
        precision: of a decimal, else 0.
        scale: of a decimal, else 0.
    """

    name: str
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})" if self.name == "decimal" else self.name


@attrs.frozen(eq=False)
class AvroPrimitive:
    """``null``, ``boolean``, ``int``, ``long``, ``float``, ``double``, ``bytes`` or ``string``."""

    kind: str
    logical: Logical | None = None


@attrs.define(eq=False)
class Named:
    """What records, enumerations and fixed values have in common.

    Attributes:
        name: the full name, with its namespace.
        aliases: full names that it also reads.
    """

    name: str
    aliases: frozenset[str]

    @property
    def short(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition(".")[2]


@attrs.frozen(eq=False)
class AvroField:
    """A field of a record.

    Attributes:
        name: as data has it.
        type: its schema.
        default: as JSON, or ``MISSING``.
        aliases: names that it also reads.
    """

    name: str
    type: AvroType
    default: Any = MISSING
    aliases: frozenset[str] = frozenset()


@attrs.define(eq=False)
class AvroRecord(Named):
    """A record; its fields are set once they are read, since they may name it."""

    fields: tuple[AvroField, ...] = ()
    kind = "record"


@attrs.define(eq=False)
class AvroEnum(Named):
    """An enumeration; ``default`` is the symbol that stands for unknown ones, or None."""

    symbols: tuple[str, ...] = ()
    default: str | None = None
    kind = "enum"


@attrs.define(eq=False)
class AvroFixed(Named):
    """Bytes of a fixed number."""

    size: int = 0
    logical: Logical | None = None
    kind = "fixed"


@attrs.frozen(eq=False)
class AvroArray:
    """Items of one type."""

    items: AvroType
    kind = "array"


@attrs.frozen(eq=False)
class AvroMap:
    """Values of one type, by text."""

    values: AvroType
    kind = "map"


@attrs.frozen(eq=False)
class AvroUnion:
    """One of several types."""

    branches: tuple[AvroType, ...]
    kind = "union"


AvroType = AvroPrimitive | AvroRecord | AvroEnum | AvroFixed | AvroArray | AvroMap | AvroUnion


def same_name(reader: Named, writer: Named) -> bool:
    """Whether a reader's named type is the writer's: by its short name, or one of its aliases."""
    return reader.short == writer.short or writer.name in reader.aliases
