"""A drill's report as Markdown, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from maestro.kernel.instants import format_instant
from maestro.ops.drills import Report, Step
from maestro.ops.verdict import Outcome

__all__ = ["report_text"]

_SAYS = {
    Outcome.PASSED: "The fault was injected, and every promise was kept.",
    Outcome.DEVIATED: "The fault was injected, and a promise was broken.",
    Outcome.NOT_INJECTED: "Nothing proves that the fault was there, so this run proves nothing.",
    Outcome.FAILED: "The drill could not be carried out.",
    Outcome.INTERRUPTED: "The drill was stopped; its rollbacks were played.",
}
_LONGEST = 160
_MOST_FAULTS = 20


def report_text(report: Report, pictures: Sequence[str]) -> str:
    """The page; ``pictures`` are files beside it, each shown with its name as its words."""
    return "\n".join(_lines(report, pictures)) + "\n"


def _lines(report: Report, pictures: Sequence[str]) -> Iterator[str]:
    verdict = report.verdict
    yield f"# Drill {report.name}: {verdict.outcome}"
    yield ""
    yield f"{report.title} {report.description}"
    yield ""
    yield f"**{verdict.outcome.capitalize()}.** {_SAYS[verdict.outcome]}"
    yield ""
    for reason in verdict.reasons:
        yield f"- {reason}"
    if verdict.reasons:
        yield ""
    yield f"Run on {format_instant(report.started)}, {report.timeline.seconds:.1f} s."
    yield ""
    for picture in pictures:
        yield f"![{picture.removesuffix('.svg')} of {report.name}]({picture})"
        yield ""
    yield from _table("What was seen", ("figure", "value"), _rows(report.figures))
    yield from _table("Settings", ("setting", "value"), _rows(report.settings))
    yield from _table("Steps", ("phase", "step", "ok", "seconds", "answer"), map(_row, verdict.steps))
    yield from _faults(report.faults)
    yield from _table("Where it ran", ("part", "version"), _rows(report.environment))
    yield "The journal of Chaos Toolkit is in [journal.json](journal.json)."


def _table(title: str, head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(each) for each in row)} |"
    yield ""


def _rows(named: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, value in named.items():
        yield name, _shown(value)


def _row(step: Step) -> Sequence[str]:
    answer = step.error or ("" if step.output is None else _shown(step.output))
    return step.phase, step.name, "yes" if step.ok else "**no**", f"{step.seconds:.2f}", answer


def _faults(faults: Sequence[str]) -> Iterator[str]:
    if not faults:
        return
    yield f"## What was wrong ({len(faults)})"
    yield ""
    for fault in faults[:_MOST_FAULTS]:
        yield f"- {fault}"
    if len(faults) > _MOST_FAULTS:
        yield f"- and {len(faults) - _MOST_FAULTS} more"
    yield ""


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
