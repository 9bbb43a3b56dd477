"""Landing: with the flag `cdc_lakehouse` off, changes become Parquet files of the plan's form and nothing is merged."""

import errno
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maestro import BadInputError, PortError
from maestro.ports.lake import Poison, TableSpec
from maestro_adapters.landing import ParquetLanding

NOW = datetime(2026, 3, 30, 10, tzinfo=UTC)
SPEC = TableSpec(key=("id",))
BATCH = pa.table({"id": ["a", "b"], "_op": ["c", "c"]})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "landing"


def test_each_commit_is_one_file_with_the_positions_it_leads_to(folder):
    landing = ParquetLanding(folder, SPEC)
    first = landing.append(BATCH, {"topic/0": 2}, now=NOW)
    second = landing.merge(BATCH, {"topic/1": 7}, now=NOW)
    assert (first.applied, first.logged, first.version, second.version) == (True, 2, 1, 2)
    assert [file.name for file in sorted(folder.iterdir())] == [
        "changes-000000000001.parquet",
        "changes-000000000002.parquet",
    ]
    assert pq.read_table(folder / "changes-000000000001.parquet").equals(BATCH)
    status = landing.status()
    assert (status.engine, status.version, status.files, status.positions) == (
        "parquet",
        2,
        2,
        {"topic/0": 2, "topic/1": 7},
    )
    assert status.bytes == first.bytes_written + second.bytes_written


def test_what_was_landed_is_not_landed_again_by_this_process_or_the_next(folder):
    ParquetLanding(folder, SPEC).append(BATCH, {"topic/0": 2}, now=NOW)
    again = ParquetLanding(folder, SPEC)
    assert (again.position("topic/0"), again.position("topic/1")) == (2, None)
    assert not again.append(BATCH, {"topic/0": 2}, now=NOW).applied
    assert again.append(BATCH, {"topic/0": 3}, now=NOW).version == 2


def test_a_file_that_a_crash_left_half_written_is_removed(folder):
    folder.mkdir()
    (folder / ".changes-000000000001.parquet").write_bytes(b"PAR1")
    ParquetLanding(folder, SPEC)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["another's", "no Parquet"])
def test_another_s_folder_is_refused(folder, kind):
    folder.mkdir()
    file = folder / "changes-000000000001.parquet"
    if kind == "another's":
        pq.write_table(BATCH, file)
    else:
        file.write_bytes(b"nonsense")
    with pytest.raises(BadInputError, match="no file that a follower landed"):
        ParquetLanding(folder, SPEC)


def test_events_are_kept_aside_with_their_reason(folder):
    landing = ParquetLanding(folder, SPEC)
    landing.quarantine([Poison("unknown_op", "op is x.", "topic/0", 3, b"{}")], now=NOW)
    (line,) = (folder / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "unknown_op"


def test_what_a_folder_of_files_cannot_do_it_does_not_pretend_to(folder):
    landing = ParquetLanding(folder, SPEC)
    assert (landing.spec, landing.schema()) == (SPEC, None)
    assert not landing.fold(now=NOW).merged.applied
    assert landing.upkeep(now=NOW).steps == ()
    assert {str(one) for one in landing.capabilities} == {"blocking", "durable"}
    with pytest.raises(BadInputError, match="holds changes, not rows"):
        landing.read()
    landing.close()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PortError, match="cannot be written") as caught:
        ParquetLanding(tmp_path / "file" / "landing", SPEC)
    assert caught.value.retry_after is None


def test_a_full_disk_is_worth_another_try(folder, monkeypatch):
    landing = ParquetLanding(folder, SPEC)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("maestro_adapters.landing.os.fsync", full)
    with pytest.raises(PortError) as caught:
        landing.append(BATCH, {"topic/0": 2}, now=NOW)
    assert (caught.value.code, caught.value.retry_after) == ("store_full", 5.0)
    assert landing.position("topic/0") is None
