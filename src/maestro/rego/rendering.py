"""A value as OPA writes it in messages, ``sprintf``'s ``%v`` and string templates."""

from __future__ import annotations

from typing import Any

from maestro.rego.golang.quoting import quote
from maestro.rego.numbers import number_text
from maestro.rego.values import _Budget, key, ordered, unkey

__all__ = ["render"]


def render(value: Any) -> str:
    """``{"a": [1, true]}``, ``{1, 2}``, ``set()``: Rego's own notation, members of objects and sets in order.

    Raises:
        EvaluationLimitError: the value has too many parts.
    """
    return _render(value, _Budget())


def _render(value: Any, budget: _Budget) -> str:
    kind = type(value)
    if kind is str:
        return quote(value)
    if value is None or kind is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if kind not in {list, dict, set}:
        return number_text(value)
    budget.spend(len(value))
    if kind is dict:
        keys = sorted_keys(value)
        return f"{{{', '.join([f'{_render(unkey(k), budget)}: {_render(value[k], budget)}' for k in keys])}}}"
    members = value if kind is list else ordered(unkey(item) for item in value)
    shown = ", ".join([_render(item, budget) for item in members])
    if kind is list:
        return f"[{shown}]"
    return f"{{{shown}}}" if shown else "set()"


def sorted_keys(value: dict[Any, Any]) -> list[Any]:
    """The keys of an object, as they are stored, in OPA's order."""
    if all(type(name) is str for name in value):
        return sorted(value)
    return [key(name) for name in ordered(unkey(name) for name in value)]
