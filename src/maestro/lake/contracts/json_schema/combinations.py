"""``allOf``, ``anyOf``, ``oneOf``, lists of types, and what a schema asserts beside its type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maestro.lake.contracts.json_schema.differences import Difference, Differences, Pairs, breaking
from maestro.lake.contracts.json_schema.document import Kind, Node
from maestro.lake.contracts.json_schema.rules import JsonSchemaRule as Is

__all__ = ["compare_combined", "compare_with_one"]


def compare_with_one(pairs: Pairs, writer: Node, reader: Node) -> Differences | None:
    """A combination beside a plain schema, where one part decides; None where none does.

    A reader's ``anyOf`` or ``oneOf`` takes what one of its parts takes; a writer's ``allOf`` keeps to each of its parts.
    """
    combined = writer.kind is Kind.COMBINED, reader.kind is Kind.COMBINED
    if combined == (False, True):
        parts = reader.members()
        if len(parts) == 1 or reader.criterion != "allOf":
            for part in parts:
                found = pairs.of(writer, part)
                if not breaking(found):
                    return found if len(parts) == 1 else (*found, Difference(Is.SUM_TYPE_EXTENDED))
    elif combined == (True, False):
        parts = writer.members()
        if len(parts) == 1 or writer.criterion == "allOf":
            for part in parts:
                found = pairs.of(part, reader)
                if not breaking(found):
                    return found if len(parts) == 1 else (*found, Difference(Is.PRODUCT_TYPE_NARROWED))
    return None


def compare_combined(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    """Two combinations: how they combine, how many parts, and whether the parts can be paired."""
    old, new = writer.members(), reader.members()
    if writer.criterion != reader.criterion:
        extended = _looser(writer.criterion, reader.criterion, len(old), len(new))
        rule = Is.COMBINED_TYPE_EXTENDED if extended else Is.COMBINED_TYPE_CHANGED
        yield Difference(rule, (), f"{writer.criterion} → {reader.criterion}")
        if not extended:
            return
    yield from _compare_counts(writer, reader, len(old), len(new))
    found = [[pairs.of(one, other) for other in new] for one in old]
    matched = _matching([[not breaking(each) for each in row] for row in found])
    steps = [(() if writer.implied else (writer.criterion, str(at))) for at in range(len(old))]
    for at, other in sorted(matched.items()):
        yield from (each.at(*steps[at]) for each in found[at][other])
    if len(matched) < min(len(old), len(new)):
        yield from _unmatched(old, new, found, matched, steps, written=not writer.implied)


def _looser(writer: str, reader: str, parts: int, others: int) -> bool:
    if reader == "anyOf" or parts == others == 1:
        return True
    return (parts == 1 and reader == "oneOf") or (others == 1 and writer == "allOf")


def _compare_counts(writer: Node, reader: Node, parts: int, others: int) -> Iterator[Difference]:
    if parts < others:
        demands = reader.criterion == "allOf"
        detail = f"{writer} → {reader}" if reader.implied else f"{parts} → {others}"
        yield Difference(Is.PRODUCT_TYPE_EXTENDED if demands else Is.SUM_TYPE_EXTENDED, (), detail)
    elif parts > others:
        demands = writer.criterion == "allOf"
        detail = f"{writer} → {reader}" if writer.implied else f"{parts} → {others}"
        yield Difference(Is.PRODUCT_TYPE_NARROWED if demands else Is.SUM_TYPE_NARROWED, (), detail)


def _unmatched(
    old: Sequence[Node],
    new: Sequence[Node],
    found: Sequence[Sequence[Differences]],
    matched: dict[int, int],
    steps: Sequence[tuple[str, ...]],
    *,
    written: bool,
) -> Iterator[Difference]:
    """Why parts found no partner: what stands between them and the nearest, the one of their kind and place."""
    taken = set(matched.values())
    told = False
    for at, part in enumerate(old):
        near = [
            other
            for other, candidate in enumerate(new)
            if other not in taken and candidate.kind is part.kind and breaking(found[at][other])
        ]
        if at not in matched and near:
            told = True
            closest = min(near, key=lambda other: (abs(other - at), other))
            yield from (each.at(*steps[at]) for each in found[at][closest])
    if written:
        alone = ", ".join(str(at) for at in range(len(old)) if at not in matched)
        yield Difference(Is.COMBINED_TYPE_SUBSCHEMAS_CHANGED, (), f"parts without a partner: {alone}")
    elif not told:
        gone = " and ".join(str(part) for at, part in enumerate(old) if at not in matched)
        come = " and ".join(str(part) for at, part in enumerate(new) if at not in taken)
        yield Difference(Is.TYPE_CHANGED, (), f"{gone} → {come}")


def _matching(fits: Sequence[Sequence[bool]]) -> dict[int, int]:
    """A greatest pairing of rows with columns that fit (augmenting paths)."""
    holder: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in tried:
                tried.add(column)
                if column not in holder or place(holder[column], tried):
                    holder[column] = row
                    return True
        return False

    for row in range(len(fits)):
        place(row, set())
    return {row: column for column, row in holder.items()}
