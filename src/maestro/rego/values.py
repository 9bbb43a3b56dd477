"""Rego values in Python: JSON's own types, sets, a word for undefined, and what Python cannot tell apart.

=========  ==================================================================================================
Rego       Python
=========  ==================================================================================================
null       ``None``
boolean    ``True``, ``False``
number     ``int`` or `maestro.rego.numbers.Number`, never ``float``
string     ``str``
array      ``list``
object     ``dict``, its keys through `key`
set        ``set``, its elements through `key`
undefined  `UNDEFINED`, which is no value: it is never inside another
=========  ==================================================================================================

Values are shared and never changed once another holds them. Strings, numbers and null are their own keys. A boolean
(Python holds ``True == 1``) or composite key or element goes in as a `Key`; `unkey` takes it out again. So the
native ``==`` and ``in`` of sets and the look-up in objects are exact, and only arrays and objects, whose members
are bare, need `equal`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from maestro.rego.errors import EvaluationLimitError
from maestro.rego.numbers import Number, as_index

__all__ = [
    "FALSE_KEY",
    "TRUE_KEY",
    "UNDEFINED",
    "Key",
    "Undefined",
    "compare",
    "equal",
    "key",
    "lookup",
    "ordered",
    "sort_key",
    "stored",
    "type_name",
    "unkey",
]

NODES: Final = 1_000_000
"""Values that one comparison, hashing or rendering may visit: an array of itself, 40 times over, visits 2**40."""


class Undefined:
    """The type of `UNDEFINED`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined()
"""No value: a rule without a result, a missing key, a builtin that failed."""


class Key:
    """A boolean, array, object or set as a key of an object or element of a set.

    Attributes:
        value: the Rego value.
    """

    __slots__ = ("_frozen", "_hash", "value")

    def __init__(self, value: Any, frozen: Any) -> None:
        self.value = value
        self._frozen = frozen
        self._hash = hash(frozen)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not Key or self._hash != other._hash:
            return False
        if self._frozen is not other._frozen:
            if self._frozen != other._frozen:
                return False
            # Equals share their twin from now on, or sets of pairs of sets would take exponential time to compare.
            other._frozen = self._frozen
        return True

    def __repr__(self) -> str:
        return f"Key({self.value!r})"


TRUE_KEY: Final = Key(value=True, frozen=("boolean", True))
FALSE_KEY: Final = Key(value=False, frozen=("boolean", False))


_INDEX = re.compile(r"[+-]?[0-9]{1,18}(?:\.0*)?")


class _Budget:
    """Counts the values that a walk visits, since sharing lets few values hold very many."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = NODES

    def spend(self, nodes: int) -> None:
        self.left -= nodes
        if self.left < 0:
            raise EvaluationLimitError(
                f"A value has more than {NODES} parts.",
                code="size_limit",
                remedy="Compute with smaller values.",
            )


def key(value: Any) -> Any:
    """The value as a key of an object or an element of a set."""
    kind = type(value)
    if kind is str or kind is int or value is None or kind is Number:
        return value
    if kind is bool:
        return TRUE_KEY if value else FALSE_KEY
    if isinstance(value, Number):
        return value
    return Key(value, _freeze(value, _Budget()))


def unkey(found: Any) -> Any:
    """The value that `key` wrapped."""
    return found.value if type(found) is Key else found


def _freeze(value: Any, budget: _Budget) -> Any:
    """A hashable twin: equal twins exactly for equal values."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind is bool:
        return TRUE_KEY if value else FALSE_KEY
    if kind is list:
        budget.spend(len(value))
        return ("array", *[_freeze(item, budget) for item in value])
    if kind is dict:
        budget.spend(len(value))
        return ("object", frozenset([(name, _freeze(item, budget)) for name, item in value.items()]))
    if kind is set:
        budget.spend(len(value))
        return ("set", frozenset(value))
    return value


def equal(a: Any, b: Any) -> bool:
    """Whether two defined values are equal: ``1 == 1.0``, but ``true != 1``."""
    if a is b:
        return True
    kind = type(a)
    if kind is str or a is None:
        return bool(a == b)
    if kind is bool or type(b) is bool:
        return False  # the same boolean is the same object
    if kind is list or kind is dict:
        return kind is type(b) and _equal_parts(a, b, _Budget())
    return bool(a == b)


