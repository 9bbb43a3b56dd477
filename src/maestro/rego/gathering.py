"""Collections that are filled right where they are made: one display, or a constant, instead of a line a member."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from maestro.rego import plan as ir
from maestro.rego import walk
from maestro.rego.inline import Term
from maestro.rego.state import Display, Fact, names_in

if TYPE_CHECKING:
    from maestro.rego.lowering import Lowering

__all__ = ["gather", "make", "materialise", "settle"]

_EMPTY: Final = {"list": "[]", "dict": "{}", "set": "set()"}


def make(low: Lowering, target: int, kind: str, statements: Sequence[ir.Statement]) -> None:
    """Begin a collection. If only the statements that follow here know of it, its members are gathered."""
    here = walk.mentions([ir.Block(tuple(statements))])
    alone = target not in low.shared and here[target] + 1 == low.mentioned[target]
    fills = sum(walk.mutated(one) == [target] for one in statements)
    below = sum(walk.mutated(one) == [target] for one in walk.statements([ir.Block(tuple(statements))]))
    if alone and fills == below:
        low.known.forget([low.variable(target)])
        display = Display(kind, (), constant=True, remaining=fills)
        low.known.facts[target] = Fact(defined=True, kind=kind, display=display)
    else:
        low.assign(target, _EMPTY[kind], kind)


def materialise(low: Lowering, local: int) -> None:
    """Write a gathered collection down, since somebody looks at it."""
    fact = low.known.facts[local]
    display = fact.display
    assert display is not None  # noqa: S101 - for the type checker: the caller looked
    if display.constant and not display.remaining:
        value = low.tables.collection(display.kind, display.parts, lambda: _built(low, display))
        low.store(local, Term(value, display.kind, constant=True), Fact(defined=True, kind=display.kind))
        return
    joined_parts = ", ".join(display.parts)
    brackets = {"list": "[{}]", "dict": "{{{}}}", "set": "{{{}}}"}[display.kind]
    text = brackets.format(joined_parts) if display.parts else _EMPTY[display.kind]
    low.assign(local, text, display.kind)


def _built(low: Lowering, display: Display) -> Any:
    """The value of a collection of constants."""
    if display.kind == "list":
        return [_value_of(low, part) for part in display.parts]
    if display.kind == "set":
        return {_value_of(low, part) for part in display.parts}
    pairs = [part.split(": ") for part in display.parts]
    return {_value_of(low, name): _value_of(low, value) for name, value in pairs}


def _value_of(low: Lowering, text: str) -> Any:
    if text in {"True", "False", "None"}:
        return {"True": True, "False": False, "None": None}[text]
    return low.tables.constants[int(text[1:])]


def gather(low: Lowering, local: int, part: str, *, constant: bool) -> bool:
    """Add to a gathered collection; False if it is not one."""
    fact = low.known.facts.get(local)
    if fact is None or fact.display is None:
        return False
    low.used |= names_in(part)
    display = attrs.evolve(
        fact.display,
        parts=(*fact.display.parts, part),
        constant=fact.display.constant and constant,
        remaining=fact.display.remaining - 1,
    )
    low.known.facts[local] = attrs.evolve(fact, display=display)
    return True


def settle(low: Lowering, blocks: Sequence[ir.Block]) -> None:
    """Write down gathered collections that nested blocks mention."""
    mentioned = walk.mentions(blocks)
    for local, fact in list(low.known.facts.items()):
        if fact.display is not None and local in mentioned:
            materialise(low, local)
