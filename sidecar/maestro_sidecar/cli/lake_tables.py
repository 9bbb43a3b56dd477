"""What the lake's commands share: options of sources and tables, and opening both."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.inputs import read_input

if TYPE_CHECKING:
    import pyarrow as pa

    from maestro.ports.lake import LakeTable, TableSpec
    from maestro_adapters.change_files import ChangeFiles
    from maestro_adapters.delta import DeltaLake
    from maestro_sidecar.cli.parsing import Parser

__all__ = [
    "add_engine",
    "add_source",
    "add_storage",
    "contract_columns",
    "delta_extra",
    "open_engine",
    "open_source",
    "open_table",
    "spec_of",
    "storage_options",
]

ENGINES = ("delta", "iceberg", "spark")
_CONTRACT_BYTES = 16 * 1024 * 1024


def add_source(parser: Parser) -> None:
    """SOURCE and how it is read."""
    parser.add_argument("source", metavar="SOURCE", help="a file, a folder of files, or an S3 prefix")
    parser.add_argument(
        "--format",
        choices=("parquet", "debezium"),
        default="parquet",
        help="parquet: one row a change with op, _version, _event_time; debezium: JSON lines of its records",
    )
    parser.add_argument(
        "--key",
        metavar="COLUMN[,…]",
        help="columns that name a row (default: as the table has them, or executionId)",
    )
    parser.add_argument(
        "--contract", metavar="FILE", help="schema or data contract that says the table's columns"
    )
    parser.add_argument(
        "--source-name", default="files", metavar="NAME", help="_source of rows that do not name theirs"
    )


def add_storage(parser: Parser) -> None:
    """Options of the table's storage."""
    parser.add_argument(
        "--storage",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the storage, as deltalake takes it; may be repeated",
    )


def add_engine(parser: Parser) -> None:
    """What keeps the table."""
    parser.add_argument(
        "--engine", choices=ENGINES, default="delta", help="what keeps the table (default: delta)"
    )
    parser.add_argument("--endpoint", metavar="URL", help="where Spark Connect answers (--engine spark)")
    parser.add_argument(
        "--catalog", metavar="NAME", help="pyiceberg's catalogue (default: one in the folder TABLE)"
    )


def delta_extra(command: str) -> Any:
    """Around imports that need deltalake and Arrow."""
    return needs_extra("delta", command)


def storage_options(arguments: argparse.Namespace) -> dict[str, str]:
    """``--storage`` as a mapping. Raises BadInputError: one is no NAME=VALUE."""
    options = {}
    for given in arguments.storage:
        name, equals, value = given.partition("=")
        if not (name and equals):
            raise BadInputError("is not NAME=VALUE.", field="--storage", value=given)
        options[name] = value
    return options


def contract_columns(arguments: argparse.Namespace) -> pa.Schema | None:
    """The columns that ``--contract`` says, or None."""
    if not arguments.contract:
        return None
    from maestro.lake.contracts import load_contract

    contract = load_contract(read_input(arguments.contract, "--contract", _CONTRACT_BYTES))
    return contract.arrow_schema()


def spec_of(arguments: argparse.Namespace) -> TableSpec:
    """What the options declare; of a table that exists, what was declared when it was made.

    Raises:
        BadInputError: the options contradict the table.
    """
    from maestro.ports.lake import TableSpec
    from maestro_adapters.delta import declared

    given = tuple(name.strip() for name in (arguments.key or "").split(",") if name.strip())
    partition_by = getattr(arguments, "partition_by", None)
    found = (
        declared(arguments.table, storage_options=storage_options(arguments))
        if arguments.engine == "delta"
        else None
    )
    if found is None:
        return TableSpec(key=given or TableSpec().key, partition_by=partition_by)
    if given and given != found.key:
        raise BadInputError(
            "is not the table's key.",
            field="--key",
            value=",".join(given),
            remedy=f"It is {','.join(found.key)}.",
        )
    if partition_by and partition_by != found.partition_by:
        raise BadInputError(
            "is not how the table is laid out.",
            field="--partition-by",
            value=partition_by,
            remedy=f"It is by {found.partition_by or 'nothing'}.",
        )
    return found


def open_engine(arguments: argparse.Namespace, spec: TableSpec, columns: pa.Schema | None) -> LakeTable:
    """The table behind ``--engine``."""
    if arguments.engine == "spark":
        return _spark(arguments, spec, columns)
    if arguments.engine == "iceberg":
        return _iceberg(arguments, spec, columns)
    from maestro_adapters.delta import DeltaLake

    return DeltaLake(arguments.table, spec, columns=columns, storage_options=storage_options(arguments))


def _spark(arguments: argparse.Namespace, spec: TableSpec, columns: pa.Schema | None) -> LakeTable:
    if not arguments.endpoint:
        raise BadInputError(
            "is missing: where Spark Connect answers.", field="--endpoint", remedy="Give sc://HOST:PORT."
        )
    with needs_extra("spark", "maestro lake merge --engine spark"):
        import pyspark.sql.connect  # noqa: F401  # only to see whether it is installed
    from pathlib import Path

    from maestro_adapters.spark import SparkLake

    table = arguments.table if "://" in arguments.table else str(Path(arguments.table).absolute())
    return SparkLake(arguments.endpoint, table, spec, columns=columns)


def _iceberg(arguments: argparse.Namespace, spec: TableSpec, columns: pa.Schema | None) -> LakeTable:
    """TABLE is a folder with its own catalogue, or ``namespace.table`` of pyiceberg's configured one."""
    with needs_extra("iceberg", "maestro lake merge --engine iceberg"):
        import pyiceberg  # noqa: F401  # only to see whether it is installed
    from pathlib import Path

    from maestro_adapters.iceberg import IcebergLake, sql_catalog

    if arguments.catalog:
        from pyiceberg.catalog import load_catalog

        return IcebergLake(load_catalog(arguments.catalog), arguments.table, spec, columns=columns)
    folder = Path(arguments.table).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return IcebergLake(sql_catalog(str(folder)), "maestro.lake", spec, columns=columns)


def open_table(arguments: argparse.Namespace) -> DeltaLake:
    """A Delta table that exists."""
    from maestro_adapters.delta import DeltaLake

    return DeltaLake.open(arguments.table, storage_options=storage_options(arguments))


def open_source(arguments: argparse.Namespace, spec: TableSpec, columns: pa.Schema | None) -> ChangeFiles:
    """The files of SOURCE."""
    from maestro_adapters.change_files import ChangeFiles, read_debezium, read_parquet

    name = arguments.source_name
    read = read_parquet(name) if arguments.format == "parquet" else read_debezium(name, spec.key, columns)
    return ChangeFiles(arguments.source, read, name=name)
