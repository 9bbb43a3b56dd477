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

MOST_PAIRS = 20_000
"""Pairs of schemas compared at most, seconds of work: two documents of 140 schemas that all refer to one another."""


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
    """Compares pairs of nodes, each once, those below a pair before it; no recursion, however deep schemas refer.

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
        self._missing: list[tuple[Node, Node]] = []
        self._assumed = False

    def compare(self, writer: Node, reader: Node) -> Differences:
        """The differences of two roots."""
        while True:
            self._kept, self._assumed = {}, False
            self._settle(writer, reader)
            broken = {pair: each for pair, each in self._kept.items() if breaking(each)}
            if not self._assumed or broken.keys() == self._broken.keys():
                return self._kept[id(writer), id(reader)]
            self._broken = broken

    def of(self, writer: Node, reader: Node) -> Differences:
        """The differences of two nodes below; none for now if they are not compared yet, and then the judge is asked again."""
        # Nodes live as long as their documents, so their addresses name them.
        pair = (id(writer), id(reader))
        if pair in self._kept:
            return self._kept[pair]
        if pair not in self._under_way:
            self._missing.append((writer, reader))
            return ()
        if pair not in self._broken:
            self._assumed = True
        return self._broken.get(pair, ())

    def _settle(self, writer: Node, reader: Node) -> None:
        """Compare a pair and all that it asks for, depth first."""
        waiting = [(writer, reader)]
        while waiting:
            pair = (id(waiting[-1][0]), id(waiting[-1][1]))
            if pair not in self._kept:
                self._missing = []
                self._under_way.add(pair)
                found = tuple(self._judge(self, *waiting[-1]))
                if self._missing:
                    waiting.extend(self._missing)
                    continue
                self._keep(pair, found)
            waiting.pop()

    def _keep(self, pair: tuple[int, int], found: Differences) -> None:
        if len(self._kept) >= MOST_PAIRS:
            raise BadInputError(
                "The schemas refer to one another too often to be compared.",
                code="schema_too_complex",
                remedy="Split them into several contracts.",
            )
        self._under_way.discard(pair)
        self._kept[pair] = found
