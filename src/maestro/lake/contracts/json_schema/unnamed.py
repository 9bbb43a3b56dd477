"""What is allowed beside named properties and items: ``additional…`` and ``unevaluated…``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from maestro.lake.contracts.json_schema.differences import Difference, Pairs
from maestro.lake.contracts.json_schema.document import Kind, Node
from maestro.lake.contracts.verdict import Rule

__all__ = ["Unnamed", "compare_unevaluated", "compare_unnamed", "free", "rest"]


class Unnamed(NamedTuple):
    """A keyword, and the rules of its changes."""

    keyword: str
    added: Rule
    removed: Rule
    extended: Rule
    narrowed: Rule


def free(node: Node, additional: str, unevaluated: str) -> bool:
    """Whether anything may stand there: the content model is open."""
    return _rules_nothing(node, additional) and _rules_nothing(node, unevaluated)


def rest(node: Node, additional: str, unevaluated: str) -> Node | None:
    """The schema that what stands there must meet; None when anything or nothing may."""
    for keyword in (additional, unevaluated):
        schema = node.get(keyword)
        if isinstance(schema, dict):
            return node.below(schema)
        if schema is not None:
            return None  # true or false: nothing is left for the next keyword
    return None


def _rules_nothing(node: Node, keyword: str) -> bool:
    return node.get(keyword) in (None, True)


def compare_unnamed(pairs: Pairs, writer: Node, reader: Node, rules: Unnamed) -> Iterator[Difference]:
    """``additionalProperties`` or ``additionalItems``; one that is not there is true."""
    keyword = rules.keyword
    old, new = _or_true(writer.get(keyword)), _or_true(reader.get(keyword))
    if (old is False) != (new is False):
        yield Difference(rules.added if old is False else rules.removed, (keyword,))
    elif old is True and new is not True:
        yield Difference(rules.narrowed, (keyword,))
    elif new is True and old is not True:
        yield Difference(rules.extended, (keyword,))
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from (each.at(keyword) for each in pairs.of(writer.below(old), reader.below(new)))


def compare_unevaluated(pairs: Pairs, writer: Node, reader: Node, rules: Unnamed) -> Iterator[Difference]:
    """``unevaluatedProperties`` or ``unevaluatedItems``; one that is not there leaves all to others."""
    keyword = rules.keyword
    old, new = writer.get(keyword), reader.get(keyword)
    if old is None and new is None:
        return
    before = Kind.ANY if old is None else writer.below(old).kind
    after = Kind.ANY if new is None else reader.below(new).kind
    if Kind.NOTHING in {before, after}:
        if before is not after:
            yield Difference(rules.added if before is Kind.NOTHING else rules.removed, (keyword,))
    elif Kind.ANY in {before, after}:
        if before is not after:
            yield Difference(rules.narrowed if before is Kind.ANY else rules.extended, (keyword,))
    else:
        yield from (each.at(keyword) for each in pairs.of(writer.below(old), reader.below(new)))


def _or_true(value: Any) -> Any:
    return True if value is None or value == {} else value
