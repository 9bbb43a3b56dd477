"""What is known of a plan's locals at one point of the code that is being made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Self

import attrs

__all__ = ["Display", "Fact", "State", "joined", "names_in"]

_NAME = re.compile(r"\b[a-z]\d+\b")


def names_in(text: str) -> set[str]:
    """The variables that an expression reads; constants are upper case, functions have no digits."""
    return set(_NAME.findall(text))


@attrs.frozen
class Display:
    """A collection that is still being filled, and nobody has looked at.

    Attributes:
        kind: list, dict or set.
        parts: texts of its members; of an object, of ``key: value``.
        constant: whether all members are constants.
        remaining: statements yet to come that add to it.
    """

    kind: str
    parts: tuple[str, ...]
    constant: bool
    remaining: int


@attrs.frozen
class Fact:
    """What is known of a local.

    Attributes:
        defined: True or False; a local without a fact may be either.
        kind: Python type of its value, if known: list, dict, set, str, int, bool, none.
        text: another expression for the value, as good as the local's own variable.
        display: the local is not in its variable yet, see `Display`.
        base: it is a place in the base documents, reached by look-ups alone.
    """

    defined: bool
    kind: str | None = None
    text: str | None = None
    display: Display | None = None
    base: bool = False


@attrs.define
class State:
    """Facts about locals, conditions that booleans stand for, and values computed already.

    Attributes:
        facts: by local.
        conditions: for a boolean local, the condition that holds when it is true, and its opposite.
        available: variable that holds the value of an expression (a look-up, a rule).
    """

    facts: dict[int, Fact] = attrs.field(factory=dict)
    conditions: dict[int, tuple[str, str]] = attrs.field(factory=dict)
    available: dict[tuple[str, ...], str] = attrs.field(factory=dict)

    def copy(self) -> Self:
        """A state to go on from on another path."""
        return type(self)(dict(self.facts), dict(self.conditions), dict(self.available))

    def forget(self, variables: Iterable[str]) -> None:
        """The variables get other values: whatever was expressed by them is no longer known so."""
        gone = set(variables)
        for local, fact in list(self.facts.items()):
            if fact.text is not None and gone & names_in(fact.text):
                self.facts[local] = attrs.evolve(fact, text=None)
        for local, (holds, _) in list(self.conditions.items()):
            if gone & names_in(holds):
                del self.conditions[local]
        for expression, variable in list(self.available.items()):
            if variable in gone or any(gone & names_in(part) for part in expression):
                del self.available[expression]


def joined(states: list[State]) -> State | None:
    """What holds on all of several ways to one point; None if no way leads there."""
    if not states:
        return None
    first, *others = states
    if not others:
        return first
    facts: dict[int, Fact] = {}
    for local, fact in first.facts.items():
        same = [state.facts.get(local) for state in others]
        if all(other == fact for other in same):
            facts[local] = fact
        elif fact.defined and all(other is not None and other.defined for other in same):
            kinds = {fact.kind, *[other.kind for other in same if other is not None]}
            facts[local] = Fact(defined=True, kind=fact.kind if len(kinds) == 1 else None)
    conditions = {
        local: condition
        for local, condition in first.conditions.items()
        if all(state.conditions.get(local) == condition for state in others)
    }
    available = {
        expression: variable
        for expression, variable in first.available.items()
        if all(state.available.get(expression) == variable for state in others)
    }
    return State(facts, conditions, available)
