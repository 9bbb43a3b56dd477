"""What the Delta engine does beyond the suite: commits, the side log, forgetting, upkeep, faults."""

import errno
import json
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lake.support import COLUMNS, DAYS, batch, change, lake, live
from maestro.kernel.errors import BadInputError, ConflictError, MaestroError, PortError
from maestro.lake.changes import batch_of
from maestro.ports.lake import TableSpec
from maestro.testing.strategies.changes import AT
from maestro_adapters.delta import DeltaLake, declared
from maestro_adapters.delta import upkeep as keeping
from maestro_adapters.delta.errors import told
from maestro_adapters.delta.files import partition_text
from maestro_adapters.delta.log import Change, ContendedError


def files_of(path):
    return {name.relative_to(path) for name in Path(path).glob("*/*.parquet") if "_maestro" not in name.parts}


# ---- what is rewritten


def test_a_merge_rewrites_the_partitions_it_touches_and_no_other(tmp_path):
    table = lake(tmp_path / "t")
    table.merge(batch(*map(change, range(30))), {"s": 1}, now=AT)
    before = files_of(tmp_path / "t")
    merged = table.merge(batch(change(0, 2, "u")), {"s": 2}, now=AT)
    assert (merged.updated, merged.files_removed) == (1, 1)
    fresh = files_of(tmp_path / "t") - before
    assert [path.parent.name for path in fresh] == [f"day={DAYS[0]}"]


def test_a_file_without_the_key_is_not_rewritten_and_splits_keep_ranges_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("maestro_adapters.delta.planning.TARGET_ROWS", 100)
    table = lake(tmp_path / "t", TableSpec(partition_by=None))
    table.merge(batch(*map(change, range(400))), {"s": 1}, now=AT)
    assert table.status().files == 4
    merged = table.merge(batch(change(399, 2, "u"), change(400, 2), change(10, 2, "u")), {"s": 2}, now=AT)
    assert (merged.inserted, merged.updated, merged.files_removed) == (1, 2, 2)
    again = table.merge(batch(change(1000, 3)), {"s": 3}, now=AT)
    assert (again.inserted, again.files_removed) == (1, 0)
    assert len(live(table)) == 402


def test_old_rows_of_a_batch_rewrite_nothing(tmp_path):
    table = lake(tmp_path / "t")
    table.merge(batch(change(1, 5)), {"s": 1}, now=AT)
    merged = table.merge(batch(change(1, 4, "u")), {"s": 2}, now=AT)
    assert (merged.stale, merged.bytes_written, merged.files_removed) == (1, 0, 0)
    assert table.position("s") == 2


def test_keys_too_long_for_statistics_are_found_all_the_same(tmp_path):
    table = lake(tmp_path / "t", TableSpec())
    for turn in range(3):
        table.merge(batch(change(turn, 1, executionId="x" * 300 + str(turn))), {"s": turn}, now=AT)
    merged = table.merge(
        batch(*(change(n, 2, "u", executionId="x" * 300 + str(n)) for n in range(3))), {"s": 9}, now=AT
    )
    assert (merged.updated, merged.inserted, sorted(live(table).values())) == (3, 0, [2, 2, 2])


# ---- the side log


def test_late_keys_wait_in_the_side_log_and_are_seen_at_once(tmp_path):
    table = lake(tmp_path / "t", bytes_per_event=200)
    table.append(batch(*map(change, range(3000))), {"s": 1}, now=AT)
    table.fold(now=AT)
    hot = [change(3 * number, 2, "u") for number in range(900)]
    merged = table.merge(batch(*hot, change(1, 2, "u"), change(2, 2, "d")), {"s": 2}, now=AT)
    assert (merged.updated, merged.logged) == (900, 2)
    seen = live(table)
    assert (seen["e00001"], "e00002" in seen, len(seen)) == (2, False, 2999)
    assert table.status().side_rows >= 2
    folded = table.fold(now=AT)
    assert (folded.merged.updated, folded.merged.deleted) == (1, 1)
    assert live(table) == seen


