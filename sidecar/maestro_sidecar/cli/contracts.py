"""``maestro contracts``: judge a schema before it lands, register it, read who changed what."""

from __future__ import annotations

import argparse

from maestro_sidecar.cli import contracts_check, contracts_log, contracts_register
from maestro_sidecar.cli.parsing import Parser

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the group and its commands."""
    group = commands.add_parser(
        "contracts",
        help="judge whether a schema may change so, and register it",
        description="Contracts: Avro, JSON Schema and Arrow or Parquet schemas, and what may follow what.",
        example="  maestro contracts check orders.avsc --against origin/main",
    )
    below = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    contracts_check.add_to(below)
    contracts_register.add_to(below)
    contracts_log.add_to(below)
