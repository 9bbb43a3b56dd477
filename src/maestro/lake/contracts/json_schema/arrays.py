"""Arrays: items one by one (tuples) under open, closed and partially open content models, and all alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maestro.lake.contracts.json_schema.differences import Difference, Pairs, breaking
from maestro.lake.contracts.json_schema.document import Kind, Node
from maestro.lake.contracts.json_schema.keywords import SIBLINGS, TUPLES
from maestro.lake.contracts.json_schema.rules import JsonSchemaRule as Is
from maestro.lake.contracts.json_schema.scalars import compare_bound
from maestro.lake.contracts.json_schema.unnamed import (
    Unnamed,
    compare_unevaluated,
    compare_unnamed,
    free,
    rest,
)

__all__ = ["compare_arrays"]

_ADDITIONAL = Unnamed(
    "additionalItems",
    Is.ADDITIONAL_ITEMS_ADDED,
    Is.ADDITIONAL_ITEMS_REMOVED,
    Is.ADDITIONAL_ITEMS_EXTENDED,
    Is.ADDITIONAL_ITEMS_NARROWED,
)
_UNEVALUATED = Unnamed(
    "unevaluatedItems",
    Is.UNEVALUATED_ITEMS_ADDED,
    Is.UNEVALUATED_ITEMS_REMOVED,
    Is.UNEVALUATED_ITEMS_EXTENDED,
    Is.UNEVALUATED_ITEMS_NARROWED,
)


def compare_arrays(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    """All that is said of arrays."""
    writer, reader = _spelled_alike(writer), _spelled_alike(reader)
    yield from _compare_all_items(pairs, writer, reader)
    yield from _compare_tuples(pairs, writer, reader)
    yield from compare_unnamed(pairs, writer, reader, _ADDITIONAL)
    yield from compare_unevaluated(pairs, writer, reader, _UNEVALUATED)
    for keyword in ("maxItems", "minItems"):
        yield from compare_bound(keyword, writer.get(keyword), reader.get(keyword))
    unique = writer.get("uniqueItems") is True, reader.get("uniqueItems") is True
    if unique[0] != unique[1]:
        yield Difference(Is.UNIQUE_ITEMS_REMOVED if unique[0] else Is.UNIQUE_ITEMS_ADDED, ("uniqueItems",))
    yield from _compare_contains(pairs, writer, reader)


def _spelled_alike(node: Node) -> Node:
    """The array in the words of draft 7: tuples in ``items``, their rest in ``additionalItems``.

    What 2020-12 calls ``items`` is the rest of a tuple, also of an empty one.
    """
    raw = node.raw
    if node.document.draft < TUPLES or isinstance(raw.get("items"), list):
        return node
    words = {
        key: value for key, value in raw.items() if key not in {"prefixItems", "items", "additionalItems"}
    }
    others, tuple_ = raw.get("items"), raw.get("prefixItems")
    if tuple_:
        words["items"] = tuple_
    if tuple_ or others is False:
        words |= {} if others is None else {"additionalItems": others}
    elif isinstance(others, dict):
        words["items"] = others
    return Node(node.kind, words, node.document, node.base, node.typed)


def _compare_all_items(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    old, new = (
        node.get("items") if isinstance(node.get("items"), dict | bool) else None for node in (writer, reader)
    )
    if old is None and new is None:
        return
    if old is None:
        if reader.below(new).kind is not Kind.ANY:
            yield Difference(Is.SCHEMA_ADDED, ("items",))
    elif new is None:
        yield Difference(Is.SCHEMA_REMOVED, ("items",))
    else:
        yield from (each.at("items") for each in pairs.of(writer.below(old), reader.below(new)))


def _tuple(node: Node) -> list[Any]:
    items = node.get("items")
    return items if isinstance(items, list) else []


def _compare_tuples(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    old, new = _tuple(writer), _tuple(reader)
    for at in range(max(len(old), len(new))):
        if at >= len(new):
            found = _removed(pairs, writer.below(old[at]), reader)
        elif at >= len(old):
            found = _added(pairs, writer, reader.below(new[at]))
        else:
            found = iter(pairs.of(writer.below(old[at]), reader.below(new[at])))
        yield from (each.at("items", str(at)) for each in found)


def _removed(pairs: Pairs, old: Node, reader: Node) -> Iterator[Difference]:
    if free(reader, "additionalItems", "unevaluatedItems"):
        yield Difference(Is.ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL)
        return
    allowed = rest(reader, "additionalItems", "unevaluatedItems")
    if allowed is not None:
        found = pairs.of(old, allowed)
        yield from found
        yield Difference(
            Is.ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
            if breaking(found)
            else Is.ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        )
    elif old.kind is Kind.NOTHING:
        yield Difference(Is.ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL)
    else:
        yield Difference(Is.ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL)


def _added(pairs: Pairs, writer: Node, new: Node) -> Iterator[Difference]:
    if free(writer, "additionalItems", "unevaluatedItems"):
        anything = new.kind is Kind.ANY
        yield Difference(
            Is.ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL
            if anything
            else Is.ITEM_ADDED_TO_OPEN_CONTENT_MODEL
        )
        return
    allowed = rest(writer, "additionalItems", "unevaluatedItems")
    if allowed is None:
        yield Difference(Is.ITEM_ADDED_TO_CLOSED_CONTENT_MODEL)
        return
    found = pairs.of(allowed, new)
    yield from found
    yield Difference(
        Is.ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        if breaking(found)
        else Is.ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
    )


def _compare_contains(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    old, new = writer.get("contains"), reader.get("contains")
    if old is None and new is None:
        return
    if old is None or new is None:
        yield Difference(Is.CONTAINS_ADDED if old is None else Is.CONTAINS_REMOVED, ("contains",))
        return
    found = pairs.of(writer.below(old), reader.below(new))
    limited = reader.get("maxContains") is not None
    back = pairs.of(reader.below(new), writer.below(old)) if limited else ()
    if breaking(found) or breaking(back):
        yield Difference(Is.CONTAINS_CHANGED, ("contains",))
    yield from (each.at("contains") for each in (*found, *back) if each.rule.advises)
    if reader.document.draft >= SIBLINGS:
        yield from compare_bound(
            "minContains", writer.get("minContains") or 1, reader.get("minContains") or 1
        )
        yield from compare_bound("maxContains", writer.get("maxContains"), reader.get("maxContains"))
