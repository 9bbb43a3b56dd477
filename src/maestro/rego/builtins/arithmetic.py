"""Arithmetic, comparison and aggregates (OPA's families *numbers*, *comparison* and *aggregates*)."""

from __future__ import annotations

from typing import Any

from maestro.rego import numbers
from maestro.rego.builtins.registry import Context, Family, number, operand_error, operand_fault, set_
from maestro.rego.values import (
    TRUE_KEY,
    UNDEFINED,
    compare,
    equal,
    key,
    lookup,
    ordered,
    sort_key,
    type_name,
    unkey,
)

__all__ = ["family"]

family = Family()


@family.builtin("plus")
def plus(a: Any, b: Any) -> Any:
    """``a + b``."""
    return numbers.add(number(a, 1), number(b, 2))


@family.builtin("minus")
def minus(a: Any, b: Any) -> Any:
    """``a - b`` of two numbers or two sets."""
    if type(a) is set:
        if type(b) is not set:
            raise operand_error(2, b, "set" if numbers.is_number(b) else "number")
        return a - b
    if not numbers.is_number(a):
        raise operand_error(1, a, "number", "set")
    if not numbers.is_number(b):
        raise operand_error(2, b, "number")
    return numbers.subtract(a, b)


@family.builtin("mul")
def mul(a: Any, b: Any) -> Any:
    """``a * b``."""
    return numbers.multiply(number(a, 1), number(b, 2))


@family.builtin("div")
def div(a: Any, b: Any) -> Any:
    """``a / b``."""
    return numbers.divide(number(a, 1), number(b, 2))


@family.builtin("rem")
def rem(a: Any, b: Any) -> Any:
    """``a % b``."""
    return numbers.modulo(number(a, 1), number(b, 2))


@family.builtin("abs")
def abs_(value: Any) -> Any:
    """The size of a number."""
    return numbers.absolute(number(value, 1))


@family.builtin("round")
def round_(value: Any) -> Any:
    """The nearest integer, halves away from zero."""
    return numbers.round_half_away(number(value, 1))


@family.builtin("ceil")
def ceil(value: Any) -> Any:
    """The next integer up."""
    return numbers.ceiling(number(value, 1))


@family.builtin("floor")
def floor(value: Any) -> Any:
    """The next integer down."""
    return numbers.floor(number(value, 1))


@family.builtin("equal")
def equal_(a: Any, b: Any) -> bool:
    """``a == b``."""
    return equal(a, b)


@family.builtin("neq")
def neq(a: Any, b: Any) -> bool:
    """``a != b``."""
    return not equal(a, b)


@family.builtin("lt")
def lt(a: Any, b: Any) -> bool:
    """``a < b``."""
    return compare(a, b) < 0


@family.builtin("lte")
def lte(a: Any, b: Any) -> bool:
    """``a <= b``."""
    return compare(a, b) <= 0


@family.builtin("gt")
def gt(a: Any, b: Any) -> bool:
    """``a > b``."""
    return compare(a, b) > 0


@family.builtin("gte")
def gte(a: Any, b: Any) -> bool:
    """``a >= b``."""
    return compare(a, b) >= 0


@family.builtin("count")
def count(value: Any) -> int:
    """Members of a collection, code points of a string."""
    if type(value) in {list, dict, set, str}:
        return len(value)
    raise operand_error(1, value, "array", "object", "set", "string")


def members(value: Any) -> list[Any]:
    """An array's members in their order, a set's in OPA's; anything else is a wrong operand."""
    if type(value) is list:
        return value
    if type(value) is set:
        return ordered(unkey(item) for item in value)
    raise operand_error(1, value, "set", "array")


def _numbers(context: Context, value: Any) -> tuple[list[Any], list[int] | None]:
    """The members, which must be numbers, and the same as integers if all are whole."""
    found = members(value)
    context.spend(len(found) // 8)
    for item in found:
        if not numbers.is_number(item):
            kind = type_name(value)
            raise operand_fault(1, f"must be {kind} of numbers but got {kind} containing {type_name(item)}")
    whole = [numbers.as_integer(item) for item in found]
    return found, None if None in whole else [item for item in whole if item is not None]


@family.builtin("sum", context=True)
def sum_(context: Context, value: Any) -> Any:
    """The sum of numbers."""
    if type(value) is list and all(type(item) is int for item in value):
        return numbers.bounded(sum(value))
    found, whole = _numbers(context, value)
    # Whole numbers add up exactly; one fraction among them, and OPA adds floats from the first on.
    total: Any = 0
    for item in found if whole is None else whole:
        total = numbers.add(total, item)
    return total


@family.builtin("product", context=True)
def product(context: Context, value: Any) -> Any:
    """The product of numbers."""
    found, whole = _numbers(context, value)
    if whole is None:
        return numbers.product(found)
    total = 1
    for item in whole:
        total = numbers.bounded(total * item)
    return total


@family.builtin("max")
def max_(value: Any) -> Any:
    """The greatest member; undefined when there is none."""
    found = members(value)
    if not found:
        return UNDEFINED
    # Of equals (1 and 1.0) OPA keeps an array's last.
    return max(reversed(found), key=sort_key) if type(value) is list else max(found, key=sort_key)


@family.builtin("min")
def min_(value: Any) -> Any:
    """The least member; undefined when there is none."""
    found = members(value)
    if not found:
        return UNDEFINED
    return min(reversed(found), key=sort_key) if type(value) is list else min(found, key=sort_key)


@family.builtin("sort")
def sort(value: Any) -> list[Any]:
    """The members in OPA's order of all values."""
    return ordered(members(value))


@family.builtin("all")
def all_(value: Any) -> bool:
    """Whether every member is true (deprecated in OPA)."""
    return all(item is True for item in _array_or_set(value))


@family.builtin("any")
def any_(value: Any) -> bool:
    """Whether a member is true (deprecated in OPA)."""
    return any(item is True for item in _array_or_set(value))


def _array_or_set(value: Any) -> list[Any]:
    if type(value) is set:
        return [True if item is TRUE_KEY else item for item in value]
    if type(value) is list:
        return value
    raise operand_error(1, value, "array", "set")


@family.builtin("internal.member_2")
def member(item: Any, collection: Any) -> bool:
    """``item in collection``."""
    kind = type(collection)
    if kind is set:
        return key(item) in collection
    if kind is list:
        return any(equal(item, found) for found in collection)
    if kind is dict:
        return any(equal(item, found) for found in collection.values())
    return False


@family.builtin("internal.member_3")
def member_with_key(name: Any, item: Any, collection: Any) -> bool:
    """``name, item in collection``."""
    found = lookup(collection, name)
    return found is not UNDEFINED and equal(found, item)


@family.builtin("and")
def and_(a: Any, b: Any) -> set[Any]:
    """``a & b`` of two sets."""
    return set_(a, 1) & set_(b, 2)


@family.builtin("or")
def or_(a: Any, b: Any) -> set[Any]:
    """``a | b`` of two sets."""
    return set_(a, 1) | set_(b, 2)