def test_what_was_folded_stays_in_the_log_until_the_next_fold(tmp_path):
    """A reader that looked at the table before the fold and at the log after it misses nothing."""
    table = lake(tmp_path / "t")
    table.append(batch(change(1)), {"s": 1}, now=AT)
    assert table.fold(now=AT).rows == 1
    assert table.status().side_rows == 1
    assert table.fold(now=AT).rows == 0
    assert table.status().side_rows == 0
    assert not table.fold(now=AT).merged.applied
    assert table.position("s") == 1


def test_a_delete_that_names_no_partition_is_parked_until_its_row_comes(tmp_path):
    table = lake(tmp_path / "t")
    table.merge(batch(change(0), change(1, 5, "d", day=None)), {"s": 1}, now=AT)
    assert table.fold(now=AT).parked == 1
    assert table.fold(now=AT).parked == 1
    table.merge(batch(change(1, 3)), {"s": 2}, now=AT)
    assert live(table) == {"e00000": 1}
    folded = table.fold(now=AT)
    assert (folded.parked, folded.merged.deleted) == (0, 1)
    assert live(table) == {"e00000": 1}


def test_a_parked_delete_is_given_up_beyond_the_lateness_bound(tmp_path):
    table = lake(tmp_path / "t", TableSpec(partition_by="day", lateness=60))
    table.merge(batch(change(0), change(1, 5, "d", day=None)), {"s": 1}, now=AT)
    table.fold(now=AT + timedelta(seconds=61))
    table.fold(now=AT + timedelta(seconds=62))
    assert table.status().side_rows == 0


def test_changes_that_would_need_a_long_look_are_put_off(tmp_path, monkeypatch):
    monkeypatch.setattr("maestro_adapters.delta.planning.Planner.plan.__kwdefaults__", {"lookup_rows": 5})
    table = lake(tmp_path / "t")
    table.merge(batch(*map(change, range(30))), {"s": 1}, now=AT)
    told = batch(change(1, 2, "u", day=DAYS[0]), change(100, 2, "u"), change(2, 2, "d", day=None))
    merged = table.merge(told, {"s": 2}, now=AT)
    seen = live(table)
    assert (seen["e00001"], "e00002" in seen) == (1, False)  # the row that moves is shown where it stands
    assert (merged.logged, merged.inserted) == (2, 1)  # no other partition may hold the key of the third
    folded = table.fold(now=AT)
    assert (folded.merged.quarantined, folded.merged.deleted) == (1, 1)
    assert table.quarantined()["reason"].to_pylist() == ["partition_changed"]


# ---- forgetting


def test_tombstones_go_when_the_lateness_bound_is_over_and_later_changes_are_refused(tmp_path):
    table = lake(tmp_path / "t", TableSpec(partition_by=None, lateness=60))
    later = AT + timedelta(seconds=61)
    table.merge(batch(change(1), change(2, 2, "d")), {"s": 1}, now=AT)
    table.merge(batch(change(3, 3)), {"s": 2}, now=later)  # version 2 was the newest a bound ago
    assert table.status().rows == 3
    merged = table.merge(batch(change(1, 4, "u"), change(2, 1, "u"), change(9, 1, "d")), {"s": 3}, now=later)
    assert (merged.updated, merged.deleted, merged.stale) == (1, 1, 1)
    again = table.merge(batch(change(2, 1, "u")), {"s": 4}, now=later)
    assert (again.quarantined, table.quarantined()["reason"].to_pylist()) == (1, ["too_late"])
    assert live(table) == {"e00001": 4, "e00003": 3}


def test_upkeep_purges_where_no_merge_comes_by(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "RETENTION", timedelta(days=36_500))  # vacuum goes by the real clock
    table = lake(tmp_path / "t", TableSpec(partition_by="day", lateness=60))
    later, again = AT + timedelta(seconds=61), AT + timedelta(seconds=122)
    table.merge(batch(change(0), change(3, 2, "d"), change(1, 2)), {"s": 1}, now=AT)
    assert table.upkeep(now=AT).steps == ()
    table.merge(batch(change(1, 3, "u")), {"s": 2}, now=later)
    assert table.upkeep(now=AT + timedelta(seconds=30)).steps == ()  # swept once per bound
    assert table.status().rows == 3
    assert table.upkeep(now=again).steps == ("sweep",)
    assert (table.status().rows, live(table)) == (2, {"e00000": 1, "e00001": 3})


