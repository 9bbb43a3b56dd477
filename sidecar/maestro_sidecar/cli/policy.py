"""``maestro policy``: evaluate, test, time and read OPA policies, in this process."""

from __future__ import annotations

import argparse

from maestro_sidecar.cli import policy_bench, policy_code, policy_eval, policy_test
from maestro_sidecar.cli.parsing import Parser

__all__ = ["add_to"]

_DESCRIPTION = """\
Evaluate, test and time OPA policies in this process, without a server. A bundle brings its compiled plan
(opa build -t plan); one that does not is planned by the opa on PATH.
"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "policy",
        help="evaluate, test and time OPA policies in process",
        description=_DESCRIPTION,
        example=policy_eval.EXAMPLE,
    )
    of_policy = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    policy_eval.add_to(of_policy)
    policy_test.add_to(of_policy)
    policy_bench.add_to(of_policy)
    policy_code.add_to(of_policy)
