"""A value as OPA writes it in messages, ``sprintf``'s ``%v`` and string templates."""

from __future__ import annotations

from typing import Any

from maestro.rego.golang.quoting import quote
from maestro.rego.numbers import number_text
from maestro.rego.values import _Budget, ordered, unkey

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
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind not in {list, dict, set}:
        return number_text(value)
    budget.spend(len(value))
    if kind is list:
        return f"[{', '.join([_render(item, budget) for item in value])}]"
    if kind is set:
        members = ordered(unkey(item) for item in value)
        return f"{{{', '.join([_render(item, budget) for item in members])}}}" if members else "set()"
    keys = sorted_keys(value)
    return f"{{{', '.join([f'{_render(unkey(k), budget)}: {_render(value[k], budget)}' for k in keys])}}}"


def sorted_keys(value: dict[Any, Any]) -> list[Any]:
    """The keys of an object, as they are stored, in OPA's order."""
    if all(type(name) is str for name in value):
        return sorted(value)
    return [pair[1] for pair in _pairs(value)]


def _pairs(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    from maestro.rego.values import sort_key

    return sorted([(sort_key(unkey(name)), name) for name in value], key=lambda pair: pair[0])
