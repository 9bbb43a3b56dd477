"""Arrow types as people write them: ``int64``, ``decimal128(10, 2)``, ``list<item: string not null>``.

The notation is the one that Arrow's own libraries print.
"""

from __future__ import annotations

import json
import re

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.arrow.model import ArrowField, ArrowType, unique_fields

__all__ = ["parse_type"]

_SIMPLE = {
    **{f"int{width}": ArrowType("int", (width,)) for width in (8, 16, 32, 64)},
    **{f"uint{width}": ArrowType("uint", (width,)) for width in (8, 16, 32, 64)},
    **{f"float{width}": ArrowType("float", (width,)) for width in (16, 32, 64)},
    "halffloat": ArrowType("float", (16,)),
    "float": ArrowType("float", (32,)),
    "double": ArrowType("float", (64,)),
    "int": ArrowType("int", (32,)),
    "long": ArrowType("int", (64,)),
    "bool": ArrowType("bool"),
    "boolean": ArrowType("bool"),
    "null": ArrowType("null"),
    "date": ArrowType("date", ("day",)),
    "date32": ArrowType("date", ("day",)),
    "date64": ArrowType("date", ("ms",)),
    "month_interval": ArrowType("interval", ("month",)),
    "day_time_interval": ArrowType("interval", ("day_time",)),
    "month_day_nano_interval": ArrowType("interval", ("month_day_nano",)),
    **dict.fromkeys(("string", "utf8", "large_string", "large_utf8", "string_view"), ArrowType("string")),
    **dict.fromkeys(("binary", "large_binary", "binary_view"), ArrowType("binary")),
}
_UNITS = {"s", "ms", "us", "ns"}
_MOST_PRECISION = 76  # decimal256; Schema.fbs
_TOKEN = re.compile(
    r'\s*(?:(?P<word>[A-Za-z_][\w.+/-]*|\d+)|(?P<mark>[<>()\[\],:=]|[+-]\d+|"(?:[^"\\]|\\.)*"))', re.ASCII
)


def parse_type(text: str, where: str) -> ArrowType:
    """The type that the text writes.

    Args:
        text: for example ``list<item: int64>``.
        where: the path of the field, for errors.

    Raises:
        BadInputError: ``bad_schema``; names field and text.
    """
    return _Reader(text, where).whole()


class _Reader:
    """A recursive-descent reader over the tokens of one type."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self._tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._bad()
            self._tokens.append(match["word"] or match["mark"])
            at = match.end()
        self._at = 0

    def whole(self) -> ArrowType:
        found = self._type()
        if self._peek():
            raise self._bad()
        return found

    def _type(self) -> ArrowType:
        name = self._next()
        if name in _SIMPLE:
            if self._peek() == "[":  # date32[day], as pyarrow prints it
                self._in_brackets()
            return _SIMPLE[name]
        readers = {
            "decimal": self._decimal,
            "list": self._list,
            "fixed_size_list": self._list,
            "struct": self._struct,
            "map": self._map,
            "dictionary": self._dictionary,
            "timestamp": self._timestamp,
            "time": self._time,
            "duration": self._duration,
            "fixed_size_binary": self._fixed_binary,
        }
        family = re.sub(r"(?<=decimal)(32|64|128|256)|(?<=time)(32|64)|(?<=list)_view|^large_", "", name)
        if family not in readers:
            raise self._bad()
        return readers[family]()

    def _decimal(self) -> ArrowType:
        self._expect("(")
        precision = self._number()
        scale = 0
        if self._peek() == ",":
            self._expect(",")
            scale = self._number()
        self._expect(")")
        if not 1 <= precision <= _MOST_PRECISION:
            raise self._bad()
        return ArrowType("decimal", (precision, scale))

    def _list(self) -> ArrowType:
        self._expect("<")
        item = self._field("item")
        self._expect(">")
        size = (int(self._in_brackets()[0]),) if self._peek() == "[" else ()
        return ArrowType("list", size, (item,))

    def _struct(self) -> ArrowType:
        self._expect("<")
        fields = []
        while self._peek() != ">":
            fields.append(self._field(""))
            if self._peek() == ",":
                self._expect(",")
        self._expect(">")
        return ArrowType("struct", (), unique_fields(fields, self._where))

    def _map(self) -> ArrowType:
        self._expect("<")
        key = self._field("key")
        self._expect(",")
        value = self._field("value")
        if self._peek() == ",":  # keys_sorted says how, not what
            self._expect(",")
            self._next()
        self._expect(">")
        return ArrowType("map", (), (ArrowField("key", key.type, False), ArrowField("value", *_rest(value))))

    def _dictionary(self) -> ArrowType:
        self._expect("<")
        self._expect("values")
        self._expect("=")
        values = self._type()
        while self._peek() != ">":
            self._next()
        self._expect(">")
        return values

    def _timestamp(self) -> ArrowType:
        unit, *more = self._in_brackets()
        zone = "".join(more).removeprefix(",").removeprefix("tz").removeprefix("=")
        return ArrowType("timestamp", (self._unit(unit), zone))

    def _time(self) -> ArrowType:
        return ArrowType("time", (self._unit(self._in_brackets()[0]),))

    def _duration(self) -> ArrowType:
        return ArrowType("duration", (self._unit(self._in_brackets()[0]),))

    def _fixed_binary(self) -> ArrowType:
        size = self._in_brackets()[0]
        if not size.isdigit():
            raise self._bad()
        return ArrowType("fixed_size_binary", (int(size),))

    def _field(self, usual: str) -> ArrowField:
        """``name: type not null``; the name may be left out where Arrow has a usual one."""
        name = usual
        if self._at + 1 < len(self._tokens) and self._tokens[self._at + 1] == ":":
            name = self._next()
            name = json.loads(name) if name.startswith('"') else name
            self._expect(":")
        elif not usual:
            raise self._bad()
        found = self._type()
        nullable = True
        if self._peek() == "not":
            self._next()
            self._expect("null")
            nullable = False
        return ArrowField(name, found, nullable)

    def _unit(self, unit: str) -> str:
        if unit not in _UNITS:
            raise self._bad()
        return unit

    def _number(self) -> int:
        token = self._next()
        if not token.removeprefix("-").isdigit():
            raise self._bad()
        return int(token)

    def _in_brackets(self) -> list[str]:
        self._expect("[")
        inside = []
        while self._peek() != "]":
            inside.append(self._next())
        self._expect("]")
        if not inside:
            raise self._bad()
        return inside

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise self._bad()
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise self._bad()

    def _bad(self) -> BadInputError:
        return BadInputError(
            "is not an Arrow type.",
            field=self._where,
            value=self._text,
            code="bad_schema",
            remedy="Write it as Arrow prints it, for example int64, string, decimal128(10, 2), timestamp[us, tz=UTC], "
            "list<item: string>, struct<a: int64>, map<string, int64>.",
        )


def _rest(field: ArrowField) -> tuple[ArrowType, bool]:
    return field.type, field.nullable
