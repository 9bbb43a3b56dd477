"""Builtins that are written out in the generated code, because a call would cost more than they do.

Each takes its operands as `Term` and gives a `Form`. A form must say exactly what the standard builtin says; the
differential tests hold them together. A registry that replaces a builtin loses its form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

__all__ = ["FORMS", "Form", "Term", "equality", "key_text", "looked_up"]


@attrs.frozen
class Term:
    """An operand: its text, its Python type if known, and whether it is a constant."""

    text: str
    kind: str | None = None
    constant: bool = False


@attrs.frozen
class Form:
    """Code for a builtin.

    Attributes:
        value: expression; without effects, and never failing.
        kind: Python type of the value, if known.
        condition: what holds when the value is true, and its opposite; None unless the builtin is boolean.
        check: when the expression may be used; otherwise the builtin is called.
    """

    value: str
    kind: str | None = None
    condition: tuple[str, str] | None = None
    check: str | None = None


def _boolean(holds: str, fails: str | None = None) -> Form:
    return Form(holds, "bool", (holds, fails or f"not {holds}"))


def _unless_known(kind: str, *terms: Term) -> str:
    return " and ".join(f"type({term.text}) is {kind}" for term in terms if term.kind != kind)


def key_text(term: Term) -> str:
    """A value as a key of an object or element of a set."""
    return term.text if term.kind in {"str", "int", "none"} else f"key({term.text})"


def looked_up(source: Term, key: Term, *, base: bool) -> str:
    """``source[key]`` or U; in base documents keys are text."""
    if source.kind in {"str", "int", "bool", "none"}:
        return "U"
    otherwise = f"{'stored' if base else 'lookup'}({source.text}, {key.text})"
    if key.kind == "str":
        get = f"{source.text}.get({key.text}, U)"
        return get if source.kind == "dict" else f"{get} if type({source.text}) is dict else {otherwise}"
    if key.kind == "int" and key.constant:
        place = f"0 <= {key.text} < len({source.text})"
        if source.kind == "list":
            return f"{source.text}[{key.text}] if {place} else U"
        return f"{source.text}[{key.text}] if type({source.text}) is list and {place} else {otherwise}"
    if key.kind is None and not key.constant:
        check = f"type({key.text}) is str" + (
            "" if source.kind == "dict" else f" and type({source.text}) is dict"
        )
        place = f"type({key.text}) is int and type({source.text}) is list and 0 <= {key.text} < len({source.text})"
        index = "" if source.kind == "dict" else f"{source.text}[{key.text}] if {place} else "
        return f"{source.text}.get({key.text}, U) if {check} else {index}{otherwise}"
    return otherwise


def equality(a: Term, b: Term) -> tuple[str, str]:
    """Condition for ``a == b``, and for ``a != b``."""
    if a.constant and not b.constant:
        a, b = b, a
    if b.constant and b.kind in {"bool", "none"}:
        return f"{a.text} is {b.text}", f"{a.text} is not {b.text}"
    if "str" in {a.kind, b.kind}:
        return f"{a.text} == {b.text}", f"{a.text} != {b.text}"
    if a.kind == b.kind == "int":
        return f"{a.text} == {b.text}", f"{a.text} != {b.text}"
    equal = f"equal({a.text}, {b.text})"
    if b.kind == "int":
        check = f"type({a.text}) is int"
        return (
            f"({a.text} == {b.text} if {check} else {equal})",
            f"({a.text} != {b.text} if {check} else not {equal})",
        )
    check = f"type({a.text}) is str"
    return (
        f"({a.text} == {b.text} if {check} else {equal})",
        f"({a.text} != {b.text} if {check} else not {equal})",
    )


def _comparison(symbol: str, opposite: str, name: str) -> Callable[[Term, Term], Form]:
    def form(a: Term, b: Term) -> Form:
        kind = "str" if "str" in {a.kind, b.kind} else "int"
        check = _unless_known(kind, a, b)
        if not check:
            return _boolean(f"{a.text} {symbol} {b.text}", f"{a.text} {opposite} {b.text}")
        call = f"{name}({a.text}, {b.text})"
        return _boolean(
            f"({a.text} {symbol} {b.text} if {check} else {call})",
            f"({a.text} {opposite} {b.text} if {check} else not {call})",
        )

    return form


def _arithmetic(symbol: str) -> Callable[[Term, Term], Form]:
    def form(a: Term, b: Term) -> Form:
        check = _unless_known("int", a, b)
        return Form(f"{a.text} {symbol} {b.text}", check=check or "True")

    return form


def _equal(a: Term, b: Term) -> Form:
    return _boolean(*equality(a, b))


def _not_equal(a: Term, b: Term) -> Form:
    holds, fails = equality(a, b)
    return _boolean(fails, holds)


def _is_type(kind: str) -> Callable[[Term], Form]:
    def form(a: Term) -> Form:
        return _boolean(f"type({a.text}) is {kind}", f"type({a.text}) is not {kind}")

    return form


def _is_number(a: Term) -> Form:
    return _boolean(f"(type({a.text}) is int or is_number({a.text}))")


def _is_null(a: Term) -> Form:
    return _boolean(f"{a.text} is None", f"{a.text} is not None")


def _member(item: Term, collection: Term) -> Form:
    if item.constant and item.kind in {"str", "int"}:
        return _boolean(
            f"({item.text} in {collection.text} if type({collection.text}) is set "
            f"else member({item.text}, {collection.text}))"
        )
    return _boolean(f"member({item.text}, {collection.text})")


def _count(a: Term) -> Form:
    if a.kind in {"list", "dict", "set", "str"}:
        return Form(f"len({a.text})", "int")
    return Form(f"len({a.text})", check=f"type({a.text}) in SIZED")


def _object_get(source: Term, name: Term, default: Term) -> Form:
    key = name.text if name.kind == "str" else None
    if key is None:
        return Form("None", check="False")
    return Form(f"{source.text}.get({key}, {default.text})", check=f"type({source.text}) is dict")


def _floor(a: Term) -> Form:
    return Form(a.text, check=f"type({a.text}) is int and -2147483648 <= {a.text} <= 2147483647")


FORMS: Final[dict[str, Callable[..., Form]]] = {
    "lt": _comparison("<", ">=", "lt"),
    "lte": _comparison("<=", ">", "lte"),
    "gt": _comparison(">", "<=", "gt"),
    "gte": _comparison(">=", "<", "gte"),
    "equal": _equal,
    "neq": _not_equal,
    "plus": _arithmetic("+"),
    "minus": _arithmetic("-"),
    "is_string": _is_type("str"),
    "is_boolean": _is_type("bool"),
    "is_array": _is_type("list"),
    "is_object": _is_type("dict"),
    "is_set": _is_type("set"),
    "is_number": _is_number,
    "is_null": _is_null,
    "internal.member_2": _member,
    "count": _count,
    "object.get": _object_get,
    "floor": _floor,
    "ceil": _floor,
}
"""By name. ``is_*`` on the wrong type: undefined in old OPA, false today; the cases decide."""
