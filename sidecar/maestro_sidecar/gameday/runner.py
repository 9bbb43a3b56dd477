"""Running a drill: Chaos Toolkit plays the experiment on the stage, and what it writes down is judged.

This is the only module that knows Chaos Toolkit, which the extra ``[gameday]`` brings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaoslib.configuration import load_configuration  # type: ignore[import-untyped]  # it ships no types
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment  # type: ignore[import-untyped]  # as above
from chaoslib.run import RunEventHandler  # type: ignore[import-untyped]  # as above

from maestro.ops.drills import Report
from maestro.ops.verdict import Outcome, judge
from maestro_sidecar.gameday import catalog, evidence
from maestro_sidecar.gameday.servers import KINDS
from maestro_sidecar.gameday.stage import Stage

__all__ = ["run_drill"]

_SETTINGS = {"runtime": {"rollbacks": {"strategy": "always"}}}
"""Roll back whatever happened: a drill that deviated, failed or was interrupted leaves nothing behind."""


def run_drill(
    name: str,
    folder: Path,
    *,
    given: Mapping[str, Any] | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> Report:
    """Run a drill and write its evidence.

    Args:
        name: of the drill.
        folder: for the evidence; it exists.
        given: settings other than those that the drill ships with.
        say: takes lines of progress.

    Raises:
        BadInputError: no such drill or setting, or something that it needs is missing; nothing was started.
        KeyboardInterrupt: Ctrl-C; the rollbacks were played and the evidence written.
    """
    experiment = catalog.experiment_of(name)
    # Into the experiment itself, so that the journal tells what was run.
    experiment["configuration"] |= catalog.configured(experiment, given or {})
    configuration = load_configuration(experiment["configuration"])
    module = catalog.module_of(name)
    module.needs(configuration)
    ensure_experiment_is_valid(experiment)
    with _quiet(), Stage() as stage:
        stage.parts = module.prepare(stage, configuration)
        journal = run_experiment(experiment, settings=_SETTINGS, event_handlers=[_Progress(say)])
        journal = evidence.scrubbed(journal, stage.secrets)
        report = Report(
            name=name,
            title=experiment["title"],
            description=experiment["description"],
            started=stage.started,
            settings={name: each for name, each in experiment["configuration"].items() if name not in KINDS},
            verdict=judge(journal),
            timeline=stage.timeline(),
            figures=stage.figures,
            faults=stage.faults,
            environment=evidence.environment() | getattr(stage.parts, "versions", {}),
        )
        evidence.write(folder, report, journal)
    if report.verdict.outcome is Outcome.INTERRUPTED:
        raise KeyboardInterrupt
    return report


@contextmanager
def _quiet() -> Iterator[None]:
    """Its log goes nowhere meanwhile: progress is told by ``say``, and all else stands in the journal."""
    logger = logging.getLogger("chaostoolkit")
    handler, propagates = logging.NullHandler(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


class _Progress(RunEventHandler):  # type: ignore[misc]  # it ships no types
    """Tells each step when it begins."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say

    def start_hypothesis_before(self, experiment: Any) -> None:  # noqa: ARG002  # as it calls it
        self._say("steady state before")

    def start_hypothesis_after(self, experiment: Any) -> None:  # noqa: ARG002  # as it calls it
        self._say("steady state after")

    def start_rollbacks(self, experiment: Any) -> None:  # noqa: ARG002  # as it calls it
        self._say("rollbacks")

    def start_activity(self, activity: Any) -> None:
        self._say(f"  {activity['name']}")
