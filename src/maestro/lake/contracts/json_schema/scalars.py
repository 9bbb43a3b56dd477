"""Texts, numbers and enumerations."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from maestro.lake.contracts.json_schema.differences import Difference, Pairs
from maestro.lake.contracts.json_schema.document import Node, canonical
from maestro.lake.contracts.json_schema.rules import JsonSchemaRule as Is
from maestro.lake.contracts.json_schema.rules import bound_rule

__all__ = ["compare_bound", "compare_enums", "compare_numbers", "compare_strings"]

_TEXTS = (
    ("pattern", Is.PATTERN_ADDED, Is.PATTERN_CHANGED, Is.PATTERN_REMOVED),
    ("format", Is.FORMAT_ADDED, Is.FORMAT_CHANGED, Is.FORMAT_REMOVED),
    ("contentEncoding", Is.CONTENT_ADDED, Is.CONTENT_CHANGED, Is.CONTENT_REMOVED),
    ("contentMediaType", Is.CONTENT_ADDED, Is.CONTENT_CHANGED, Is.CONTENT_REMOVED),
)


def compare_bound(keyword: str, writer: Any, reader: Any) -> Iterator[Difference]:
    """A bound that came, went or moved."""
    if writer == reader:
        return
    if writer is None or reader is None:
        change = "added" if writer is None else "removed"
    else:
        change = "increased" if reader > writer else "decreased"
    detail = " → ".join("none" if each is None else str(each) for each in (writer, reader))
    yield Difference(bound_rule(keyword, change), (keyword,), detail)


def compare_strings(_: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    """Lengths, pattern, format and content."""
    for keyword in ("maxLength", "minLength"):
        yield from compare_bound(keyword, writer.get(keyword), reader.get(keyword))
    for keyword, added, changed, removed in _TEXTS:
        old, new = writer.get(keyword), reader.get(keyword)
        if old != new:
            rule = added if old is None else removed if new is None else changed
            yield Difference(rule, (keyword,), f"{old or 'none'} → {new or 'none'}")


def compare_numbers(_: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    """Limits, multiples, and integers among numbers."""
    for upper in (True, False):
        yield from _compare_limits(writer, reader, upper=upper)
    yield from _compare_multiples(writer.get("multipleOf"), reader.get("multipleOf"))
    integers = writer.get("type") == "integer", reader.get("type") == "integer"
    if integers[0] != integers[1]:
        detail = f"{writer} → {reader}"
        yield Difference(Is.TYPE_EXTENDED if integers[0] else Is.TYPE_NARROWED, (), detail)


def _compare_limits(writer: Node, reader: Node, *, upper: bool) -> Iterator[Difference]:
    """Inclusive and exclusive limits of one side; what the writer's other limit already ensures is no demand."""
    old, new = _limits(writer, upper=upper), _limits(reader, upper=upper)
    for keyword in old:
        for difference in compare_bound(keyword, old[keyword], new[keyword]):
            if not (difference.rule.breaks and _implied(old, keyword, new[keyword], upper=upper)):
                yield difference


def _limits(node: Node, *, upper: bool) -> dict[str, Any]:
    """The limits by keyword; draft 4's ``exclusiveMaximum: true`` makes its neighbour the exclusive one."""
    plain, exclusive = ("maximum", "exclusiveMaximum") if upper else ("minimum", "exclusiveMinimum")
    limit, strict = node.get(plain), node.get(exclusive)
    if isinstance(strict, bool):
        limit, strict = (None, limit) if strict else (limit, None)
    return {plain: limit, exclusive: strict}


def _implied(old: dict[str, Any], keyword: str, wanted: Any, *, upper: bool) -> bool:
    for other, limit in old.items():
        if other != keyword and limit is not None:
            beyond = limit < wanted if upper else limit > wanted
            return bool(beyond or (limit == wanted and keyword in {"maximum", "minimum"}))
    return False


def _compare_multiples(writer: Any, reader: Any) -> Iterator[Difference]:
    old, new = (None if each is None else Decimal(str(each)) for each in (writer, reader))
    if old == new:
        return
    if old is None or new is None:
        rule = Is.MULTIPLE_OF_ADDED if old is None else Is.MULTIPLE_OF_REMOVED
    elif _divides(new, old):
        rule = Is.MULTIPLE_OF_REDUCED
    else:
        rule = Is.MULTIPLE_OF_EXPANDED if _divides(old, new) else Is.MULTIPLE_OF_CHANGED
    yield Difference(rule, ("multipleOf",), f"{writer or 'none'} → {reader or 'none'}")


def _divides(divisor: Decimal, number: Decimal) -> bool:
    """Exactly, however many digits they have."""
    exponent = min(int(divisor.as_tuple().exponent), int(number.as_tuple().exponent))
    return _scaled(number, exponent) % _scaled(divisor, exponent) == 0


def _scaled(number: Decimal, exponent: int) -> int:
    sign, digits, own = number.as_tuple()
    whole = int("".join(map(str, digits)) + "0" * (int(own) - exponent))
    return -whole if sign else whole


def compare_enums(_: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    """Listed values; ``const`` is a list of one."""
    old, new = ({canonical(value) for value in node.raw["enum"]} for node in (writer, reader))
    if old == new:
        return
    if old <= new:
        rule = Is.ENUM_ARRAY_EXTENDED
    else:
        rule = Is.ENUM_ARRAY_NARROWED if new <= old else Is.ENUM_ARRAY_CHANGED
    gone, come = (", ".join(sorted(values)[:5]) for values in (old - new, new - old))
    detail = "; ".join(f"{what} {values}" for what, values in (("gone:", gone), ("new:", come)) if values)
    yield Difference(rule, ("enum",), detail)
