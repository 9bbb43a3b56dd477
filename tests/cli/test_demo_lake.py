"""The demo's runs in a Delta table."""

from datetime import timedelta

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from maestro_adapters.clock import SystemClock
from maestro_sidecar.demo import demo
from maestro_sidecar.demo.lake import runs_into_lake
from maestro_sidecar.demo.tenants import demo_tenants


@pytest.mark.slow
def test_runs_arrive_once_and_duckdb_and_polars_read_them(maestro, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "demo_tenants", lambda now: demo_tenants(now - timedelta(seconds=30)))
    table, store, clock = tmp_path / "executions", tmp_path / "demo.db", SystemClock()
    answer = maestro("demo", "--runs", "10", "--no-edge", "--store", store, "--lake", table, "--json")
    assert answer.code == 0
    assert answer.document["lake"]["executions"] == 10
    again = runs_into_lake(store, str(table), clock.now, clock.nanoseconds)
    assert (again.executions, again.running) == (10, 0)
    assert "10 executions" in again.line()
    rows = pl.read_delta(str(table)).filter(~pl.col("_deleted"))
    assert set(rows["status"]) == {"done"}
    assert (rows["releasedAt"] >= rows["admittedAt"]).all()
    live = maestro("lake", "sql", table, "--files").out.rstrip().rstrip(";")
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT tenant) FROM ({live})").fetchall() == [(10, 5)]
    assert len(DeltaTable(table).partitions()) >= 1


def test_a_store_without_runs(tmp_path):
    from maestro_adapters.sqlite import SqliteOutbox

    SqliteOutbox(tmp_path / "empty.db").close()
    clock = SystemClock()
    report = runs_into_lake(tmp_path / "empty.db", str(tmp_path / "t"), clock.now, clock.nanoseconds)
    assert report.executions == 0
    assert not (tmp_path / "t").exists()
