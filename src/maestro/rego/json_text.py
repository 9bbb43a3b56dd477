"""JSON text to Rego values and back, as OPA reads and Go writes it: exact numbers, sorted keys, ``<`` escaped."""

from __future__ import annotations

import json
import re
from typing import Any

from maestro.kernel.errors import BadInputError
from maestro.rego.numbers import number, number_text
from maestro.rego.values import _Budget, ordered, unkey

__all__ = ["jsonable", "read_json", "write_json"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def read_json(text: str) -> Any:
    """One JSON document as a Rego value.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("exceeded max depth") from error
    except BadInputError as error:
        raise ValueError(str(error)) from error
    return _scrubbed(value) if "\\u" in text or _SURROGATE.search(text) else value


def _no_constant(name: str) -> Any:
    raise ValueError(f"invalid character {name[0]!r} looking for beginning of value")


_DECODER = json.JSONDecoder(parse_float=number, parse_int=number, parse_constant=_no_constant)


def _scrubbed(value: Any) -> Any:
    """Without halves of surrogate pairs, which Go reads as U+FFFD."""
    if type(value) is str:
        return _SURROGATE.sub("\ufffd", value)
    if type(value) is list:
        return [_scrubbed(item) for item in value]
    if type(value) is dict:
        return {_scrubbed(name): _scrubbed(item) for name, item in value.items()}
    return value


def jsonable(value: Any) -> Any:
    """The value in JSON's types: sets become sorted arrays, keys become text.

    Raises:
        EvaluationLimitError: the value has too many parts.
    """
    return _jsonable(value, _Budget())


def _jsonable(value: Any, budget: _Budget) -> Any:
    kind = type(value)
    if kind is list:
        budget.spend(len(value))
        return [_jsonable(item, budget) for item in value]
    if kind is set:
        budget.spend(len(value))
        return [_jsonable(item, budget) for item in ordered(unkey(one) for one in value)]
    if kind is dict:
        budget.spend(len(value))
        return {
            name if type(name) is str else write_json(unkey(name)): _jsonable(item, budget)
            for name, item in value.items()
        }
    return value


def write_json(value: Any, indent: str | None = None, prefix: str = "") -> str:
    """The value as Go's ``encoding/json`` writes it.

    Args:
        value: any Rego value.
        indent: what one level of nesting is set in by; None writes one line.
        prefix: what every line but the first starts with.
    """
    parts: list[str] = []
    line = "" if indent is None else f"\n{prefix}"
    _write(jsonable(value), parts.append, line, indent)
    return "".join(parts)


def _write(value: Any, out: Any, line: str, indent: str | None) -> None:
    kind = type(value)
    if kind is str:
        out(_quoted(value))
    elif value is None or kind is bool:
        out("null" if value is None else "true" if value else "false")
    elif kind is list or kind is dict:
        marks = "[]" if kind is list else "{}"
        if not value:
            out(marks)
            return
        inner = line + indent if indent is not None else ""
        out(marks[0])
        for i, item in enumerate(value if kind is list else _sorted(value)):
            out(f",{inner}" if i else inner)
            if kind is dict:
                out(_quoted(item) + (": " if indent is not None else ":"))
                item = value[item]  # noqa: PLW2901 - from here on the member, of either kind
            _write(item, out, inner, indent)
        out(line if indent is not None else "")
        out(marks[1])
    else:
        out(number_text(value))


def _sorted(value: dict[str, Any]) -> list[str]:
    return sorted(value)


def _quoted(text: str) -> str:
    shown = json.dumps(_SURROGATE.sub("\ufffd", text), ensure_ascii=False)
    return shown.translate(_ESCAPES).replace("\x7f", "\x7f")
