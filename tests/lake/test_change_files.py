"""Files of changes as a source."""

import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.support import batch, change
from maestro.kernel.errors import BadInputError
from maestro_adapters.change_files import ChangeFiles, read_debezium, read_parquet

MANY = 1 << 62


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(batch(*rows), path)
    return path


def source(path):
    return ChangeFiles(path, read_parquet("files"))


def polled(found, events=MANY, size=MANY):
    return found.poll(events, size, 0)


def test_a_folder_is_read_in_the_order_of_its_names_and_once(tmp_path):
    write(tmp_path / "b.parquet", change(2))
    write(tmp_path / "a" / "1.parquet", change(1))
    write(tmp_path / "_temporary" / "x.parquet", change(9))
    (tmp_path / "readme.txt").write_text("no changes")
    found = source(tmp_path)
    found.start(lambda _lanes: {})
    assert found.backlog().bytes > 0
    first = polled(found)
    assert first.batch["n"].to_pylist() == [1, 1]
    assert [lane.removeprefix(f"files:{tmp_path}") for lane in first.positions] == [
        "/a/1.parquet",
        "/b.parquet",
    ]
    found.acknowledge(first.positions)
    assert polled(found).positions == {}
    write(tmp_path / "a" / "0.parquet", change(3, 5))
    assert polled(found).batch["n"].to_pylist() == [5]
    found.close()


def test_what_the_table_has_is_not_read_again_unless_it_was_written_anew(tmp_path):
    path = write(tmp_path / "a.parquet", change(1))
    known = {}
    found = source(path)
    found.start(lambda _lanes: known)
    known.update(polled(found).positions)
    again = source(path)
    again.start(lambda lanes: {lane: known[lane] for lane in lanes})
    assert polled(again).positions == {}
    write(path, change(1, 2))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10_000_000))
    assert polled(again).batch["n"].to_pylist() == [2]


@pytest.mark.parametrize("bound", [{"events": 1}, {"size": 1}])
def test_polls_are_bounded(tmp_path, bound):
    for number in range(3):
        write(tmp_path / f"{number}.parquet", change(number))
    found = source(tmp_path)
    found.start(lambda _lanes: {})
    assert [len(polled(found, **bound).positions) for _ in range(4)] == [1, 1, 1, 0]


def test_a_pause_brings_nothing(tmp_path):
    write(tmp_path / "a.parquet", change(1))
    found = source(tmp_path)
    found.start(lambda _lanes: {})
    found.pause()
    assert polled(found).positions == {}
    found.resume()
    assert len(polled(found).positions) == 1
    assert found.name == "files"


def test_a_file_with_other_columns_comes_alone(tmp_path):
    write(tmp_path / "a.parquet", change(1))
    pq.write_table(batch(change(2)).append_column("more", pa.array([1])), tmp_path / "b.parquet")
    found = source(tmp_path)
    found.start(lambda _lanes: {})
    assert [len(polled(found).batch.schema) for _ in range(2)] == [7, 8]


def test_a_damaged_file_stops_behind_the_good_ones_and_stays_there(tmp_path):
    write(tmp_path / "a.parquet", change(1))
    whole = write(tmp_path / "b.parquet", change(2)).read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:-20])
    found = source(tmp_path)
    found.start(lambda _lanes: {})
    assert len(polled(found).positions) == 1
    for _ in range(2):
        with pytest.raises(BadInputError, match="no whole Parquet file") as bad:
            polled(found)
        assert bad.value.code == "bad_file"
        assert bad.value.__notes__ == [str(tmp_path / "b.parquet")]
    (tmp_path / "b.parquet").write_bytes(whole)
    assert len(polled(found).positions) == 1


def test_a_file_without_rows_moves_the_position_alone(tmp_path):
    write(tmp_path / "a.parquet")
    found = source(tmp_path)
    found.start(lambda _lanes: {})
    first = polled(found)
    assert (first.batch, len(first.positions)) == (None, 1)


def test_nothing_under_the_address(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        source(tmp_path / "nothing").start(lambda _lanes: {})


def test_a_file_that_vanishes(tmp_path):
    path = write(tmp_path / "a.parquet", change(1))
    found = source(tmp_path)
    found.start(lambda _lanes: {})
    path.unlink()
    with pytest.raises(BadInputError, match="cannot be read"):
        polled(found)


# ---- Debezium

ENVELOPE = {"op": "c", "after": {"id": "a", "n": 1}, "source": {"lsn": 7, "ts_us": 5}}
LINES = [
    json.dumps({"key": {"id": "a"}, "value": ENVELOPE}),
    "",
    json.dumps(ENVELOPE | {"after": {"id": "b", "n": 2}}),
    json.dumps({"key": {"id": "a"}, "value": None}),
    "not json",
]


@pytest.mark.parametrize("packed", [False, True])
def test_debezium_records_as_json_lines(tmp_path, packed):
    text = "\n".join(LINES).encode()
    path = tmp_path / ("a.jsonl.gz" if packed else "a.jsonl")
    path.write_bytes(gzip.compress(text) if packed else text)
    found = ChangeFiles(path, read_debezium("s", ["id"], None))
    found.start(lambda _lanes: {})
    told = polled(found)
    assert [(row["id"], row["n"], row["_version"]) for row in told.batch.to_pylist()] == [
        ("a", 1, 7),
        ("b", 2, 7),
    ]
    assert [one.reason for one in told.poison] == ["bad_envelope"]


def test_a_schema_that_rides_along_tells_more_than_values(tmp_path):
    fields = [{"field": "id", "type": "string"}, {"field": "n", "type": "int32", "optional": True}]
    schema = {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": fields}]}
    (tmp_path / "a.json").write_text(json.dumps({"value": {"schema": schema, "payload": ENVELOPE}}))
    found = ChangeFiles(tmp_path, read_debezium("s", ["id"], None))
    found.start(lambda _lanes: {})
    assert polled(found).batch["n"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("data", "words"),
    [(gzip.compress(b"x" * 99)[:-9], "no whole gzip file"), (b"nonsense\n", "no event has a row")],
    ids=["cut", "nonsense"],
)
def test_damaged_json_lines(tmp_path, data, words):
    (tmp_path / "a.jsonl").write_bytes(data)
    found = ChangeFiles(tmp_path, read_debezium("s", ["id"], None))
    found.start(lambda _lanes: {})
    with pytest.raises(BadInputError, match=words):
        polled(found)
