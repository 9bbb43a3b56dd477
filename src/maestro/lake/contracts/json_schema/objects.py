"""Objects: properties under open, closed and partially open content models.

Open: any further property is allowed. Closed: none is. Partially open: those that ``patternProperties``, a schema of
``additionalProperties`` or of ``unevaluatedProperties`` allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from maestro.lake.contracts.json_schema.differences import Difference, Pairs, breaking
from maestro.lake.contracts.json_schema.document import Kind, Node
from maestro.lake.contracts.json_schema.rules import JsonSchemaRule as Is
from maestro.lake.contracts.json_schema.scalars import compare_bound
from maestro.lake.contracts.json_schema.unnamed import (
    Unnamed,
    compare_unevaluated,
    compare_unnamed,
    free,
    rest,
)

__all__ = ["compare_objects"]

_ADDITIONAL = Unnamed(
    "additionalProperties",
    Is.ADDITIONAL_PROPERTIES_ADDED,
    Is.ADDITIONAL_PROPERTIES_REMOVED,
    Is.ADDITIONAL_PROPERTIES_EXTENDED,
    Is.ADDITIONAL_PROPERTIES_NARROWED,
)
_UNEVALUATED = Unnamed(
    "unevaluatedProperties",
    Is.UNEVALUATED_PROPERTIES_ADDED,
    Is.UNEVALUATED_PROPERTIES_REMOVED,
    Is.UNEVALUATED_PROPERTIES_EXTENDED,
    Is.UNEVALUATED_PROPERTIES_NARROWED,
)


def compare_objects(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    """All that is said of objects."""
    yield from _compare_required(writer, reader)
    yield from _compare_properties(pairs, writer, reader)
    yield from _compare_patterns(pairs, writer, reader)
    yield from _compare_dependencies(pairs, writer, reader)
    yield from compare_unnamed(pairs, writer, reader, _ADDITIONAL)
    yield from compare_unevaluated(pairs, writer, reader, _UNEVALUATED)
    yield from _compare_names(pairs, writer, reader)
    for keyword in ("maxProperties", "minProperties"):
        yield from compare_bound(keyword, writer.get(keyword), reader.get(keyword))


def _properties(node: Node) -> Mapping[str, Any]:
    return node.get("properties") or {}


def _required(node: Node) -> list[str]:
    names = node.get("required")
    return names if isinstance(names, list) else []


def _has_default(node: Node, name: str) -> bool:
    schema = _properties(node).get(name)
    return isinstance(schema, dict) and "default" in schema


def _compare_required(writer: Node, reader: Node) -> Iterator[Difference]:
    """Properties that both name, or neither; those that the reader adds are judged with the content model.

    A required property that nobody names is beyond the field's rules, as long as others are named.
    """
    old, new = _properties(writer), _properties(reader)
    for name in _required(reader):
        if name in _required(writer) or (name in new and name not in old):
            continue
        if _has_default(reader, name):
            rule = Is.REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED
        elif new and name not in new:
            rule = Is.REQUIRED_ATTRIBUTE_UNNAMED
        else:
            rule = Is.REQUIRED_ATTRIBUTE_ADDED
        yield Difference(rule, ("required", name), name)
    for name in _required(writer):
        if name not in _required(reader):
            yield Difference(Is.REQUIRED_ATTRIBUTE_REMOVED, ("required", name), name)


def _compare_properties(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    old, new = _properties(writer), _properties(reader)
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            found = _removed(pairs, name, writer.below(old[name]), reader)
        elif name not in old:
            found = _added(pairs, name, writer, reader)
        else:
            found = iter(pairs.of(writer.below(old[name]), reader.below(new[name])))
        yield from (each.at("properties", name) for each in found)


def _removed(pairs: Pairs, name: str, old: Node, reader: Node) -> Iterator[Difference]:
    """What the reader's content model makes of a property that it no longer names."""
    if _is_open(reader):
        yield Difference(Is.PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL)
        return
    allowed = _allowed(reader, name)
    if allowed is not None:
        found = pairs.of(old, allowed)
        yield from found
        uncovered = breaking(found)
        yield Difference(
            Is.PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
            if uncovered
            else Is.PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        )
    elif old.kind is Kind.NOTHING:
        yield Difference(Is.PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL)
    else:
        yield Difference(Is.PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL)


