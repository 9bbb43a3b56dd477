"""Whether a JSON Schema takes all instances of another, by the rules of the field's registry (ADR-1124).

The rules are syntactic: they compare keyword by keyword and decide for the safe side. What they leave open, that of
``contains``, ``patternProperties``, ``propertyNames``, ``format`` and conditions, is judged here in the same manner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from maestro.lake.contracts.findings import Finding
from maestro.lake.contracts.json_schema.arrays import compare_arrays
from maestro.lake.contracts.json_schema.combinations import compare_combined, compare_with_one
from maestro.lake.contracts.json_schema.differences import Difference, Pairs, breaking
from maestro.lake.contracts.json_schema.document import Document, Kind, Node, canonical
from maestro.lake.contracts.json_schema.objects import compare_objects
from maestro.lake.contracts.json_schema.rules import JsonSchemaRule as Is
from maestro.lake.contracts.json_schema.scalars import compare_enums, compare_numbers, compare_strings

__all__ = ["compare"]


def compare(reader: Document, writer: Document) -> Iterator[Finding]:
    """What a reader meets in instances of the writer.

    Raises:
        BadInputError: ``schema_too_complex``, the schemas refer to one another too often.
    """
    for difference in Pairs(_judge).compare(writer.root, reader.root):
        yield difference.finding()


def _judge(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    simple = compare_with_one(pairs, writer, reader)
    if simple is not None:
        yield from simple
    elif writer.kind is not reader.kind:
        yield from _other_kind(writer, reader)
    else:
        if reader.typed and not writer.typed:
            yield Difference(Is.TYPE_ASSERTED, (), str(reader))
        if writer.kind in _JUDGES:
            yield from _JUDGES[writer.kind](pairs, writer, reader)


def _other_kind(writer: Node, reader: Node) -> Iterator[Difference]:
    if writer.kind is Kind.NOTHING or reader.kind is Kind.ANY:
        return
    if writer.get("connect.type") == reader.get("connect.type") == "bytes":
        return  # two writings of one decimal, in the field's converters
    yield Difference(Is.TYPE_CHANGED, (), f"{writer} → {reader}")


def _compare_negated(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    """The other way round: who excludes more takes less."""
    below = pairs.of(reader.below(reader.raw["not"]), writer.below(writer.raw["not"]))
    yield Difference(Is.NOT_TYPE_EXTENDED if breaking(below) else Is.NOT_TYPE_NARROWED, ("not",))
    yield from (each.at("not") for each in below if each.rule.advises)


def _compare_conditions(pairs: Pairs, writer: Node, reader: Node) -> Iterator[Difference]:
    if canonical(writer.raw["if"]) != canonical(reader.raw["if"]):
        yield Difference(Is.CONDITION_CHANGED, ("if",))
    for branch in ("then", "else"):
        # A branch that is not there demands nothing.
        below = pairs.of(
            writer.below(writer.raw.get(branch, True)), reader.below(reader.raw.get(branch, True))
        )
        yield from (each.at(branch) for each in below)


_JUDGES: dict[Kind, Callable[[Pairs, Node, Node], Iterator[Difference]]] = {
    Kind.STRING: compare_strings,
    Kind.NUMBER: compare_numbers,
    Kind.ENUM: compare_enums,
    Kind.OBJECT: compare_objects,
    Kind.ARRAY: compare_arrays,
    Kind.COMBINED: compare_combined,
    Kind.NOT: _compare_negated,
    Kind.CONDITIONAL: _compare_conditions,
}
