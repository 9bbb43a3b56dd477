"""JSON as a judge must read it: UTF-8, no duplicate keys, no NaN, bounded depth and size (RFC 8259, I-JSON RFC 7493)."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from maestro.kernel.errors import BadInputError

__all__ = ["BODY_LIMIT", "convert", "decode", "loads"]

T = TypeVar("T")

BODY_LIMIT = 64 * 1024
"""Bytes of a document or request that are read unless the caller says otherwise."""
DEPTH_LIMIT = 32
"""Nested arrays and objects; our documents need four."""

_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")
_PATH = re.compile(r"(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")


def decode(body: bytes, shape: type[T], *, limit: int = BODY_LIMIT) -> T:
    """Decode JSON text to ``shape`` (a msgspec-decodable type).

    Raises:
        BadInputError: not strict JSON, or not of the shape; names the field, its value and the remedy.
    """
    return convert(loads(body, limit=limit), shape)


def loads(body: bytes, *, limit: int = BODY_LIMIT, depth: int = DEPTH_LIMIT) -> Any:
    """Parse strict JSON to plain Python values.

    A number without a fraction (``20.0``) becomes an int, since JSON has one kind of number.

    Raises:
        BadInputError: too large, not UTF-8, malformed, duplicate keys, NaN or Infinity, nested too deeply.
    """
    if len(body) > limit:
        raise BadInputError(
            f"The JSON text has {len(body)} bytes.",
            code="body_too_large",
            remedy=f"Send at most {limit} bytes.",
        )
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"The JSON text is not UTF-8 at byte {error.start}.",
            code="bad_json",
            remedy="Encode it as UTF-8.",
        ) from error
    _check_depth(text, depth)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_number)
    except json.JSONDecodeError as error:
        raise BadInputError(
            f"The text is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            code="bad_json",
            remedy="Send one JSON value and nothing after it.",
        ) from error
    except ValueError as error:  # the interpreter's bound on the digits of an integer
        raise BadInputError(
            "A number in the JSON text is too long.", code="bad_json", remedy="Shorten it."
        ) from error
    if "\\u" in text:
        _check_surrogates(value)
    return value


def convert(raw: Any, shape: type[T]) -> T:
    """Convert parsed JSON to ``shape``, or raise BadInputError naming the field, its value and the remedy."""
    try:
        return msgspec.convert(raw, shape, strict=True)
    except msgspec.ValidationError as error:
        raise _bad_field(str(error), raw) from error


def _check_depth(text: str, most: int) -> None:
    depth = 0
    for bracket in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        mark = bracket.group()
        if mark in "[{":
            depth += 1
            if depth > most:
                raise BadInputError(
                    f"The JSON text nests deeper than {most} levels.",
                    code="bad_json",
                    remedy="Flatten it.",
                )
        elif mark in "]}":
            depth -= 1


def _check_surrogates(value: Any) -> None:
    """An escaped lone surrogate is no character (RFC 7493 section 2.1) and could not be written down again."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInputError(
            "The JSON text has an escaped lone surrogate.", code="bad_json", remedy="Send whole characters."
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise BadInputError(
            "stands twice in one object.", field=twice, code="duplicate_key", remedy="Keep one of them."
        )
    return found


def _no_constant(name: str) -> NoReturn:
    raise BadInputError(f"{name} is not a JSON number.", code="bad_json", remedy="Send a finite number.")


def _number(text: str) -> int | float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadInputError(
            "is beyond the range of a double.", value=text, code="bad_json", remedy="Send a smaller number."
        )
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _bad_field(text: str, raw: Any) -> BadInputError:
    match = _PATH.fullmatch(text)
    what, path = (match["what"], match["path"] or "") if match else (text, "")
    field = path.removeprefix("$").removeprefix(".")
    for pattern, message, remedy in (
        (_MISSING, "is missing.", "Add it."),
        (_UNKNOWN, "is not a known field.", "Remove it or correct its spelling."),
    ):
        named = pattern.match(what)
        if named:
            return BadInputError(
                message, field=f"{field}.{named['name']}".removeprefix("."), remedy=remedy, code="bad_field"
            )
    return BadInputError(
        f"{what[:1].lower()}{what[1:].replace('`', '')}.",
        field=field,
        value=_value_at(raw, path),
        remedy="Correct the value.",
        code="bad_field",
    )


def _value_at(raw: Any, path: str) -> str | None:
    value = raw
    for step in _STEP.finditer(path):
        key, index = step["key"], step["index"]
        if key is not None and isinstance(value, dict) and key in value:
            value = value[key]
        elif index is not None and index.isdigit() and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            return None
    return json.dumps(value, ensure_ascii=False)
