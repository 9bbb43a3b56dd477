"""SQL that reads a table's live rows, side log included, in engines that know nothing of either."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from maestro.lake.changes import DELETED, EVENT_TIME, OP, VERSION

__all__ = ["Dialect", "Relations", "live_sql", "script"]

Relations = Mapping[str, str]
"""What stands for ``lake`` and ``side_log`` in the query: a table function, a path, a frame's name."""


class Dialect(StrEnum):
    """For whom the SQL is."""

    DUCKDB = "duckdb"
    POLARS = "polars"
    SPARK = "spark"


def live_sql(dialect: Dialect, columns: Sequence[str], key: Sequence[str], relations: Relations) -> str:
    """One statement: latest per key of table and side log, without deleted rows and without our columns.

    Args:
        dialect: whose SQL.
        columns: the table's own columns.
        key: the key columns.
        relations: what to read; names for ``lake`` and ``side_log``.
    """
    q = _quoting(dialect)

    def equal(left: str, right: str) -> str:
        return " AND ".join(f"{left}.{q(name)} = {right}.{q(name)}" for name in key)

    def listed(alias: str, names: Sequence[str]) -> str:
        return ", ".join(f"{alias}.{q(name)}" for name in names)

    version, anti = q(VERSION), "LEFT ANTI" if dialect is Dialect.SPARK else "ANTI"
    parts = ", ".join(q(name) for name in key)
    return f"""\
WITH changes AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY {parts} ORDER BY {version} DESC, {q(EVENT_TIME)} DESC) AS _rank
  FROM {relations["side_log"]}
), side AS (
  SELECT * FROM changes WHERE _rank = 1
), beaten AS (
  SELECT {listed("s", key)} FROM side AS s INNER JOIN {relations["lake"]} AS t ON {equal("t", "s")}
  WHERE t.{version} >= s.{version}
)
SELECT {listed("t", columns)}
FROM {relations["lake"]} AS t LEFT JOIN side AS s ON {equal("t", "s")}
WHERE NOT t.{q(DELETED)} AND (s.{version} IS NULL OR t.{version} >= s.{version})
UNION ALL
SELECT {listed("s", columns)}
FROM side AS s {anti} JOIN beaten AS b ON {equal("s", "b")}
WHERE s.{q(OP)} <> 'd'"""  # noqa: S608  # names are quoted


def script(dialect: Dialect, sql: str, relations: Relations) -> str:
    """What to paste: the statement for DuckDB and Spark, a few lines of Python around it for Polars."""
    if dialect is not Dialect.POLARS:
        return f"{sql};"
    frames = "\n".join(f"    {name}=pl.scan_delta({path!r})," for name, path in relations.items())
    return f'import polars as pl\n\nrows = pl.SQLContext(\n{frames}\n).execute("""\n{sql}\n""").collect()'


def _quoting(dialect: Dialect) -> Callable[[str], str]:
    mark = "`" if dialect is Dialect.SPARK else '"'
    return lambda name: f"{mark}{name.replace(mark, mark * 2)}{mark}"
