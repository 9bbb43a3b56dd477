"""``maestro lake``: bring changes into a table, prove it, read it, look after it."""

from __future__ import annotations

import argparse

from maestro_sidecar.cli import lake_backfill, lake_follow, lake_merge, lake_sql, lake_status, lake_verify
from maestro_sidecar.cli.parsing import Parser

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the group and its commands."""
    group = commands.add_parser(
        "lake",
        help="merge change events into a table that analysts read",
        description="Change events become rows of a Delta table: the latest per key, exactly once.",
        example="  maestro lake merge changes/ executions --partition-by day\n"
        "  maestro lake verify changes/ executions",
    )
    below = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    lake_merge.add_to(below)
    lake_follow.add_to(below)
    lake_backfill.add_to(below)
    lake_verify.add_to(below)
    lake_sql.add_to(below)
    lake_status.add_to(below)
