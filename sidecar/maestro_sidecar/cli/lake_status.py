"""``maestro lake status``: a table's health, and a round of upkeep."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from maestro_sidecar.cli import answers
from maestro_sidecar.cli.lake_tables import add_storage, delta_extra, open_table
from maestro_sidecar.cli.parsing import Parser, add_json

__all__ = ["add_to"]

_DESCRIPTION = """\
Show a table's health: rows, files and bytes, what waits in the side log, what is in quarantine, how far each
source has been applied. With --upkeep first do what pays now: fold, compact, checkpoint, vacuum.
"""
_EXAMPLE = "  maestro lake status executions --upkeep"


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "status", help="show a table's health", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("table", metavar="TABLE", help="path or URI of the table")
    parser.add_argument("--upkeep", action="store_true", help="fold and look after the files first")
    add_storage(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with delta_extra("maestro lake status"):
        import deltalake  # noqa: F401  # only to see whether it is installed
    import msgspec

    from maestro_adapters.clock import SystemClock

    table, clock = open_table(arguments), SystemClock()
    try:
        document: dict[str, Any] = {}
        if arguments.upkeep:
            folded = table.fold(now=clock.now())
            done = table.upkeep(now=clock.now())
            document["upkeep"] = {"folded": folded.rows, **msgspec.to_builtins(done)}
        document |= msgspec.to_builtins(table.status())
        reasons = table.quarantined()["reason"].value_counts().to_pylist()
        document["quarantineReasons"] = {one["values"]: one["counts"] for one in reasons}
    finally:
        table.close()
    if arguments.json:
        answers.tell_document(document)
    else:
        answers.tell("\n".join(_lines(document)))
    return answers.DONE


def _lines(document: dict[str, Any]) -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from (f"{name + '.' + inner:<18} {told}" for inner, told in value.items())
        else:
            yield f"{name:<18} {value:,}" if isinstance(value, int) else f"{name:<18} {value}"
