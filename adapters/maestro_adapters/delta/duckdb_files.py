"""A table's live files as DuckDB's SQL, for a DuckDB without its Delta extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maestro_adapters.delta.files import partition_text
from maestro_adapters.delta.log import DeltaLog

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["parquet_sql"]


def parquet_sql(log: DeltaLog) -> str:
    """DuckDB's SQL that reads the live files; partition values, which files do not hold, are put in by file."""
    schema = log.schema
    names = [field.name for field in schema if field.name != log.partition_by]
    columns = ", ".join(_quoted(name) for name in names)
    by_value: dict[Any, list[str]] = {}
    for file in log.files():
        by_value.setdefault(partition_text(file.partition), []).append(log.data.address(file.path))
    parts = []
    for value, paths in by_value.items():
        files = ", ".join(_text(path) for path in paths)
        extra = ""
        if log.partition_by:
            told = "NULL" if value is None else _text(value)
            extra = f", CAST({told} AS {_duckdb_type(schema.field(log.partition_by).type)}) AS {_quoted(log.partition_by)}"
        parts.append(f"SELECT {columns}{extra} FROM read_parquet([{files}], union_by_name = true)")  # noqa: S608  # quoted
    if not parts:
        typed = ", ".join(
            f"CAST(NULL AS {_duckdb_type(field.type)}) AS {_quoted(field.name)}" for field in schema
        )
        parts.append(f"SELECT {typed} WHERE false")
    return "(" + " UNION ALL ".join(parts) + ")"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _duckdb_type(kind: pa.DataType) -> str:
    """DuckDB's name of a flat type; text for whatever else."""
    names = {
        "string": "VARCHAR",
        "int8": "TINYINT",
        "int16": "SMALLINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "float": "FLOAT",
        "double": "DOUBLE",
        "bool": "BOOLEAN",
        "date32[day]": "DATE",
        "binary": "BLOB",
        "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
        "timestamp[us]": "TIMESTAMP",
    }
    return names.get(str(kind), "VARCHAR")
