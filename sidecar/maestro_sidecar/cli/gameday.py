"""``maestro gameday``: drills on real parts, with evidence."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from maestro.ops.drills import Report

__all__ = ["add_to"]

_DESCRIPTION = """\
Drills: break something on purpose, and see whether what was promised still holds. Each is an experiment of
Chaos Toolkit on real parts of this machine: real sidecars, real stores, real processes.
"""
_EXAMPLE = "  maestro gameday list"
_RUN = """\
Run a drill: steady state, fault, steady state, rollback. It starts parts of its own in a temporary folder
and touches nothing else; load and faults stay on this machine and are bounded. The evidence (journal.json,
report.md, pictures) is written to a folder. Exit 0: the fault was injected and every promise kept; 3: not so.

two-sidecars, two-nodes, and store-loss with store=redis or store=postgres use the servers named by the
environment: MAESTRO_REDIS, such as redis://127.0.0.1:6379/0, and MAESTRO_POSTGRES, such as
postgresql://user@127.0.0.1/database. They work in an empty numbered database of Redis and in a database that
they create on PostgreSQL, and leave neither behind. clock-step needs libfaketime.
"""
_RUN_EXAMPLE = "  maestro gameday run run-window-burst --set requests=60 --set runs=20"


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    gameday = commands.add_parser(
        "gameday", help="drills with evidence", description=_DESCRIPTION, example=_EXAMPLE
    )
    of_gameday = gameday.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listed = of_gameday.add_parser(
        "list", help="which drills there are", description="Which drills there are.", example=_EXAMPLE
    )
    add_json(listed)
    listed.set_defaults(run=_list)
    run = of_gameday.add_parser("run", help="run a drill", description=_RUN, example=_RUN_EXAMPLE)
    run.add_argument("name", metavar="NAME", help="of the drill")
    run.add_argument(
        "--evidence", metavar="FOLDER", help="where the evidence is written (default: evidence/NAME)"
    )
    run.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="another value for one of the drill's settings; gameday list names them",
    )
    add_json(run)
    run.set_defaults(run=_run)


def _list(arguments: argparse.Namespace) -> int:
    from maestro_sidecar.gameday.catalog import NAMES, experiment_of

    drills = [{"name": name, **experiment_of(name)} for name in NAMES]
    if arguments.json:
        kept = ("name", "title", "description", "configuration")
        answers.tell_document({"drills": [{key: drill[key] for key in kept} for drill in drills]})
        return answers.DONE
    for drill in drills:
        settings = " ".join(f"{name}={_shown(value)}" for name, value in drill["configuration"].items())
        answers.tell(f"{drill['name']}\n  {drill['title']}\n  settings: {settings}")
    return answers.DONE


def _shown(value: object) -> object:
    """A setting, or where it comes from."""
    return f"${value['key']}" if isinstance(value, dict) else value


def _run(arguments: argparse.Namespace) -> int:
    from maestro_sidecar.cli.serve import require_server
    from maestro_sidecar.gameday.catalog import experiment_of, parse_settings
    from maestro_sidecar.gameday.evidence import open_folder

    with needs_extra("gameday", "maestro gameday run"):
        runner = importlib.import_module("maestro_sidecar.gameday.runner")
    require_server("maestro gameday run")
    experiment_of(arguments.name)
    given = parse_settings(arguments.set)
    evidence = arguments.evidence or f"evidence/{arguments.name}"
    report = runner.run_drill(arguments.name, open_folder(evidence), given=given, say=answers.note)
    if arguments.json:
        from maestro.ops.drills import document_of

        answers.tell_document(document_of(report, evidence))
    else:
        answers.tell("\n".join(_lines(report, evidence)))
    return answers.DONE if report.verdict.passed else answers.NO


def _lines(report: Report, evidence: str) -> Iterator[str]:
    yield f"{report.name}: {report.verdict.outcome} after {report.timeline.seconds:.1f} s"
    for reason in report.verdict.reasons:
        yield f"  {reason}"
    for fault in report.faults[:5]:
        yield f"  {fault}"
    width = max(map(len, report.figures), default=0)
    for name, value in report.figures.items():
        yield f"  {name:{width}}  {value}"
    yield f"evidence: {evidence}/report.md"
