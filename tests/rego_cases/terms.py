"""Rego values in Python to OPA's own JSON of terms and back, and a context for builtins alone."""

from typing import Any

import msgspec

from maestro.rego.limits import Limits
from maestro.rego.numbers import is_number, number, number_text
from maestro.rego.values import key, unkey


def to_term(value: Any) -> dict[str, Any]:
    if value is None or isinstance(value, (bool, str)):
        kind = {bool: "boolean", str: "string"}.get(type(value), "null")
        return {"type": kind, "value": {} if value is None else value}
    if is_number(value):
        return {"type": "number", "value": msgspec.Raw(number_text(value).encode())}
    if isinstance(value, list):
        return {"type": "array", "value": [to_term(item) for item in value]}
    if isinstance(value, dict):
        return {
            "type": "object",
            "value": [[to_term(unkey(name)), to_term(item)] for name, item in value.items()],
        }
    return {"type": "set", "value": [to_term(unkey(item)) for item in value]}


def from_term(term: dict[str, Any]) -> Any:
    kind, value = term["type"], term.get("value")
    if kind == "null":
        return None
    if kind in {"boolean", "string"}:
        return value
    if kind == "number":
        return value if isinstance(value, int) else number(value) if isinstance(value, str) else value
    if kind == "array":
        return [from_term(item) for item in value or []]
    if kind == "object":
        return {key(from_term(name)): from_term(item) for name, item in value or []}
    if kind == "set":
        return {key(from_term(item)) for item in value or []}
    raise ValueError(kind)


class Alone:
    """A context for one builtin: what an evaluation would give it."""

    def __init__(self, now_ns: int = 0, limits: Limits | None = None) -> None:
        self.now_ns = now_ns
        self.seed = b"seed"
        self.limits = limits or Limits()
        self.cache: dict[Any, Any] = {}
        self.spent = 0

    def spend(self, steps: int) -> None:
        self.spent += steps

    def allow_items(self, count: int) -> None:
        pass

    def allow_text(self, count: int) -> None:
        pass
