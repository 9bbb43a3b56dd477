"""What came of a drill, read from the journal that Chaos Toolkit writes.

The journal's ``status`` says ``completed`` of an experiment that deviated and of one whose fault was never injected, so
it decides nothing here: ``deviated`` does, and a proof of the fault is demanded beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import attrs

from maestro.ops.drills import Step

__all__ = ["Outcome", "Verdict", "judge"]


class Outcome(StrEnum):
    """How a drill ended."""

    PASSED = "passed"
    """The fault was there, and every promise was kept."""
    DEVIATED = "deviated"
    """The fault was there, and a promise was broken."""
    NOT_INJECTED = "not injected"
    """Nothing proves that the fault was there, so the rest proves nothing."""
    FAILED = "failed"
    """The drill itself could not be carried out: no steady state to begin with, or a step that raised."""
    INTERRUPTED = "interrupted"
    """Somebody stopped it; rollbacks were still played."""


@attrs.frozen
class Verdict:
    """The outcome, why, and what it was read from."""

    outcome: Outcome
    reasons: Sequence[str]
    steady_before: bool
    steady_after: bool
    steps: Sequence[Step]

    @property
    def passed(self) -> bool:
        """Whether all was as promised."""
        return self.outcome is Outcome.PASSED


def judge(journal: Mapping[str, Any]) -> Verdict:
    """The verdict on a journal.

    A probe of the method that answers an object with ``injected`` proves the fault, or fails to.
    """
    states = journal["steady_states"]
    before, after = _met(states.get("before")), _met(states.get("after"))
    steps = tuple(_steps(journal))
    interrupted = ["It was interrupted."] if journal["status"] == "interrupted" else []
    unready = [] if before else [_broken(steps, "before", "The steady state was not met before")]
    proofs = [step for step in steps if step.phase == "method" and _is_proof(step)]
    uninjected = [
        f"Not injected: {step.output.get('why') or step.name}."
        for step in proofs
        if not step.output["injected"]
    ]
    if before and not proofs:
        uninjected = ["Not injected: no probe proved the fault."]
    deviated = journal["deviated"] or (before and not after)
    broken = [_broken(steps, "after", "The steady state was not met after")] if deviated else []
    raised = [f"{step.name}: {step.error}" for step in steps if step.error]
    found = [
        (Outcome.INTERRUPTED, interrupted),
        (Outcome.FAILED, unready),
        (Outcome.NOT_INJECTED, uninjected),
        (Outcome.DEVIATED, broken),
        (Outcome.FAILED, raised),
    ]
    outcome = next((outcome for outcome, reasons in found if reasons), Outcome.PASSED)
    return Verdict(outcome, [reason for _, reasons in found for reason in reasons], before, after, steps)


def _met(state: Mapping[str, Any] | None) -> bool:
    return bool(state and state["steady_state_met"])


def _is_proof(step: Step) -> bool:
    return step.kind == "probe" and isinstance(step.output, Mapping) and "injected" in step.output


def _broken(steps: Sequence[Step], phase: str, words: str) -> str:
    """Which probe broke it; Chaos Toolkit asks no more after the first."""
    for step in steps:
        if step.phase == phase and not step.ok:
            return f"{words}: {step.name} ({step.error or step.output})."
    return f"{words}."


def _steps(journal: Mapping[str, Any]) -> Iterator[Step]:
    states = journal["steady_states"]
    yield from _runs("before", (states.get("before") or {}).get("probes", ()))
    yield from _runs("method", journal.get("run") or ())
    yield from _runs("after", (states.get("after") or {}).get("probes", ()))
    yield from _runs("rollback", journal.get("rollbacks") or ())


def _runs(phase: str, runs: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    for run in runs:
        activity = run["activity"]
        error = "" if run.get("status") == "succeeded" else _last_line(run.get("exception")) or "did not end"
        yield Step(
            phase=phase,
            name=activity["name"],
            kind=activity["type"],
            ok=not error and run.get("tolerance_met", True),
            seconds=run.get("duration", 0.0),
            output=run.get("output"),
            error=error,
        )


def _last_line(exception: Sequence[str] | None) -> str:
    """What was raised, without the traceback and the names of those who passed it on."""
    lines = "".join(exception or ()).strip().splitlines()
    return lines[-1].removeprefix("chaoslib.exceptions.ActivityFailed: ") if lines else ""
