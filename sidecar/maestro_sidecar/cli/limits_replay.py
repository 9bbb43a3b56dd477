"""``maestro limits replay``: judge every admission of an event log again, and name those that should not have been."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError, PortError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.inputs import unreadable
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from maestro.limits.replay import Replay

__all__ = ["add_to", "report"]

_DESCRIPTION = """\
Judge every admission of an event log again, from the documents and leases that the log tells, and
name each run that was admitted and should not have been. LOG is the SQLite store, or a file with one
CloudEvents JSON object a line; it is only read. Exit 0: no violation; 3: at least one.
"""
_EXAMPLE = """\
  maestro demo --runs 20 --store demo.db
  maestro limits replay demo.db"""
_NOTE_EVERY = 50_000
"""Events between two lines of progress: a second or two of work."""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        help="find runs in a log that should not have been admitted",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    parser.add_argument("log", metavar="LOG", help="the SQLite store, or CloudEvents as JSON lines")
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from maestro.limits.replay import Replay
    from maestro_sidecar.event_logs import events_in, is_sqlite

    log = Path(arguments.log)
    try:
        is_sqlite(log)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise unreadable(arguments.log, "LOG", error) from error
    replay, read = Replay(), 0
    try:
        for event in events_in(log):
            replay.feed(event)
            read += 1
            if read % _NOTE_EVERY == 0:
                answers.note(f"{read} events, {replay.admitted} admissions, {replay.violated} violations")
    except OSError as error:
        raise unreadable(arguments.log, "LOG", error) from error
    except PortError as error:
        if error.retry_after is not None:
            raise
        raise BadInputError(error.message, field="LOG", value=str(log), remedy=error.remedy) from error
    if arguments.json:
        answers.tell_document(report(replay, read))
    else:
        answers.tell("\n".join(_lines(replay, read)))
    return answers.NO if replay.violated else answers.DONE


def report(replay: Replay, events: int) -> dict[str, Any]:
    """The document of ``--json``; at most the first thousand violations are listed, ``violated`` counts all."""
    return {
        "events": events,
        "admitted": replay.admitted,
        "violated": replay.violated,
        "ratio": replay.ratio,
        "shadowDenied": replay.shadow_denied,
        "violations": replay.violations,
    }


def _lines(replay: Replay, events: int) -> Iterator[str]:
    yield f"events         {events}"
    yield f"admitted       {replay.admitted}"
    yield f"shadow denied  {replay.shadow_denied}"
    yield f"violations     {replay.violated}"
    yield f"ratio          {replay.ratio:.6f}"
    if not replay.admitted:
        yield "No run was admitted in this log, so there was nothing to judge."
    for violation in replay.violations:
        who = f"{violation.tenant}/{violation.run} ({violation.package}, token {violation.token})"
        yield f"  {violation.at.isoformat()}  {who}: {', '.join(violation.reasons)}. {violation.explanation}"
    if replay.violated > len(replay.violations):
        yield f"  and {replay.violated - len(replay.violations)} more"
