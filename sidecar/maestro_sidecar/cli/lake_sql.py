"""``maestro lake sql``: SQL for other engines that shows what readers should see."""

from __future__ import annotations

import argparse
from typing import Any

from maestro_sidecar.cli import answers
from maestro_sidecar.cli.lake_tables import add_storage, delta_extra, open_table
from maestro_sidecar.cli.parsing import Parser, add_json

__all__ = ["add_to"]

_DESCRIPTION = """\
Print SQL that gives a table's live rows, the latest per key, without our columns and with what still waits in the
side log. For Polars it comes in a few lines of Python.

DuckDB reads Delta by its extension 'delta'. Where this machine's DuckDB does not have it, the SQL names the Parquet
files of this moment instead (--files does so anyhow); print it anew after the table has changed.
"""
_EXAMPLE = "  maestro lake sql executions --for duckdb | duckdb"


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sql", help="print SQL that reads a table's live rows", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("table", metavar="TABLE", help="path or URI of the table")
    parser.add_argument(
        "--for",
        "--engine",
        dest="dialect",
        choices=("duckdb", "polars", "spark"),
        default="duckdb",
        help="whose SQL (default: duckdb)",
    )
    parser.add_argument("--files", action="store_true", help="name the files of this moment (DuckDB only)")
    add_storage(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with delta_extra("maestro lake sql"):
        import deltalake  # noqa: F401  # only to see whether it is installed
    from maestro.lake.query import Dialect, live_sql, script

    dialect = Dialect(arguments.dialect)
    table = open_table(arguments)
    try:
        columns = [field.name for field in table.schema() or ()]
        by_files = dialect is Dialect.DUCKDB and (arguments.files or not _duckdb_reads_delta())
        relations = table.relations(dialect, by_files=by_files)
        shown = {"lake": "lake", "side_log": "side_log"} if dialect is Dialect.POLARS else relations
        sql = live_sql(dialect, columns, table.spec.key, shown)
    finally:
        table.close()
    if arguments.json:
        document: dict[str, Any] = {"engine": arguments.dialect, "sql": sql, "relations": relations}
        answers.tell_document(document | {"script": script(dialect, sql, relations)})
    else:
        answers.tell(script(dialect, sql, relations))
    return answers.DONE


def _duckdb_reads_delta() -> bool:
    """Whether this machine's DuckDB has its extension; yes where there is no DuckDB to ask."""
    try:
        import duckdb
    except ImportError:
        return True
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        told = connection.execute(
            "SELECT installed FROM duckdb_extensions() WHERE extension_name = 'delta'"
        ).fetchone()
    return bool(told and told[0])
