"""What a check answers: compatible or not, and every finding with its path, its rule and a way out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal, Self

import attrs

__all__ = ["Direction", "Mode", "Rule", "Verdict", "Violation"]

Direction = Literal["backward", "forward"]
"""``backward``: the new schema reads old data; ``forward``: the old schema reads new data."""


class Rule(StrEnum):
    """Base of the rule tables: a stable code with its documentation.

    ``docs/reference/contract-rules.md`` is made from the tables that derive from it.
    """

    meaning: str
    remedy: str
    breaks: bool
    advises: bool

    def __new__(cls, code: str, meaning: str, remedy: str = "", kind: str = "") -> Self:
        """A member whose value is the code; a rule breaks readers if it has a remedy and is not mere advice."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        member.advises = kind == "advice"
        member.breaks = bool(remedy) and not member.advises
        return member


class Mode(StrEnum):
    """Which readers must understand which data when a subject changes (the field's compatibility levels)."""

    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"
    NONE = "NONE"

    @property
    def transitive(self) -> bool:
        """Whether all earlier versions count, or the newest alone."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that this mode holds to; ``NONE`` holds to none."""
        if self is Mode.NONE:
            return ()
        if self.value.startswith("FULL"):
            return ("backward", "forward")
        return ("backward",) if self.value.startswith("BACKWARD") else ("forward",)


@attrs.frozen
class Violation:
    """One finding.

    Attributes:
        path: where, as a pointer into the schema that shows it: ``#/properties/age``, ``/fields/email/type``.
        rule: the code of the broken rule, documented in ``docs/reference/contract-rules.md``.
        message: what is the matter, in one sentence that names the field.
        remedy: a way to make the change compatible.
        direction: which reader fails, the new one on old data or the old one on new data.
        version: the earlier version it was found against, counted from 1; None when there was but one.
    """

    path: str
    rule: str
    message: str
    remedy: str
    direction: Direction = "backward"
    version: int | None = None

    def document(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        found = attrs.asdict(self)
        if self.version is None:
            del found["version"]
        return found


@attrs.frozen
class Verdict:
    """Whether a new schema may follow the old ones.

    Attributes:
        compatible: True when nothing is violated; always under ``NONE``.
        violations: what breaks readers.
        advice: what breaks nobody under this mode, and is still worth a look.
        mode: the mode it was judged by.
    """

    compatible: bool
    violations: tuple[Violation, ...] = ()
    advice: tuple[Violation, ...] = ()
    mode: Mode = Mode.BACKWARD

    @classmethod
    def of(cls, mode: Mode, violations: Iterable[Violation], advice: Iterable[Violation]) -> Self:
        """The verdict of these findings; each is told once."""
        told = tuple(dict.fromkeys(violations))
        return cls(not told, told, tuple(dict.fromkeys(advice)), mode)

    def document(self) -> dict[str, Any]:
        """The verdict as ``contracts check --json`` prints it."""
        return {
            "compatible": self.compatible,
            "mode": self.mode.value,
            "violations": [violation.document() for violation in self.violations],
            "advice": [finding.document() for finding in self.advice],
        }