def test_a_truncate_empties_table_and_side_log(tmp_path):
    table = lake(tmp_path / "t")
    table.merge(batch(*map(change, range(6)), change(7, 9)), {"s": 1}, now=AT)
    table.append(batch(change(8, 2), change(9, 9)), {"s": 2}, now=AT)
    merged = table.append(batch(change(10, 6), {"_op": "t", "_version": 5, "_source": "s"}), {"s": 3}, now=AT)
    assert merged.deleted == 6
    assert live(table) == {"e00007": 9, "e00009": 9, "e00010": 6}
    late = table.append(batch(change(1, 4, "u")), {"s": 4}, now=AT)
    assert (late.stale, late.logged) == (1, 0)
    assert live(table) == {"e00007": 9, "e00009": 9, "e00010": 6}


# ---- writers


def test_a_writer_of_another_partition_is_in_nobodys_way(tmp_path, monkeypatch):
    one, two = lake(tmp_path / "t"), lake(tmp_path / "t")
    one.merge(batch(*map(change, range(6))), {"s": 1}, now=AT)
    plan, planned = two._planner.plan, []

    def slowly(*arguments, **more):
        planned.append(plan(*arguments, **more))
        one.merge(batch(change(1, 2, "u")), {"one": len(planned)}, now=AT)
        return planned[-1]

    monkeypatch.setattr(two._planner, "plan", slowly)
    merged = two.merge(batch(change(0, 2, "u")), {"two": 1}, now=AT)
    assert (merged.attempts, len(planned)) == (1, 1)
    assert (live(one)["e00000"], live(one)["e00001"]) == (2, 2)


def test_a_writer_of_the_same_partition_makes_a_merge_look_again(tmp_path, monkeypatch):
    one, two = lake(tmp_path / "t"), lake(tmp_path / "t")
    one.merge(batch(*map(change, range(6))), {"s": 1}, now=AT)
    plan, planned = two._planner.plan, []

    def slowly(*arguments, **more):
        planned.append(plan(*arguments, **more))
        if len(planned) == 1:
            one.merge(batch(change(0, 9, "u")), {"one": 1}, now=AT)
        return planned[-1]

    monkeypatch.setattr(two._planner, "plan", slowly)
    merged = two.merge(batch(change(0, 2, "u"), change(3, 2, "u")), {"two": 1}, now=AT)
    assert (merged.attempts, merged.stale, merged.updated) == (2, 1, 1)
    assert (live(one)["e00000"], live(one)["e00003"]) == (9, 2)
    written = {Path(one_file.path).name for one_file in planned[0].added}
    assert not written & {path.name for path in files_of(tmp_path / "t")}, "files of the lost attempt stay"


def test_a_merge_that_never_gets_through_says_so_and_loses_nothing(tmp_path, monkeypatch):
    table = lake(tmp_path / "t")
    table.merge(batch(change(1)), {"s": 1}, now=AT)

    def contended(*_, **__):
        raise ContendedError

    with monkeypatch.context() as patch:
        patch.setattr(table._log, "commit", contended)
        patch.setattr("maestro_adapters.delta.table._ATTEMPTS", 2)
        with pytest.raises(ConflictError, match="2 times"):
            table.merge(batch(change(1, 2, "u")), {"s": 2}, now=AT)
        patch.setattr(table._side.log, "commit", contended)
        with pytest.raises(ConflictError):
            table.append(batch(change(1, 2, "u")), {"s": 2}, now=AT)
    assert (table.position("s"), live(table)) == (1, {"e00001": 1})


