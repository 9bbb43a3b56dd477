"""``maestro lake verify``: a table against its source, row by row."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError
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
    from maestro.lake.verifying import Comparison

__all__ = ["add_to"]

_DESCRIPTION = """\
Read a source from its beginning, apply it in order, and compare every row and value with what readers of the
table see. Exit 0: equal; 3: not, with some of the rows that differ.
"""
_EXAMPLE = "  maestro lake merge changes/ executions\n  maestro lake verify changes/ executions"


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "verify", help="compare a table with its source", description=_DESCRIPTION, example=_EXAMPLE
    )
    add_source(parser)
    parser.add_argument("table", metavar="TABLE", help="path or URI of the table")
    add_engine(parser)
    add_storage(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with delta_extra("maestro lake verify"):
        import deltalake  # noqa: F401  # only to see whether it is installed
        import pyarrow as pa  # noqa: F401
    found = _compare(arguments)
    if arguments.json:
        answers.tell_document(report(found))
    else:
        answers.tell("\n".join(_lines(found)))
    return answers.DONE if found.equal else answers.NO


def _compare(arguments: argparse.Namespace) -> Comparison:
    import pyarrow as pa

    from maestro.lake.columns import conform
    from maestro.lake.sifting import sift
    from maestro.lake.verifying import compare, expected
    from maestro_adapters.clock import SystemClock

    spec = spec_of(arguments)
    table = open_engine(arguments, spec, None)
    try:
        schema = table.schema()
        if schema is None:
            raise BadInputError(
                "is no table.",
                field="TABLE",
                value=arguments.table,
                remedy="Name one that 'maestro lake merge' made.",
            )
        given = contract_columns(arguments)
        source = open_source(arguments, spec, given if given is not None else schema)
        source.start(lambda _lanes: {})
        changes = []
        while (polled := source.poll(1 << 62, 1 << 62, 0)).positions:
            if polled.batch is not None:
                batch = conform(polled.batch, schema)
                changes.append(sift(batch, spec, now=SystemClock().now()).changes)
        if not changes:
            raise BadInputError("holds no changes.", field="SOURCE", value=arguments.source)
        wanted = expected(pa.concat_tables(changes), spec.key, schema.names)
        return compare(wanted, table.read(), spec.key)
    finally:
        table.close()


def report(found: Comparison) -> dict[str, Any]:
    """The document of ``--json``."""
    from datetime import date
    from decimal import Decimal

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return (
            value.isoformat()
            if isinstance(value, date)
            else str(value)
            if isinstance(value, Decimal | bytes)
            else value
        )

    return {
        "equal": found.equal,
        "rows": found.rows,
        "missing": found.missing,
        "extra": found.extra,
        "different": found.different,
        "sample": [plain(dict(one)) for one in found.sample],
    }


def _lines(found: Comparison) -> Iterator[str]:
    yield f"equal      {'yes' if found.equal else 'no'}"
    yield f"rows       {found.rows:,}"
    for name in ("missing", "extra", "different"):
        yield f"{name:<10} {getattr(found, name):,}"
    for one in found.sample:
        told = f"  {one['kind']}: {one['key']}"
        yield told + (
            f" {one['column']}: {one['expected']!r} expected, {one['found']!r} found"
            if "column" in one
            else ""
        )