def _equal_parts(a: Any, b: Any, budget: _Budget) -> bool:
    if len(a) != len(b):
        return False
    budget.spend(len(a))
    if type(a) is list:
        return all(x is y or _equal_part(x, y, budget) for x, y in zip(a, b, strict=True))
    for name, x in a.items():
        y = b.get(name, UNDEFINED)
        if not (x is y or _equal_part(x, y, budget)):
            return False
    return True


def _equal_part(x: Any, y: Any, budget: _Budget) -> bool:
    kind = type(x)
    if kind is list or kind is dict:
        return kind is type(y) and _equal_parts(x, y, budget)
    if kind is bool or type(y) is bool:
        return False
    return bool(x == y)


def lookup(source: Any, name: Any) -> Any:
    """``source[name]``, or UNDEFINED: the plan's DotStmt on any two values."""
    kind = type(source)
    if kind is dict:
        return source.get(key(name), UNDEFINED)
    if kind is list:
        index = as_index(name) if type(name) is int or isinstance(name, Number) else None
        return source[index] if index is not None and 0 <= index < len(source) else UNDEFINED
    if kind is set:
        return name if key(name) in source else UNDEFINED
    return UNDEFINED


def stored(source: Any, name: Any) -> Any:
    """``source[name]`` in a base document: OPA's storage takes paths of text, so ``1`` and ``"1"`` are one step.

    What ``with`` puts in the place of one may be any value, and is looked up as such.
    """
    found = lookup(source, name)
    if found is not UNDEFINED:
        return found
    if type(name) is int:
        name = str(name)
    elif isinstance(name, Number):
        name = name.text
    if type(name) is not str:
        return UNDEFINED
    if type(source) is dict:
        return source.get(name, UNDEFINED)
    if type(source) is list and _INDEX.fullmatch(name):
        index = int(name.partition(".")[0])
        return source[index] if 0 <= index < len(source) else UNDEFINED
    return UNDEFINED


def sort_key(value: Any) -> tuple[Any, ...]:
    """A tuple that orders as OPA orders values: null, booleans, numbers, strings, arrays, objects, sets."""
    return _sort_key(value, _Budget())


def _sort_key(value: Any, budget: _Budget) -> tuple[Any, ...]:  # noqa: PLR0911 - one for each type of value
    kind = type(value)
    if kind is str:
        return (3, value)
    if kind is int:
        return (2, value)
    if value is None:
        return (0,)
    if kind is bool:
        return (1, value)
    if kind is list:
        budget.spend(len(value))
        return (5, tuple([_sort_key(item, budget) for item in value]))
    if kind is dict:
        budget.spend(len(value))
        pairs = sorted([(_sort_key(unkey(name), budget), name) for name in value], key=_first)
        return (6, tuple([part for rank, name in pairs for part in (rank, _sort_key(value[name], budget))]))
    if kind is set:
        budget.spend(len(value))
        return (7, tuple(sorted([_sort_key(unkey(item), budget) for item in value])))
    return (2, value)


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def ordered(values: Any) -> list[Any]:
    """Sort values (an array's, or a set's or object's keys after `unkey`) as OPA does; strings by code point."""
    found = list(values)
    kinds = {type(value) for value in found}
    if len(kinds) <= 1 and (not kinds or kinds <= {str, int}):
        found.sort()
        return found
    budget = _Budget()
    found.sort(key=lambda value: _sort_key(value, budget))
    return found


def compare(a: Any, b: Any) -> int:
    """-1, 0 or 1, in OPA's order of all values."""
    kind = type(a)
    if kind is type(b) and (kind is int or kind is str):
        return int(a > b) - int(a < b)
    x, y = sort_key(a), sort_key(b)
    return (x > y) - (x < y)


def type_name(value: Any) -> str:
    """The value's type as OPA names it: null, boolean, number, string, array, object or set."""
    return _NAMES.get(type(value), "number")


_NAMES: Final = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    str: "string",
    list: "array",
    dict: "object",
    set: "set",
}