def _added(pairs: Pairs, name: str, writer: Node, reader: Node) -> Iterator[Difference]:
    """What the writer's content model lets it have written under a name that the reader adds."""
    new = reader.below(_properties(reader)[name])
    must = name in _required(reader) and name not in _required(writer)
    default = _has_default(reader, name)
    if _is_open(writer):
        if new.kind is Kind.ANY and not must:
            yield Difference(Is.PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL)
        elif must:
            yield Difference(
                Is.REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL
                if default
                else Is.REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL
            )
        else:
            yield Difference(Is.OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL)
        return
    allowed = _allowed(writer, name)
    if allowed is not None:
        found = pairs.of(allowed, new)
        yield from found
        yield Difference(
            Is.PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
            if breaking(found)
            else Is.PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        )
    if not must:
        yield Difference(Is.OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL)
    else:
        yield Difference(
            Is.REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL
            if default
            else Is.REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL
        )


def _is_open(node: Node) -> bool:
    return not node.get("patternProperties") and free(node, "additionalProperties", "unevaluatedProperties")


def _allowed(node: Node, name: str) -> Node | None:
    """The schema that a property without a name of its own must meet; None when there may be none."""
    for pattern, schema in (node.get("patternProperties") or {}).items():
        if _matches(pattern, name):
            return node.below(schema)
    return rest(node, "additionalProperties", "unevaluatedProperties")


def _matches(pattern: str, name: str) -> bool:
    """Whether it does, by Python's syntax; a pattern of another syntax matches nothing that could be relied on."""
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False


def _compare_patterns(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    old, new = writer.get("patternProperties") or {}, reader.get("patternProperties") or {}
    for pattern in dict.fromkeys([*old, *new]):
        one = writer.below(old[pattern]) if pattern in old else rest(writer, "additionalProperties", "")
        other = reader.below(new[pattern]) if pattern in new else rest(reader, "additionalProperties", "")
        closed = writer.get("additionalProperties") is False
        if pattern not in new and other is None:
            broken = reader.get("additionalProperties") is False and (
                one is None or one.kind is not Kind.NOTHING
            )
            found: tuple[Difference, ...] = (Difference(Is.PATTERN_PROPERTY_REMOVED),) if broken else ()
        elif pattern not in old and one is None:
            free_of_all = closed or (other is not None and other.kind is Kind.ANY)
            found = () if free_of_all else (Difference(Is.PATTERN_PROPERTY_ADDED),)
        else:
            found = pairs.of(one, other) if one is not None and other is not None else ()
        yield from (each.at("patternProperties", pattern) for each in found)


def _compare_dependencies(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    for keyword in ("dependencies", "dependentRequired", "dependentSchemas"):
        old, new = writer.get(keyword) or {}, reader.get(keyword) or {}
        for name in dict.fromkeys([*old, *new]):
            before, after = old.get(name), new.get(name)
            arrays = (each if isinstance(each, list) else None for each in (before, after))
            schemas = (each if isinstance(each, dict | bool) else None for each in (before, after))
            for found in (_array_dependency(*arrays), _schema_dependency(pairs, writer, reader, *schemas)):
                yield from (each.at(keyword, name) for each in found)


def _array_dependency(old: list[str] | None, new: list[str] | None) -> Iterator[Difference]:
    if old is None and new is None:
        return
    if old is None or new is None:
        yield Difference(Is.DEPENDENCY_ARRAY_ADDED if old is None else Is.DEPENDENCY_ARRAY_REMOVED)
        return
    before, after = set(old), set(new)
    if before != after:
        narrowed, extended = Is.DEPENDENCY_ARRAY_NARROWED, Is.DEPENDENCY_ARRAY_EXTENDED
        rule = narrowed if after < before else extended if before < after else Is.DEPENDENCY_ARRAY_CHANGED
        yield Difference(rule, (), f"{', '.join(sorted(before))} → {', '.join(sorted(after))}")


def _schema_dependency(pairs: Pairs, writer: Node, reader: Node, old: Any, new: Any) -> Iterator[Difference]:
    if old is None and new is None:
        return
    if old is None or new is None:
        yield Difference(Is.DEPENDENCY_SCHEMA_ADDED if old is None else Is.DEPENDENCY_SCHEMA_REMOVED)
    else:
        yield from pairs.of(writer.below(old), reader.below(new))


def _compare_names(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    old, new = writer.get("propertyNames"), reader.get("propertyNames")
    if old is None and new is not None and reader.below(new).kind is not Kind.ANY:
        yield Difference(Is.PROPERTY_NAMES_ADDED, ("propertyNames",))
    elif new is None and old is not None:
        yield Difference(Is.PROPERTY_NAMES_REMOVED, ("propertyNames",))
    elif old is not None and new is not None:
        yield from (each.at("propertyNames") for each in pairs.of(writer.below(old), reader.below(new)))
