"""All commands as one parser. Their modules are light: what a command needs is imported when it runs."""

from __future__ import annotations

import argparse

from maestro_sidecar.cli import (
    audit,
    conformance,
    contracts,
    demo,
    edge,
    gameday,
    lake,
    limits_explain,
    limits_replay,
    policy,
    serve,
)
from maestro_sidecar.cli.answers import tell
from maestro_sidecar.cli.parsing import HelpGivenError, Parser

__all__ = ["command_line"]

_DESCRIPTION = """\
Decide whether a run may start: run windows, closures and caps per tenant, as a library and as a
sidecar.

Exit codes: 0 yes or done; 3 the command worked and the answer is no; 2 bad usage or malformed input;
1 a failure of ours. With --json the only output is one JSON document.
"""


class _Version(argparse.Action):
    """Reads the version only when it is asked for: looking into installed metadata takes its time."""

    def __call__(self, *_: object, **__: object) -> None:
        from importlib.metadata import version

        tell(f"maestro {version('maestro-conductor')}")
        raise HelpGivenError


def command_line() -> Parser:
    """The parser of ``maestro``; ``parse_args(…).run`` is the chosen command."""
    parser = Parser(
        prog="maestro", description=_DESCRIPTION, example="  maestro demo   # see it work, under a minute"
    )
    parser.add_argument("--version", nargs=0, action=_Version, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo.add_to(commands)
    serve.add_to(commands)
    limits = commands.add_parser(
        "limits",
        help="explain one decision, or replay a log of them",
        description="Run limits: explain one decision, or judge a log of admissions again.",
        example="  maestro limits explain --limits limits.json --request request.json",
    )
    of_limits = limits.add_subparsers(title="commands", metavar="COMMAND", required=True)
    limits_explain.add_to(of_limits)
    limits_replay.add_to(of_limits)
    contracts.add_to(commands)
    policy.add_to(commands)
    audit.add_to(commands)
    edge.add_to(commands)
    lake.add_to(commands)
    gameday.add_to(commands)
    conformance.add_to(commands)
    return parser