def test_two_threads_of_writers_lose_nothing(tmp_path):
    lake(tmp_path / "t").merge(batch(*map(change, range(12))), {"s": 0}, now=AT)
    failures = []

    def write(name, first):
        table = DeltaLake.open(tmp_path / "t")
        try:
            for turn in range(1, 6):
                rows = [change(number, 10 * turn + first, "u") for number in range(first, first + 8)]
                table.merge(batch(*rows), {name: turn}, now=AT)
        except MaestroError as error:  # told below, with its thread
            failures.append(f"{name}: {error!r}")
        finally:
            table.close()

    threads = [threading.Thread(target=write, args=(f"w{first}", first)) for first in (0, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    found = live(DeltaLake.open(tmp_path / "t"))
    assert found == {f"e{number:05d}": 50 if number < 4 else 54 for number in range(12)}


KILLED = """
import sys, os
sys.path[:0] = {paths!r}
from lake.support import *
table = lake({table!r})
from maestro_adapters.delta.log import DeltaLog
commit, count = DeltaLog.commit, 0
def deadly(self, change, *, now):
    global count
    count += 1
    if count == {die} and {before}:
        os.kill(os.getpid(), 9)
    commit(self, change, now=now)
    if count == {die}:
        os.kill(os.getpid(), 9)
DeltaLog.commit = deadly
for turn in range(1, 6):
    rows = [change(number, turn * 10, "u") for number in range(6)]
    (table.append if turn % 2 else table.merge)(batch(*rows), {{"s": turn}}, now=AT)
    table.fold(now=AT)
"""


@pytest.mark.parametrize("die", [1, 2, 4, 6])
@pytest.mark.parametrize("before", [True, False], ids=["before its commit", "after its commit"])
def test_a_writer_that_is_killed_leaves_a_table_that_goes_on(tmp_path, die, before):
    path = str(tmp_path / "t")
    lake(path).merge(batch(*map(change, range(6))), {"s": 0}, now=AT)
    code = KILLED.format(paths=[str(Path(__file__).parent.parent)], table=path, die=die, before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    table = lake(path)
    for turn in range(1, 6):  # the source tells from its beginning again
        rows = [change(number, turn * 10, "u") for number in range(6)]
        table.merge(batch(*rows), {"s": turn}, now=AT)
    table.fold(now=AT)
    assert live(table) == {f"e{number:05d}": 50 for number in range(6)}
    assert table.position("s") == 5


# ---- upkeep


def test_upkeep_joins_small_files_and_cleans_up_after_killed_writers(tmp_path, monkeypatch):
    table = lake(tmp_path / "t")
    for turn in range(6):
        table.merge(batch(change(turn, turn + 1)), {"s": turn}, now=AT)
    for turn in range(6, 12):
        table.append(batch(change(turn, turn + 1)), {"s": turn}, now=AT)
    table.quarantine([], now=AT)
    (tmp_path / "t" / "orphan.parquet").write_bytes(b"left by a writer that was killed")
    monkeypatch.setattr(keeping, "_ENOUGH", 2)
    monkeypatch.setattr(keeping, "_LOG_FILES", 5)
    monkeypatch.setattr(keeping, "RETENTION", timedelta(0))
    before, seen = table.status(), live(table)
    done = table.upkeep(now=AT)
    after = table.status()
    assert done.steps == ("compact", "checkpoint", "vacuum")
    assert (before.files, after.files, before.small_files) == (6, 3, 6)
    assert done.files_compacted == 6
    assert done.files_deleted == 7
    assert not (tmp_path / "t" / "orphan.parquet").exists()
    assert live(table) == seen
    assert after.log_files < before.log_files
    assert after.committed_at is not None
    assert after.positions == {"s": 11}
    assert table.upkeep(now=AT).steps == ()


def test_a_compaction_that_meets_a_merge_is_dropped(tmp_path, monkeypatch):
    table = lake(tmp_path / "t")
    for turn in range(4):
        table.merge(batch(change(3 * turn, turn + 1)), {"s": turn}, now=AT)

    def contended(*_, **__):
        raise ContendedError

    with monkeypatch.context() as patch:
        patch.setattr(table._log, "commit", contended)
        assert table.upkeep(now=AT).files_compacted == 0
    assert len(files_of(tmp_path / "t")) == 4
    assert len(live(table)) == 4


# ---- what is declared


def test_a_table_knows_how_it_was_declared(tmp_path):
    spec = TableSpec(key=("executionId", "n"), partition_by="day", lateness=5)
    lake(tmp_path / "t", spec).merge(batch(change(1)), {"s": 1}, now=AT)
    assert declared(tmp_path / "t") == spec
    assert DeltaLake.open(tmp_path / "t").spec == spec
    assert declared(tmp_path / "nothing") is None
    with pytest.raises(BadInputError, match="is no table"):
        DeltaLake.open(tmp_path / "nothing")
    with pytest.raises(BadInputError, match="laid out, which is by day"):
        lake(tmp_path / "t", TableSpec()).position("s")


def test_a_table_of_somebody_else_is_left_alone(tmp_path):
    write_deltalake(tmp_path / "t", pa.table({"a": [1]}))
    with pytest.raises(BadInputError, match="did not make"):
        DeltaLake.open(tmp_path / "t")


@pytest.mark.parametrize("call", ["read", "status", "upkeep"])
def test_a_table_that_is_not_there_yet(tmp_path, call):
    table = lake(tmp_path / "t")
    assert (table.position("s"), table.schema()) == (None, COLUMNS)
    assert not table.fold(now=AT).merged.applied
    with pytest.raises(BadInputError, match="is no table"):
        getattr(table, call)(**({"now": AT} if call == "upkeep" else {}))


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.uint64(), pa.time64("us")])
def test_a_type_that_delta_would_bend_is_refused(tmp_path, kind):
    columns = COLUMNS.append(pa.field("x", kind))
    with pytest.raises(BadInputError, match=r"x: .*cannot hold") as told_error:
        lake(tmp_path / "t", columns=columns).merge(batch_of([], columns), {"s": 1}, now=AT)
    assert told_error.value.code == "schema_drift"
    assert not (tmp_path / "t").exists()


def test_a_key_that_is_no_column(tmp_path):
    with pytest.raises(BadInputError, match="other: is no column"):
        lake(tmp_path / "t", TableSpec(key=("other",))).merge(batch(), {"s": 1}, now=AT)


def test_any_type_and_value_comes_back_as_it_went(tmp_path):
    columns = pa.schema(
        [
            ("executionId", pa.string()),
            ("b", pa.bool_()),
            ("f", pa.float64()),
            ("d", pa.decimal128(10, 2)),
            ("at", pa.timestamp("us", tz="UTC")),
            ("x", pa.binary()),
            ("l", pa.list_(pa.field("element", pa.string()))),
            ("s", pa.struct([("a", pa.int32())])),
            ("long", pa.string()),
        ]
    )
    values = [
        True,
        float("inf"),
        None,
        AT + timedelta(microseconds=1),
        b"\xff",
        ["a", None],
        {"a": 1},
        "x" * 999,
    ]
    rows = [dict(zip(columns.names, ["a", *values], strict=True)), {"executionId": "b"}]
    ours = {"_op": "c", "_version": 1, "_source": "s"}
    table = lake(tmp_path / "t", TableSpec(), columns=columns)
    table.merge(batch_of([row | ours for row in rows], columns), {"s": 1}, now=AT)
    table.merge(batch_of([{"executionId": "c"} | ours], columns), {"s": 2}, now=AT)
    found = table.read().sort_by("executionId")
    assert found == pa.Table.from_pylist([*rows, {"executionId": "c"}], schema=columns)
    assert sorted(DeltaTable(tmp_path / "t").to_pyarrow_table()["executionId"].to_pylist()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (True, "true"),
        (False, "false"),
        (AT, "2026-03-30T00:00:00.000000Z"),
        (AT.date(), "2026-03-30"),
        (AT.replace(tzinfo=None), "2026-03-30 00:00:00"),
        (7, "7"),
        ("a/b", "a/b"),
    ],
)
def test_partition_values_as_deltas_protocol_writes_them(value, text):
    assert partition_text(value) == text


