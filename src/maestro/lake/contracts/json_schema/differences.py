"""Differences between two nodes, found once a pair, recursion included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.findings import Finding
from maestro.lake.contracts.json_schema.document import Node
from maestro.lake.contracts.json_schema.keywords import escaped
from maestro.lake.contracts.verdict import Rule

__all__ = ["Difference", "Differences", "Pairs", "breaking"]

MOST_PAIRS = 100_000
"""Pairs of schemas compared at most: two documents of 300 mutually referring schemas each."""


@attrs.frozen
class Difference:
    """One finding, with its path relative to the pair it was found in.

    Attributes:
        rule: which.
        path: steps from the pair.
        detail: what the values were, for the message.
    """

    rule: Rule
    path: tuple[str, ...] = ()
    detail: str = ""

    def at(self, *steps: str) -> Difference:
        """The same, seen from above these steps."""
        return attrs.evolve(self, path=(*steps, *self.path)) if steps else self

    def finding(self) -> Finding:
        """The finding as verdicts tell it, its field named."""
        names = [self.path[at + 1] for at in range(len(self.path) - 1) if self.path[at] == "properties"]
        subject = f"Property {'.'.join(names)!r}" if names else "The schema"
        detail = f" ({self.detail})" if self.detail else ""
        path = "/".join(["#", *map(escaped, self.path)])
        return Finding(self.rule, path if self.path else "#/", f"{subject}: {self.rule.meaning}{detail}")


Differences = tuple[Difference, ...]


def breaking(differences: Iterable[Difference]) -> bool:
    """Whether one of them breaks readers."""
    return any(difference.rule.breaks for difference in differences)


class Pairs:
    """Compares pairs of nodes, each once.

    A pair met again within itself (a recursive schema) is taken to be compatible, and then all is compared anew with
    what was found incompatible kept, until nothing new is found: the greatest fixed point.

    Args:
        judge: compares one pair, and asks back for those below it.
    """

    def __init__(self, judge: Callable[[Pairs, Node, Node], Iterator[Difference]]) -> None:
        self._judge = judge
        self._kept: dict[tuple[int, int], Differences] = {}
        self._broken: dict[tuple[int, int], Differences] = {}
        self._under_way: set[tuple[int, int]] = set()
        self._assumed = False

    def compare(self, writer: Node, reader: Node) -> Differences:
        """The differences of two roots."""
        while True:
            self._kept, self._assumed = {}, False
            found = self.of(writer, reader)
            broken = {pair: each for pair, each in self._kept.items() if breaking(each)}
            if not self._assumed or broken.keys() == self._broken.keys():
                return found
            self._broken = broken

    def of(self, writer: Node, reader: Node) -> Differences:
        """The differences of two nodes below."""
        # Nodes live as long as their documents, so their addresses name them.
        pair = (id(writer), id(reader))
        if pair in self._kept:
            return self._kept[pair]
        if pair in self._under_way:
            if pair in self._broken:
                return self._broken[pair]
            self._assumed = True
            return ()
        if len(self._kept) >= MOST_PAIRS:
            raise BadInputError(
                "The schemas refer to one another too often to be compared.",
                code="schema_too_complex",
                remedy="Split them into several contracts.",
            )
        self._under_way.add(pair)
        try:
            found = self._kept[pair] = tuple(self._judge(self, writer, reader))
        finally:
            self._under_way.discard(pair)
        return found
