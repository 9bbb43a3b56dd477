"""Text made from values: ``sprintf``, string templates, Go templates, ``print`` and ``trace``."""

from __future__ import annotations

from typing import Any

from maestro.rego.builtins.registry import Context, Family, array, object_, string
from maestro.rego.errors import BuiltinError
from maestro.rego.golang.printf import Operand, sprintf
from maestro.rego.golang.templates import TemplateError, render_template
from maestro.rego.numbers import Number, is_number, number_text
from maestro.rego.rendering import render
from maestro.rego.values import ordered, unkey

__all__ = ["family"]

family = Family()


def _operand(value: Any) -> Operand:
    """As OPA hands it to Go: numbers by how they are written, everything else as text."""
    if type(value) is str:
        return value
    if isinstance(value, Number):
        if not set(value.text) & set(".eE"):
            return int(value)
        exact = float(value.text)
        return value.text if exact in {float("inf"), float("-inf")} else exact
    return value if type(value) is int else render(value)


@family.builtin("sprintf", context=True)
def sprintf_(context: Context, form: Any, values: Any) -> str:
    """Go's ``fmt.Sprintf``."""
    text, operands = string(form, 1), [_operand(item) for item in array(values, 2)]
    # A width makes at most a million characters of one verb: so many verbs may there be.
    longest = sum(len(item) if isinstance(item, str) else 0 for item in operands)
    context.allow_text(len(text) + longest)
    digits = sum(character in "0123456789*" for character in text)
    if digits > 3:
        context.allow_text(_widths(text, operands))
    done = sprintf(text, operands)
    context.allow_text(len(done))
    return done


def _widths(text: str, operands: list[Operand]) -> int:
    """No less than the widths and precisions in a format add up to."""
    numbers = [
        int(run[:7]) for run in "".join(c if c.isdecimal() and c.isascii() else " " for c in text).split()
    ]
    given = [abs(item) for item in operands if isinstance(item, int) and abs(item) <= 1_000_000]
    return sum(item for item in numbers if item <= 1_000_000) + (sum(given) if "*" in text else 0)


@family.builtin("internal.template_string", context=True)
def template_string(context: Context, parts: Any) -> str:
    """``$"…"``: texts, and values in sets of one; an empty set is ``<undefined>``."""
    shown = [_shown(part) for part in array(parts, 1)]
    context.allow_text(sum(map(len, shown)))
    return "".join(shown)


def _shown(part: Any) -> str:
    if type(part) is set:
        found = [unkey(item) for item in part]
        if not found:
            return "<undefined>"
        if len(found) > 1:
            raise BuiltinError("template-strings must not produce multiple outputs")
        part = found[0]
    elif type(part) in {list, dict}:
        raise BuiltinError("illegal argument type")
    return part if type(part) is str else render(part)


@family.builtin("internal.print", "print", "trace")
def print_(*_: Any) -> bool:
    """Nothing: a decision is the only thing that comes out of an evaluation."""
    return True


@family.builtin("opa.runtime")
def runtime() -> dict[str, Any]:
    """Nothing: what surrounds a policy must not change what it decides."""
    return {}


@family.builtin("strings.render_template", context=True)
def render_template_(context: Context, template: Any, variables: Any) -> str:
    """Go's ``text/template``."""
    text, values = string(template, 1), object_(variables, 2)
    try:
        done = render_template(text, _plain(values), context.limits.text, context.spend)
    except TemplateError as error:
        raise BuiltinError(str(error)) from error
    return done.replace("<no value>", "<undefined>")


def _plain(value: Any) -> Any:
    """As OPA decodes values for Go: numbers by their text, sets as arrays."""
    if is_number(value):
        return number_text(value)
    if type(value) is list:
        return [_plain(item) for item in value]
    if type(value) is set:
        return [_plain(item) for item in ordered(unkey(one) for one in value)]
    if type(value) is dict:
        if not all(type(name) is str for name in value):
            raise BuiltinError("invalid character looking for beginning of object key string")
        return {name: _plain(item) for name, item in value.items()}
    return value
