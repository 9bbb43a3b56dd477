"""JSON in and out: documents that become Rego values, and values that become JSON as OPA prints it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from maestro.kernel.errors import BadInputError
from maestro.rego.errors import EvaluationLimitError
from maestro.rego.numbers import MAX_DIGITS, Number, from_float, number, number_text
from maestro.rego.values import NODES, ordered, unkey

__all__ = ["DEPTH_LIMIT", "encode", "parse", "plain", "to_json", "value_of"]

DEPTH_LIMIT: Final = 200
"""Arrays and objects within one another, in a document that comes in."""

_decoder = msgspec.json.Decoder(float_hook=number)
_MINUS_ZERO = re.compile(rb"-0(?![0-9.eE])")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPED = re.compile("[<>&\u2028\u2029]")
_LONG = re.compile(rb"[0-9]{%d}" % MAX_DIGITS)


def parse(text: bytes) -> Any:
    """Read JSON text as OPA does: exact numbers that keep their text, the last of equal keys, U+FFFD for half a pair.

    Raises:
        BadInputError: not JSON, or nested too deeply (``bad_json``); a number too large (``number_limit``).
    """
    try:
        if _MINUS_ZERO.search(text) or _SURROGATE.search(text) or _LONG.search(text):
            value = _parse_exactly(text)
        else:
            value = _decoder.decode(text)
        if text.count(b"[") + text.count(b"{") > DEPTH_LIMIT:
            _check_depth(value)
    except (msgspec.DecodeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInputError(
            f"The document is not JSON: {error}.", code="bad_json", remedy="Send one JSON value."
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    return value


def _parse_exactly(text: bytes) -> Any:
    """The slow way, for what msgspec reads otherwise than OPA: ``-0``, escaped halves of surrogate pairs."""
    found = json.loads(
        text.decode("utf-8"), parse_float=number, parse_int=number, parse_constant=_no_constant
    )
    if not _SURROGATE.search(text):
        return found
    return _whole_characters(found)


def _no_constant(name: str) -> Any:
    raise BadInputError(f"{name} is not a JSON number.", code="bad_json", remedy="Send a finite number.")


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(name): _whole_characters(item) for name, item in value.items()}
    return value


def _too_deep() -> BadInputError:
    return BadInputError(
        f"The document nests deeper than {DEPTH_LIMIT} levels, or holds itself.",
        code="depth_limit",
        remedy="Flatten it.",
    )


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT + 1):
        level = [
            part
            for item in level
            if type(item) in {list, dict}
            for part in (item.values() if type(item) is dict else item)
            if type(part) in {list, dict}
        ]
        if not level:
            return
    raise _too_deep()


def value_of(document: Any, *, depth: int = 0) -> Any:
    """A Python JSON document (as ``json.loads`` makes it) as a Rego value: itself, where it holds no float.

    Raises:
        BadInputError: something that JSON does not have, NaN, a key that is no string, nested too deeply or cyclic.
    """
    kind = type(document)
    if kind is str or kind is int or kind is bool or document is None or kind is Number:
        return document
    if depth > DEPTH_LIMIT:
        raise _too_deep()
    if kind is dict:
        return _object_of(document, depth)
    if kind is list:
        found = [value_of(item, depth=depth + 1) for item in document]
        return document if all(map(_same, found, document)) else found
    return _other(document, depth)


def _same(a: object, b: object) -> bool:
    return a is b


def _object_of(document: dict[Any, Any], depth: int) -> dict[str, Any]:
    changed: dict[str, Any] | None = None
    for name, item in document.items():
        if type(name) is not str:
            raise BadInputError(
                "A key of an object is no string.", value=name, code="bad_json", remedy="Use strings."
            )
        found = value_of(item, depth=depth + 1)
        if found is not item:
            changed = dict(document) if changed is None else changed
            changed[name] = found
    return document if changed is None else changed


def _other(document: Any, depth: int) -> Any:
    if isinstance(document, float):
        return from_float(document)
    if isinstance(document, Decimal):
        return number(str(document))
    if isinstance(document, str):
        return str(document)
    if isinstance(document, int):
        return int(document)
    if isinstance(document, tuple):
        return value_of(list(document), depth=depth)
    if isinstance(document, dict):
        return value_of(dict(document), depth=depth)
    raise BadInputError(
        f"A {type(document).__name__} is nothing that JSON has.",
        value=document,
        code="bad_json",
        remedy="Convert it.",
    )


def plain(value: Any) -> Any:
    """A value as JSON in Python: sets as sorted arrays, keys as strings, numbers as int or float.

    Parts without any of these are shared with the value, so the result must not be changed.
    """
    return _Writing(as_float=True).json(value)


def to_json(value: Any) -> Any:
    """As `plain`, but with each number as ``msgspec.Raw`` of the text that OPA prints."""
    return _Writing(as_float=False).json(value)


def encode(value: Any) -> bytes:
    """JSON text, numbers written as OPA prints them.

    Raises:
        EvaluationLimitError: an integer beyond 4,300 digits, or more parts than a result may have.
    """
    try:
        return msgspec.json.encode(to_json(value))
    except (OverflowError, ValueError) as error:
        raise EvaluationLimitError("A number is too large to be written.", code="number_limit") from error


class _Writing:
    """One rendering, which may visit so many values: few shared ones can stand for very many."""

    def __init__(self, *, as_float: bool) -> None:
        self.as_float = as_float
        self.left = NODES

    def json(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if kind is int:
            # msgspec writes 64 bits; larger ones go by their text.
            return (
                value
                if self.as_float or -(2**63) <= value < 2**63
                else msgspec.Raw(number_text(value).encode())
            )
        if kind is dict:
            return self.object(value)
        if kind is list:
            return self.array(value)
        if kind is set:
            return self.array(ordered(map(unkey, value)))
        return float(value) if self.as_float else msgspec.Raw(number_text(value).encode())

    def name(self, value: Any) -> str:
        """A key that is no string: its JSON text, as Go writes it, with sorted keys and without ``<``."""
        written = _Writing(as_float=False)
        written.left = self.left
        text = msgspec.json.encode(written.json(value), order="sorted").decode()
        self.left = written.left
        return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text)

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise EvaluationLimitError(f"The result has more than {NODES} parts.", code="size_limit")

    def array(self, value: list[Any]) -> list[Any]:
        self.spend(len(value))
        found = [self.json(item) for item in value]
        return value if all(map(_same, found, value)) else found

    def object(self, value: dict[Any, Any]) -> dict[str, Any]:
        self.spend(len(value))
        found = {
            (name if type(name) is str else self.name(unkey(name))): self.json(item)
            for name, item in value.items()
        }
        same = all(type(name) is str and found[name] is item for name, item in value.items())
        return value if same else found
