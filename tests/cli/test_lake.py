"""`maestro lake merge | verify | sql | status`, as people use them."""

import json
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.support import COLUMNS, batch, change
from maestro_sidecar.cli import main
from maestro_sidecar.cli.lake_sql import _duckdb_reads_delta


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = tmp_path / "changes"
    changes.mkdir()
    told = [change(number, number + 1) for number in range(60)]
    told += [change(1, 100, "u"), change(2, 101, "d"), change(3, 102, "d", day=None), change(4, 103, "x")]
    for number in range(4):
        rows = batch(*told[number::4])
        form = rows.rename_columns(["op" if name == "_op" else name for name in rows.column_names])
        pq.write_table(form.drop_columns(["_source"]), changes / f"{number}.parquet")
    return changes


@pytest.fixture
def answer(capsys):
    def run(*arguments, code=0):
        capsys.readouterr()
        assert main([*map(str, arguments), "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return run


def test_a_folder_becomes_a_table_once(folder, answer):
    first = answer("lake", "merge", folder, "t", "--partition-by", "day")
    assert (first["inserted"], first["deleted"], first["quarantined"], first["batches"]) == (58, 2, 1, 1)
    assert first["bytesRewritten"] > 0
    assert first["peakMemoryBytes"] > 2**20
    again = answer("lake", "merge", folder, "t")
    assert [again[name] for name in ("batches", "inserted", "updated", "deleted", "bytesRewritten")] == [
        0
    ] * 5
    verified = answer("lake", "verify", folder, "t")
    assert (verified["equal"], verified["rows"], verified["sample"]) == (True, 58, [])
    status = answer("lake", "status", "t", "--upkeep")
    assert (status["quarantined"], status["quarantineReasons"], status["engine"]) == (
        1,
        {"unknown_op": 1},
        "delta",
    )
    assert len(status["positions"]) == 4


def test_a_table_that_differs_from_its_source_is_told(folder, answer, capsys):
    answer("lake", "merge", folder, "t")
    pq.write_table(batch(change(5, 999, "u"), change(500, 999)), folder / "9.parquet")
    told = answer("lake", "verify", folder, "t", code=3)
    assert (told["missing"], told["extra"], told["different"]) == (1, 0, 1)
    assert {one["kind"] for one in told["sample"]} == {"missing", "different"}
    assert main(["lake", "verify", str(folder), "t"]) == 3
    assert "999 expected, 6 found" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--files"], []])
def test_the_sql_runs_in_duckdb(folder, answer, arguments):
    answer("lake", "merge", folder, "t", "--partition-by", "day", "--no-fold")
    told = answer("lake", "sql", "t", *arguments)
    assert duckdb.sql(f"SELECT count(*), max(n) FROM ({told['sql']})").fetchall() == [(58, 100)]
    assert duckdb.sql(told["sql"]).columns == COLUMNS.names


def test_the_sql_of_a_table_that_is_empty_runs_too(folder, answer):
    for path in folder.glob("*"):
        path.unlink()
    pq.write_table(batch(change(1, 5, "d", day=None)), folder / "0.parquet")
    answer("lake", "merge", folder, "t", "--partition-by", "day", "--no-fold")
    assert duckdb.sql(answer("lake", "sql", "t", "--files")["sql"]).fetchall() == []


def test_the_script_runs_in_polars(folder, answer):
    answer("lake", "merge", folder, "t", "--partition-by", "day")
    scope = {}
    exec(answer("lake", "sql", "t", "--for", "polars")["script"], scope)
    assert scope["rows"].shape == (58, 3)


def test_spark_reads_delta_by_its_path(folder, answer, tmp_path):
    answer("lake", "merge", folder, "t")
    assert f"FROM delta.`{tmp_path / 't'}`" in answer("lake", "sql", "t", "--for", "spark")["sql"]


def test_where_duckdb_is_not_installed_its_extension_is_taken_for_granted(monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert _duckdb_reads_delta()


def test_an_iceberg_table_in_a_folder(folder, answer):
    first = answer("lake", "merge", folder, "i", "--engine", "iceberg", "--partition-by", "day")
    assert (first["inserted"], first["deleted"]) == (58, 2)
    assert answer("lake", "verify", folder, "i", "--engine", "iceberg")["equal"]


def test_people_read_lines(folder, capsys):
    for command in (
        ["merge", str(folder), "t", "--key", "executionId"],
        ["verify", str(folder), "t"],
        ["status", "t"],
        ["sql", "t", "--files"],
    ):
        assert main(["lake", *command]) == 0
        assert capsys.readouterr().out.count("\n") > 3


def test_a_contract_says_the_columns(folder, answer):
    pq.write_table(COLUMNS.append(pa.field("note", pa.string())).empty_table(), "contract.parquet")
    told = answer("lake", "merge", folder, "t", "--contract", "contract.parquet", code=2)
    assert told["code"] == "schema_drift"


def test_debezium_records_become_a_table(answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"op": op, "after": after, "before": None, "source": {"lsn": lsn}}
        for op, after, lsn in [
            ("r", {"id": "a", "n": 1}, 1),
            ("u", {"id": "a", "n": 2}, 2),
            ("c", {"id": "b", "n": 1}, 3),
        ]
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps({"value": row}) for row in rows))
    told = answer("lake", "merge", "events.jsonl", "t", "--format", "debezium", "--key", "id")
    assert (told["inserted"], told["quarantined"]) == (2, 0)
    assert answer("lake", "verify", "events.jsonl", "t", "--format", "debezium")["equal"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["merge", "nothing", "t"], "no such file"),
        (["merge", "changes", "t", "--key", "other"], "no column of the batch"),
        (["merge", "changes", "t", "--partition-by", "other"], "no column of the batch"),
        (["merge", "changes", "t", "--engine", "spark"], "--endpoint"),
        (["merge", "changes", "t", "--storage", "x"], "NAME=VALUE"),
        (["verify", "changes", "t"], "is no table"),
        (["status", "t"], "is no table"),
        (["sql", "t"], "is no table"),
    ],
)
def test_what_cannot_be_done_is_told_with_the_field(folder, answer, arguments, words):
    told = answer("lake", *arguments, code=2)
    assert words in f"{told.get('field', '')} {told['detail']} {told.get('remedy', '')}"


@pytest.mark.parametrize(("option", "value"), [("--key", "n"), ("--partition-by", "n")])
def test_a_table_is_not_declared_anew(folder, answer, option, value):
    answer("lake", "merge", folder, "t")
    assert answer("lake", "merge", folder, "t", option, value, code=2)["field"] == option


def test_a_damaged_file_stops_the_command_and_keeps_its_place(folder, answer):
    whole = (folder / "3.parquet").read_bytes()
    (folder / "3.parquet").write_bytes(whole[: len(whole) // 2])
    told = answer("lake", "merge", folder, "t", code=2)
    assert (told["code"], told["file"]) == ("bad_file", str(folder / "3.parquet"))
    (folder / "3.parquet").write_bytes(whole)
    assert answer("lake", "merge", folder, "t")["batches"] == 1
    assert answer("lake", "verify", folder, "t")["equal"]


def test_a_source_without_changes_cannot_be_verified(folder, answer):
    answer("lake", "merge", folder, "t")
    for path in folder.glob("*"):
        path.unlink()
    assert "holds no changes" in answer("lake", "verify", folder, "t", code=2)["detail"]


def test_a_file_without_changes_is_nothing_to_do(tmp_path, answer, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pq.write_table(batch(), "empty.parquet")
    assert answer("lake", "merge", "empty.parquet", "t")["batches"] == 0