@pytest.mark.parametrize("value", ["a/b c%", "ünï", "x" * 200, "=", "'"])
def test_odd_partition_values(tmp_path, value):
    columns = pa.schema([("executionId", pa.string()), ("p q/", pa.string())])
    spec = TableSpec(partition_by="p q/")
    row = {"executionId": "a", "p q/": value, "_op": "c", "_version": 1, "_source": "s"}
    table = lake(tmp_path / "t", spec, columns=columns)
    table.merge(batch_of([row], columns), {"s": 1}, now=AT)
    table.merge(batch_of([row | {"_version": 2, "_op": "u"}], columns), {"s": 2}, now=AT)
    assert DeltaTable(tmp_path / "t").to_pyarrow_table()["p q/"].to_pylist() == [value]
    assert table.read().to_pylist() == [{"executionId": "a", "p q/": value}]


# ---- faults


def test_a_table_that_is_removed_under_us(tmp_path):
    import shutil

    table = lake(tmp_path / "t")
    table.merge(batch(change(1)), {"s": 1}, now=AT)
    shutil.rmtree(tmp_path / "t")
    with pytest.raises(PortError, match="there is no table") as gone:
        table.merge(batch(change(2)), {"s": 2}, now=AT)
    assert (gone.value.code, gone.value.retry_after) == ("table_gone", None)
    assert not (tmp_path / "t").exists()


