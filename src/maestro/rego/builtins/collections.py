"""Arrays, objects, sets, graphs and casts (OPA's families *array*, *object*, *sets*, *graph*, *types*, *conversions*)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from maestro.kernel.errors import BadInputError
from maestro.rego.builtins.registry import (
    Context,
    Family,
    array,
    integer,
    object_,
    operand_error,
    operand_fault,
    set_,
)
from maestro.rego.errors import BuiltinError
from maestro.rego.numbers import Number, is_number, number
from maestro.rego.values import UNDEFINED, equal, key, lookup, ordered, type_name, unkey

__all__ = ["family"]

family = Family()


# ---- arrays ----------------------------------------------------------------------------------------------


@family.builtin("array.concat", context=True)
def concat(context: Context, a: Any, b: Any) -> list[Any]:
    """The members of both."""
    first, second = array(a, 1), array(b, 2)
    context.allow_items(len(first) + len(second))
    return first + second


@family.builtin("array.flatten", context=True)
def flatten(context: Context, value: Any) -> list[Any]:
    """The members, those of nested arrays in their place; one level deep."""
    found = array(value, 1)
    context.allow_items(sum(len(item) if type(item) is list else 1 for item in found))
    return [inner for item in found for inner in (item if type(item) is list else [item])]


@family.builtin("array.slice")
def slice_(value: Any, start: Any, stop: Any) -> list[Any]:
    """Members from ``start`` to before ``stop``, both brought within the array."""
    found, low, high = array(value, 1), integer(start, 2), integer(stop, 3)
    return found[max(low, 0) : max(high, 0)]


@family.builtin("array.reverse")
def reverse(value: Any) -> list[Any]:
    """The members backwards."""
    return array(value, 1)[::-1]


# ---- objects ---------------------------------------------------------------------------------------------


@family.builtin("object.get")
def get(value: Any, path: Any, default: Any) -> Any:
    """The value at a key, or along an array of keys; else ``default``."""
    found: Any = object_(value, 1)
    for name in path if type(path) is list else [path]:
        found = lookup(found, name)
        if found is UNDEFINED:
            return default
    return found


def _keys(value: Any) -> Iterable[Any]:
    if type(value) is list:
        return [key(item) for item in value]
    if type(value) in {set, dict}:
        return set(value)
    raise operand_error(2, value, "object", "set", "array")


@family.builtin("object.remove")
def remove(value: Any, keys: Any) -> dict[Any, Any]:
    """The object without these keys."""
    found, gone = object_(value, 1), set(_keys(keys))
    return {name: item for name, item in found.items() if name not in gone}


@family.builtin("object.filter")
def filter_(value: Any, keys: Any) -> dict[Any, Any]:
    """The object with these keys alone."""
    found, kept = object_(value, 1), set(_keys(keys))
    return {name: item for name, item in found.items() if name in kept}


@family.builtin("object.keys")
def keys(value: Any) -> set[Any]:
    """The set of its keys."""
    return set(object_(value, 1))


@family.builtin("object.union", context=True)
def union(context: Context, a: Any, b: Any) -> dict[Any, Any]:
    """Both objects as one, nested objects too; the second wins."""
    return _merged(context, object_(a, 1), object_(b, 2))


def _merged(context: Context, a: dict[Any, Any], b: dict[Any, Any]) -> dict[Any, Any]:
    context.spend(1 + len(b) // 8)
    merged = {**a, **b}
    for name, right in b.items():
        left = a.get(name, UNDEFINED)
        if type(left) is dict and type(right) is dict:
            merged[name] = _merged(context, left, right)
    return merged


@family.builtin("object.union_n", context=True)
def union_n(context: Context, value: Any) -> dict[Any, Any]:
    """All objects of an array as one; later ones win."""
    merged: dict[Any, Any] = {}
    for item in array(value, 1):
        if type(item) is not dict:
            raise operand_fault(1, f"must be array of objects but got array containing {type_name(item)}")
    for item in value:
        merged = _merged(context, merged, item)
    return merged


@family.builtin("object.subset", context=True)
def subset(context: Context, super_: Any, sub: Any) -> bool:
    """Whether the first object, set or array holds the second."""
    kinds = (type(super_), type(sub))
    if kinds == (list, set):
        context.spend(len(super_) // 8)
        return _holds_all(super_, sub)
    if kinds[0] is not kinds[1] or kinds[0] not in {dict, set, list}:
        raise BuiltinError(
            "both arguments object.subset must be of the same type or array and set", code="eval_type_error"
        )
    return _subset(context, super_, sub)


def _holds_all(super_: list[Any], sub: set[Any]) -> bool:
    # As OPA counts: every occurrence of a wanted member, and one at least.
    unmatched = len(sub)
    for item in super_:
        unmatched -= key(item) in sub
        if unmatched == 0:
            return True
    return False


def _subset(context: Context, super_: Any, sub: Any) -> bool:
    if type(sub) is set:
        return bool(sub <= super_)
    if type(sub) is list:
        context.spend(max(len(super_) - len(sub), 0) * len(sub) // 8)
        return any(
            all(equal(super_[at + i], item) for i, item in enumerate(sub))
            for at in range(len(super_) - len(sub) + 1)
        )
    context.spend(1 + len(sub) // 8)
    for name, item in sub.items():
        found = super_.get(name, UNDEFINED)
        if found is UNDEFINED:
            return False
        if equal(found, item):
            continue
        if type(found) is not type(item) or type(item) not in {dict, set, list}:
            return False
        if not _subset(context, found, item):
            return False
    return True


# ---- sets ------------------------------------------------------------------------------------------------


@family.builtin("set_diff")
def set_diff(a: Any, b: Any) -> set[Any]:
    """``a - b`` of two sets (deprecated in OPA)."""
    return set_(a, 1) - set_(b, 2)


def _inner(value: Any) -> list[set[Any]]:
    found = [unkey(item) for item in set_(value, 1)]
    for item in found:
        if type(item) is not set:
            raise operand_fault(1, f"must be set of sets but got set containing {type_name(item)}")
    return found


@family.builtin("intersection")
def intersection(value: Any) -> set[Any]:
    """What all sets of a set have."""
    found = _inner(value)
    return set.intersection(*found) if found else set()


@family.builtin("union")
def set_union(value: Any) -> set[Any]:
    """What any set of a set has."""
    return set().union(*_inner(value))


# ---- graphs ----------------------------------------------------------------------------------------------


@family.builtin("walk", context=True)
def walk(context: Context, value: Any) -> list[Any]:
    """Every ``[path, value]`` within a value, itself first."""
    found: list[Any] = []
    pending: list[tuple[list[Any], Any]] = [([], value)]
    while pending:
        path, here = pending.pop()
        found.append([path, here])
        context.spend(1)
        context.allow_items(len(found))
        kind = type(here)
        if kind is list:
            pending += [([*path, i], here[i]) for i in reversed(range(len(here)))]
        elif kind is dict:
            names = ordered(unkey(name) for name in here)
            pending += [([*path, name], here[key(name)]) for name in reversed(names)]
        elif kind is set:
            pending += [([*path, item], item) for item in reversed(ordered(unkey(one) for one in here))]
    return found


def _vertices(value: Any) -> list[Any]:
    if type(value) is list:
        return value
    return ordered(unkey(item) for item in value) if type(value) is set else []


def _start(value: Any) -> list[Any]:
    if type(value) not in {list, set}:
        raise operand_error(2, value, "{array, set}")
    return _vertices(value)


@family.builtin("graph.reachable", context=True)
def reachable(context: Context, graph: Any, initial: Any) -> set[Any]:
    """Every vertex of the graph on a way from the first ones."""
    edges = object_(graph, 1)
    reached: set[Any] = set()
    queue = [key(vertex) for vertex in _start(initial)]
    while queue:
        vertex = queue.pop()
        if vertex in reached or vertex not in edges:
            continue
        reached.add(vertex)
        next_ones = _vertices(edges[vertex])
        context.spend(1 + len(next_ones))
        queue += [key(neighbour) for neighbour in next_ones]
    return reached


@family.builtin("graph.reachable_paths", context=True)
def reachable_paths(context: Context, graph: Any, initial: Any) -> set[Any]:
    """Every way from the first vertices to an end, as arrays."""
    edges = object_(graph, 1)
    found: set[Any] = set()
    pending: list[tuple[Any, list[Any], frozenset[Any]]] = []
    for vertex in _start(initial):
        if key(vertex) not in edges:
            continue
        next_ones = _vertices(edges[key(vertex)])
        if not next_ones:
            found.add(key([vertex]))
        pending += [(neighbour, [vertex], frozenset([key(vertex)])) for neighbour in next_ones]
    while pending:
        vertex, path, seen = pending.pop()
        context.spend(1 + len(path) // 8)
        if key(vertex) not in edges:
            found.add(key(path))
            continue
        path = [*path, vertex]
        next_ones = _vertices(edges[key(vertex)])
        seen = seen | {key(vertex)}
        if not next_ones or any(key(neighbour) in seen for neighbour in next_ones):
            found.add(key(path))
            context.allow_items(len(found))
        pending += [(neighbour, path, seen) for neighbour in next_ones if key(neighbour) not in seen]
    return found


# ---- types and casts -------------------------------------------------------------------------------------


def _is(name: str, test: Callable[[Any], bool]) -> None:
    def check(value: Any) -> bool:
        return test(value)

    check.__doc__ = f"Whether a value is of this type: {name.removeprefix('is_')}."
    family.builtin(name)(check)


_is("is_null", lambda value: value is None)
_is("is_boolean", lambda value: type(value) is bool)
_is("is_number", is_number)
_is("is_string", lambda value: type(value) is str)
_is("is_array", lambda value: type(value) is list)
_is("is_object", lambda value: type(value) is dict)
_is("is_set", lambda value: type(value) is set)


@family.builtin("type_name")
def type_name_(value: Any) -> str:
    """The name of a value's type."""
    return type_name(value)


