"""YAML data as OPA reads it: go-yaml v3's core schema, turned into JSON (OPA's ``internal/yaml``).

PyYAML does the syntax; what a plain scalar means follows Go's table, since PyYAML's own reads ``on`` as true. What OPA
and we might read differently (a key twice, tags, further documents) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from maestro.formats.reasons import BundleReason, refused

__all__ = ["parse_yaml"]

_DEPTH = 200
_VALUES = 5_000_000
"""Values that aliases may unfold to: room for any data that fits the bundle, none for a billion laughs."""
_CONSTANTS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DATE = re.compile(r"\d{4}-\d")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INT = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_STR_TAGS = ("!", "tag:yaml.org,2002:str")
_WORST_INT, _BEST_INT = -(2**63), 2**64 - 1


def parse_yaml(content: bytes, name: str, number: Callable[[str], Any]) -> Any:
    """The value of one YAML document.

    Args:
        content: its bytes.
        name: the file's, for messages.
        number: what a number's JSON text becomes.

    Raises:
        UntrustedError: ``data_malformed``.
    """
    import yaml  # type: ignore[import-untyped]  # PyYAML ships no types

    try:
        text = content.decode("utf-8")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return _Reader(yaml.parse(text, Loader=loader), number).document()
    except RecursionError:
        raise refused(BundleReason.DATA_MALFORMED, f"{name!r} is nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:
        what = " ".join(str(error).split())
        raise refused(BundleReason.DATA_MALFORMED, f"{name!r} is no YAML that is read: {what}.") from error


class _Reader:
    """Values from the parser's events, depth first."""

    def __init__(self, events: Iterator[Any], number: Callable[[str], Any]) -> None:
        self._events, self._number = events, number
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0

    def document(self) -> Any:
        kind, _ = self._next()
        kind, event = self._next()
        if kind == "StreamEndEvent":
            return None
        kind, event = self._next()
        value = self._value(kind, event, 0)
        self._next()
        if self._next()[0] != "StreamEndEvent":
            raise ValueError("it holds more than one document")
        return value

    def _next(self) -> tuple[str, Any]:
        event = next(self._events)
        return type(event).__name__, event

    def _value(self, kind: str, event: Any, depth: int) -> Any:
        if depth > _DEPTH:
            raise ValueError(f"it nests deeper than {_DEPTH} levels")
        if kind == "AliasEvent":
            if event.anchor not in self._anchors:
                raise ValueError(f"the alias {event.anchor!r} has no anchor before it")
            value, size = self._anchors[event.anchor]
            self._counted(size)
            return value
        before = self._count
        self._counted(1)
        if kind == "ScalarEvent":
            value = self._scalar(event)
        elif event.tag is not None:
            raise ValueError(f"it has the tag {event.tag!r}")
        else:
            value = (self._sequence if kind == "SequenceStartEvent" else self._mapping)(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._count - before)
        return value

    def _counted(self, size: int) -> None:
        self._count += size
        if self._count > _VALUES:
            raise ValueError(f"it unfolds to more than {_VALUES} values")

    def _sequence(self, depth: int) -> list[Any]:
        values = []
        while (found := self._next())[0] != "SequenceEndEvent":
            values.append(self._value(*found, depth + 1))
        return values

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while (found := self._next())[0] != "MappingEndEvent":
            kind, event = found
            merge = kind == "ScalarEvent" and event.implicit[0] and event.value == "<<"
            key = None if merge else _key(self._value(kind, event, depth + 1), event)
            value = self._value(*self._next(), depth + 1)
            if key is None:
                _merge(merged, value)
            elif key in own:
                raise ValueError(f"the key {key!r} stands twice")
            else:
                own[key] = value
        return merged | own

    def _scalar(self, event: Any) -> Any:
        if event.tag is not None and event.tag not in _STR_TAGS:
            raise ValueError(f"it has the tag {event.tag!r}")
        if event.tag is not None or not event.implicit[0]:
            return event.value
        meaning = _resolve(event.value)
        return self._number(meaning.text) if isinstance(meaning, _Number) else meaning


class _Number:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _key(value: Any, event: Any) -> str:
    """Keys are texts in JSON; go-yaml spells whole numbers and truth values, floats we leave alone."""
    if isinstance(value, str) and type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    whole = _resolve(event.value) if hasattr(event, "value") and event.tag is None else None
    if isinstance(whole, _Number) and whole.text.lstrip("-").isdigit():
        return whole.text
    raise ValueError("a key is neither text, truth value nor whole number")


def _merge(merged: dict[str, Any], value: Any) -> None:
    """``<<``: the first mapping that has a key wins, and the mapping's own keys win over all."""
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            raise ValueError("'<<' needs a mapping, or a list of them")  # noqa: TRY004 - bad content, not a bad call
        merged.update({key: below for key, below in each.items() if key not in merged})


def _resolve(text: str) -> Any:
    """What a plain scalar means (go-yaml v3, ``resolve.go``): text, truth value, None or number."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is no number of JSON")
    if text[0] not in "+-.0123456789" or _DATE.match(text):
        return text
    plain = text if text[0] == "." else text.replace("_", "")
    whole = _INT.fullmatch(plain)
    if whole:
        base = next(name for name in _BASES if whole[name] is not None)
        value = int(whole["sign"] + whole[base], _BASES[base])
        if _WORST_INT <= value <= _BEST_INT:
            return _Number(str(value))
    if _FLOAT.fullmatch(plain):
        real = float(plain)
        if abs(real) != float("inf"):
            return _Number(_go_float(real))
    return text


def _go_float(value: float) -> str:
    """As ``encoding/json`` writes a float64: plain digits between 1e-6 and 1e21, else an exponent."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(repr(value)), "f")
        return plain.removesuffix(".0")
    return repr(value).replace("e-0", "e-")
