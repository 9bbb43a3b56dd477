"""What a comparison of two schemas finds, before a mode makes violations or advice of it."""

from __future__ import annotations

import attrs

from maestro.lake.contracts.verdict import Direction, Rule, Violation

__all__ = ["Finding"]


@attrs.frozen
class Finding:
    """One difference between what a reader expects and what a writer writes.

    Attributes:
        rule: which; not every rule breaks readers.
        path: where, as a pointer.
        message: one sentence that names the field.
        remedy: a way out that fits this case better than the rule's own.
    """

    rule: Rule
    path: str
    message: str
    remedy: str = ""

    def told(self, direction: Direction, version: int | None) -> Violation:
        """The finding as a verdict tells it."""
        remedy = self.remedy or self.rule.remedy
        return Violation(self.path or "/", self.rule.value, self.message, remedy, direction, version)