def _cast(name: str, wanted: str) -> None:
    def cast(value: Any) -> Any:
        if type_name(value) == wanted:
            return value
        raise operand_error(1, value, wanted)

    cast.__doc__ = f"The value, which must be of type {wanted} (deprecated in OPA)."
    family.builtin(name)(cast)


for _name in ("string", "boolean", "null", "object"):
    _cast(f"cast_{_name}", _name)


@family.builtin("cast_array")
def cast_array(value: Any) -> list[Any]:
    """An array, or a set's members in order (deprecated in OPA)."""
    if type(value) is list:
        return value
    if type(value) is set:
        return ordered(unkey(item) for item in value)
    raise operand_error(1, value, "array", "set")


@family.builtin("cast_set")
def cast_set(value: Any) -> set[Any]:
    """A set, or an array's members as one (deprecated in OPA)."""
    if type(value) is set:
        return value
    if type(value) is list:
        return {key(item) for item in value}
    raise operand_error(1, value, "array", "set")


_NUMERIC = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@family.builtin("to_number")
def to_number(value: Any) -> int | Number:
    """Null and booleans as 0 and 1, and the number that a string holds."""
    if value is None or type(value) is bool:
        return int(bool(value))
    if is_number(value):
        return value  # type: ignore[no-any-return] # is_number has looked
    if type(value) is not str:
        raise operand_error(1, value, "null", "boolean", "number", "string")
    if value.lstrip("+-").lower() in {"inf", "infinity", "nan"}:
        raise operand_error(1, value, "valid number string")
    if not _NUMERIC.fullmatch(value):
        raise BuiltinError(f'strconv.ParseFloat: parsing "{value}": invalid syntax')
    try:
        return number(value)
    except BadInputError as error:
        raise BuiltinError(f'strconv.ParseFloat: parsing "{value}": value out of range') from error
