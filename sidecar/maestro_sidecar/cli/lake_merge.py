"""``maestro lake merge``: files of change events into a table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from maestro_sidecar.cli import answers
from maestro_sidecar.cli.lake_tables import (
    add_engine,
    add_source,
    add_storage,
    contract_columns,
    delta_extra,
    open_engine,
    open_source,
    spec_of,
)
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from maestro.ports.lake import LakeTable, Merged
    from maestro_adapters.change_files import ChangeFiles

__all__ = ["add_to"]

_DESCRIPTION = """\
Merge change events into a table: the latest change of each key stands, deletes leave a tombstone until the
lateness bound is over, and reading the same file twice changes nothing. The first batch makes the table.

Events that cannot be applied are kept in quarantine with their reason, and the rest goes on. What is wrong with a
whole file (damaged, other columns) stops the command with exit 2; files before it are merged, its place is kept.
"""
_EXAMPLE = "  maestro lake merge changes/ executions --key executionId --partition-by day"
_EVENTS, _BYTES = 500_000, 512 * 1024 * 1024
"""Of one batch: enough that each partition is rewritten once, not so much that memory runs out."""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "merge", help="merge files of change events into a table", description=_DESCRIPTION, example=_EXAMPLE
    )
    add_source(parser)
    parser.add_argument("table", metavar="TABLE", help="path or URI of the table")
    parser.add_argument(
        "--partition-by", metavar="COLUMN", help="column that files are laid out by; fixed at insert"
    )
    add_engine(parser)
    parser.add_argument(
        "--no-fold", action="store_true", help="leave late keys in the side log, where readers see them too"
    )
    add_storage(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from maestro_adapters.clock import SystemClock

    clock = SystemClock()
    with delta_extra("maestro lake merge"):
        import deltalake  # noqa: F401  # only to see whether it is installed
        import pyarrow as pa  # noqa: F401
    began = clock.nanoseconds()
    columns = contract_columns(arguments)
    spec = spec_of(arguments)
    table = open_engine(arguments, spec, columns)
    try:
        source = open_source(arguments, spec, columns if columns is not None else table.schema())
        done = _merge(source, table, fold=not arguments.no_fold)
    finally:
        table.close()
    document = report(done, (clock.nanoseconds() - began) / 1e9)
    if arguments.json:
        answers.tell_document(document)
    else:
        answers.tell("\n".join(_lines(document)))
    return answers.DONE


class _Totals:
    """What became of all batches."""

    def __init__(self) -> None:
        self.batches = self.logged = self.folded = 0
        self.results: list[Merged] = []
        self.poison = 0

    def total(self, name: str) -> int:
        """The sum of one count."""
        return sum(getattr(one, name) for one in self.results)


def _merge(source: ChangeFiles, table: LakeTable, *, fold: bool) -> _Totals:
    from maestro_adapters.clock import SystemClock

    clock, done = SystemClock(), _Totals()

    def recall(lanes: Any) -> dict[str, int]:
        return {lane: at for lane in lanes if (at := table.position(lane)) is not None}

    source.start(recall)
    while (polled := source.poll(_EVENTS, _BYTES, 0)).positions:
        if polled.poison:
            table.quarantine(polled.poison, now=clock.now())
            done.poison += len(polled.poison)
        batch = polled.batch if polled.batch is not None else _nothing(table)
        if batch is None:
            continue
        merged = table.merge(batch, polled.positions, now=clock.now())
        source.acknowledge(polled.positions)
        done.batches += merged.applied
        done.logged += merged.logged
        done.results.append(merged)
        answers.note(f"{len(batch)} events merged, version {merged.version}")
    if fold:
        folded = table.fold(now=clock.now())
        done.folded = folded.rows - folded.parked if folded.merged.applied else 0
        done.results.append(folded.merged)
    return done


def _nothing(table: LakeTable) -> Any:
    """A batch without events, so that the position of a file without any is kept; None while there is no table."""
    from maestro.lake.changes import change_schema

    schema = table.schema()
    return None if schema is None else change_schema(schema).empty_table()


def report(done: _Totals, seconds: float) -> dict[str, Any]:
    """The document of ``--json``; events are counted after dedupe."""
    return {
        "batches": done.batches,
        "inserted": done.total("inserted"),
        "updated": done.total("updated"),
        "deleted": done.total("deleted"),
        "skippedStale": done.total("stale"),
        "quarantined": done.total("quarantined") + done.poison,
        "logged": done.logged,
        "folded": done.folded,
        "seconds": round(seconds, 3),
        "bytesRewritten": done.total("bytes_written"),
        "peakMemoryBytes": _peak(),
    }


def _peak() -> int:
    """The most memory that this process ever held."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _lines(document: dict[str, Any]) -> Iterator[str]:
    for name, value in document.items():
        yield f"{name:<16} {value:,}"