def test_a_file_that_is_removed_under_us(tmp_path):
    table = lake(tmp_path / "t")
    table.merge(batch(change(1)), {"s": 1}, now=AT)
    for path in files_of(tmp_path / "t"):
        (tmp_path / "t" / path).unlink()
    with pytest.raises(PortError) as gone:
        table.merge(batch(change(1, 2, "u")), {"s": 2}, now=AT)
    assert gone.value.code == "table_gone"
    assert table.position("s") == 1


@pytest.mark.parametrize(
    ("number", "code", "waits"),
    [
        (errno.ENOSPC, "store_full", True),
        (errno.EACCES, "store_refused", False),
        (errno.EROFS, "store_read_only", False),
    ],
)
def test_a_disk_that_does_not_take_it(tmp_path, monkeypatch, number, code, waits):
    table = lake(tmp_path / "t")
    table.merge(batch(change(1)), {"s": 1}, now=AT)

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", refuse)
        with pytest.raises(PortError, match=str(tmp_path)) as full:
            table.merge(batch(change(1, 2, "u")), {"s": 2}, now=AT)
    assert (full.value.code, full.value.retry_after is not None) == (code, waits)
    assert (table.position("s"), live(table)) == (1, {"e00001": 1})
    assert table.merge(batch(change(1, 2, "u")), {"s": 2}, now=AT).updated == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("No space left on device", "store_full"),
        ("AccessDenied by policy", "store_refused"),
        ("what?", "store_failed"),
    ],
)
def test_errors_of_object_stores_are_told_by_their_words(text, code):
    assert told(ValueError(text), "s3://b/t").code == code


def test_a_commit_that_fails_for_another_reason_is_no_conflict(tmp_path, monkeypatch):
    from deltalake.exceptions import CommitFailedError

    table = lake(tmp_path / "t")
    table.merge(batch(change(1)), {"s": 1}, now=AT)

    class Failing:
        def __getattr__(self, name):
            return getattr(DeltaTable(tmp_path / "t"), name)

        def create_write_transaction(self, *_, **__):
            raise CommitFailedError("the disk says no")

    monkeypatch.setattr(table._log, "_table", Failing())
    with pytest.raises(PortError, match="the disk says no"):
        table._log.commit(Change(), now=AT)


def test_a_table_whose_column_was_added_by_another_engine(tmp_path):
    from deltalake import Field

    table = lake(tmp_path / "t")
    table.merge(batch(change(1)), {"s": 1}, now=AT)
    DeltaTable(tmp_path / "t").alter.add_columns([Field("note", "string", nullable=True)])
    assert table.read(["executionId", "note"]).to_pylist() == [{"executionId": "e00001", "note": None}]
    wider = COLUMNS.append(pa.field("note", pa.string()))
    table.merge(batch_of([change(1, 2, "u") | {"note": "x"}], wider), {"s": 2}, now=AT)
    assert table.read(["n", "note"]).to_pylist() == [{"n": 2, "note": "x"}]


def test_the_log_is_plain_delta(tmp_path):
    lake(tmp_path / "t").merge(batch(change(1)), {"s": 7}, now=AT)
    written = [
        json.loads(line)
        for path in sorted((tmp_path / "t" / "_delta_log").glob("*.json"))
        for line in path.read_text().splitlines()
    ]
    assert {"txn": {"appId": "maestro/position/s", "version": 7}} in written
    (added,) = [line["add"] for line in written if "add" in line]
    assert json.loads(added["stats"])["minValues"]["executionId"] == "e00001"
