"""A drill that was run, as values: its steps, what was seen when, and the document that tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from maestro.ops.verdict import Verdict

__all__ = ["Mark", "Report", "Series", "Span", "Step", "Timeline", "document_of"]


@attrs.frozen
class Step:
    """One action or probe that was carried out.

    Attributes:
        phase: ``before``, ``method``, ``after`` or ``rollback``.
        name: as the experiment names it.
        kind: ``action`` or ``probe``.
        ok: whether it ended, and for a probe of the steady state, within its tolerance.
        seconds: how long it took.
        output: what it answered.
        error: one line when it raised, else empty.
    """

    phase: str
    name: str
    kind: str
    ok: bool
    seconds: float
    output: Any = None
    error: str = ""


@attrs.frozen
class Mark:
    """One thing that happened: ``admitted``, ``denied``, ``unavailable`` or ``violation``, in seconds from the start."""

    at: float
    kind: str


@attrs.frozen
class Span:
    """How long a fault lasted, in seconds from the start."""

    begins: float
    ends: float
    label: str


@attrs.frozen
class Series:
    """A count that went up and down, and the ceiling it was promised to keep.

    Attributes:
        label: what is counted.
        points: seconds from the start and the count from then on, in order.
        ceiling: the promise.
    """

    label: str
    points: Sequence[tuple[float, int]]
    ceiling: int


@attrs.frozen
class Timeline:
    """What a drill saw, for its pictures."""

    seconds: float
    marks: Sequence[Mark] = ()
    spans: Sequence[Span] = ()
    series: Sequence[Series] = ()


@attrs.frozen
class Report:
    """All that is told of one run of a drill.

    Attributes:
        name: of the drill.
        title: what it asks, in a sentence.
        description: what it does.
        started: when.
        settings: what it was run with.
        verdict: what came of it.
        timeline: what was seen.
        figures: counts and durations by name.
        faults: what was wrong, a line each.
        environment: versions and cores; nothing that names a machine.
    """

    name: str
    title: str
    description: str
    started: datetime
    settings: Mapping[str, Any]
    verdict: Verdict
    timeline: Timeline
    figures: Mapping[str, Any]
    faults: Sequence[str]
    environment: Mapping[str, str]


def document_of(report: Report, evidence: str) -> dict[str, Any]:
    """The document of ``maestro gameday run``; ``evidence`` is the folder as the caller named it."""
    verdict = report.verdict
    return {
        "name": report.name,
        "outcome": str(verdict.outcome),
        "steadyBefore": verdict.steady_before,
        "steadyAfter": verdict.steady_after,
        "steps": [_told(step) for step in verdict.steps],
        "reasons": list(verdict.reasons),
        "figures": dict(report.figures),
        "passed": verdict.passed,
        "evidence": evidence,
    }


def _told(step: Step) -> dict[str, Any]:
    told = {
        "phase": step.phase,
        "name": step.name,
        "type": step.kind,
        "ok": step.ok,
        "seconds": round(step.seconds, 3),
        "output": step.output,
    }
    return told | {"error": step.error} if step.error else told
