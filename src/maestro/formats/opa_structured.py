"""Structured files of a bundle (``data.json``, ``data.yaml``, ``.manifest``): their values, and what OPA hashes of them.

OPA hashes a structured file as compact JSON with sorted keys, numbers as they are spelled (``v1/bundle/hash.go``), so
that white space does not matter. Other files are hashed byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from maestro.formats.reasons import BundleReason, refused

__all__ = ["hashed_bytes", "is_structured", "is_yaml_data", "parse_json", "parse_number", "structured"]

_STRUCTURED = frozenset({".manifest", "data.json", "data.yaml", "data.yml"})
_YAML = (".yaml", ".yml")
_MINUS_ZERO = re.compile(rb"(?:^|[\[:,\s])-0(?![.eE0-9])")
"""A minus zero, or a text that has one after a space or a comma; what is found too much only costs time."""


def is_structured(name: str) -> bool:
    """Whether OPA hashes the file's content rather than its bytes."""
    return name.rpartition("/")[2] in _STRUCTURED


def is_yaml_data(name: str) -> bool:
    """Whether the file is data in YAML."""
    return is_structured(name) and name.endswith(_YAML)


def hashed_bytes(name: str, content: bytes) -> bytes:
    """What OPA's signature hashes of the file.

    Raises:
        UntrustedError: ``data_malformed``, a structured file that is none.
    """
    if not is_structured(name):
        return content
    if not is_yaml_data(name):
        quick = _as_python_writes(name, content)
        if quick is not None:
            return quick
    return "".join(_written(structured(name, content, _Literal))).encode()


def structured(name: str, content: bytes, number: Callable[[str], Any]) -> Any:
    """The value of a structured file.

    Args:
        name: the file's, which says whether it is JSON or YAML.
        content: its bytes.
        number: what a number's text becomes.

    Raises:
        UntrustedError: ``data_malformed``.
    """
    if is_yaml_data(name):
        from maestro.formats.opa_yaml import parse_yaml

        return parse_yaml(content, name, number)
    return parse_json(content, name, number)


def parse_json(content: bytes, name: str, number: Callable[[str], Any]) -> Any:
    """Strict JSON: UTF-8 without mark, no key twice, no NaN, no lone surrogate.

    Raises:
        UntrustedError: ``data_malformed``.
    """
    return _load(content, name, number, number)


def parse_number(text: str) -> int | float:
    """An int where the number is whole, as JSON has one kind of number; else a float."""
    if text.lstrip("-").isdigit():
        return int(text)
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is beyond the range of a double")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


class _Literal(str):
    """A number as it is spelled."""

    __slots__ = ()


def _as_python_writes(name: str, content: bytes) -> bytes | None:
    """OPA's form by the standard library's quick encoder, or None where that would spell a number otherwise."""
    if b"-0" in content and _MINUS_ZERO.search(content):
        return None  # an int forgets it
    others: list[str] = []

    def real(text: str) -> float:
        value = float(text)
        if repr(value) != text:
            others.append(text)
        return value

    value = _load(content, name, int, real)
    if others:
        return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return _escaped(text).encode()


def _load(content: bytes, name: str, whole: Callable[[str], Any], real: Callable[[str], Any]) -> Any:
    try:
        text = content.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=whole, parse_float=real
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except RecursionError:
        raise refused(BundleReason.DATA_MALFORMED, f"{name!r} is nested too deeply.") from None
    except ValueError as error:  # no UTF-8, no JSON, a lone surrogate, too long a number
        raise refused(BundleReason.DATA_MALFORMED, f"{name!r} is no strict JSON: {error}.") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _written(value: Any) -> Iterator[str]:
    """The canonical text of a value whose numbers are ``_Literal``."""
    if isinstance(value, _Literal):
        yield str(value)
    elif isinstance(value, dict):
        yield "{"
        for at, key in enumerate(sorted(value)):
            yield f"{',' if at else ''}{_escaped(json.dumps(key, ensure_ascii=False))}:"
            yield from _written(value[key])
        yield "}"
    elif isinstance(value, list):
        yield "["
        for at, each in enumerate(value):
            if at:
                yield ","
            yield from _written(each)
        yield "]"
    else:
        yield _escaped(json.dumps(value, ensure_ascii=False))


def _escaped(text: str) -> str:
    """Go escapes the two line separators of Unicode, which JSON does not ask for; they stand in texts alone."""
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
