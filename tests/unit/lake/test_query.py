"""SQL for other engines, run in them."""

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from maestro.lake.changes import batch_of, table_schema
from maestro.lake.query import Dialect, live_sql, script

COLUMNS = pa.schema([("k", pa.string()), ('odd "name', pa.int64())])
LAKE = pa.Table.from_pylist(
    [
        {"k": key, 'odd "name': version, "_deleted": deleted, "_version": version, "_source": "s"}
        for key, version, deleted in [("a", 1, False), ("b", 5, False), ("c", 3, True), ("e", 1, False)]
    ],
    schema=table_schema(COLUMNS),
)
SIDE = batch_of(
    [
        {"k": key, 'odd "name': version, "_op": op, "_version": version, "_source": "s"}
        for key, version, op in [
            ("a", 4, "u"),
            ("a", 6, "u"),
            ("a", 6, "u"),
            ("b", 3, "u"),
            ("b", 5, "u"),
            ("c", 2, "u"),
            ("d", 9, "c"),
            ("e", 9, "d"),
            ("f", 9, "d"),
        ]
    ],
    COLUMNS,
)
LIVE = [("a", 6), ("b", 5), ("d", 9)]
NAMES = {"lake": "lake", "side_log": "side_log"}


@pytest.mark.parametrize("side", [SIDE, SIDE.slice(0, 0)], ids=["side log", "empty side log"])
def test_duckdb_and_polars_see_the_live_rows(side):
    live = LIVE if len(side) else [("a", 1), ("b", 5), ("e", 1)]
    with duckdb.connect() as connection:
        connection.register("lake", LAKE)
        connection.register("side_log", side)
        found = connection.execute(live_sql(Dialect.DUCKDB, COLUMNS.names, ["k"], NAMES)).fetchall()
    assert sorted(found) == live
    frames = pl.SQLContext(lake=pl.from_arrow(LAKE).lazy(), side_log=pl.from_arrow(side).lazy())
    rows = frames.execute(live_sql(Dialect.POLARS, COLUMNS.names, ["k"], NAMES)).collect()
    assert sorted(rows.rows()) == live


def test_spark_has_its_own_words():
    sql = live_sql(Dialect.SPARK, ["a`b"], ["a`b"], NAMES)
    assert "LEFT ANTI JOIN" in sql
    assert "`a``b`" in sql
    assert script(Dialect.SPARK, sql, NAMES) == f"{sql};"


def test_polars_comes_in_python():
    text = script(Dialect.POLARS, "SELECT 1", {"lake": "/t", "side_log": "/t/_maestro/side_log"})
    compile(text, "script", "exec")
    assert "lake=pl.scan_delta('/t')" in text
