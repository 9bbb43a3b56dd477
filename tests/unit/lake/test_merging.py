"""The pieces of a merge: dedupe, keys, routing, applying."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.lake import applying, dedupe, keys, resolving, routing, sifting
from maestro.lake.changes import batch_of, table_schema
from maestro.lake.routing import DataFile
from maestro.ports.lake import TableSpec
from maestro.testing.strategies.changes import AT

COLUMNS = pa.schema(
    [("k", pa.string()), ("p", pa.string()), ("n", pa.int64()), ("tags", pa.list_(pa.string()))]
)


def change(key, version=1, op="u", **more):
    return {"k": key, "p": "p1", "n": version, "_op": op, "_version": version, "_source": "s"} | more


def batch(*rows):
    return batch_of(rows, COLUMNS)


def stored(*rows):
    ours = {"_deleted": False, "_version": 1, "_source": "s", "p": "p1"}
    return pa.Table.from_pylist([ours | row for row in rows], schema=table_schema(COLUMNS))


# ---- dedupe


def later(**of):
    return change("a", 5, **of)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (change("a", 4), change("a", 5)),
        (later(_event_time=None), later(_event_time=AT, n=2)),
        (later(op="r"), later(op="u", n=2)),
        (later(op="u"), later(op="d", n=2)),
        (later(n=1), later(n=2)),
    ],
    ids=["version", "event time", "read", "delete", "place"],
)
@pytest.mark.parametrize("many", [50_000, 1])
def test_the_later_of_two_changes_counts_and_ties_are_settled(first, second, many, monkeypatch):
    monkeypatch.setattr(dedupe, "_MANY", many)
    want = batch(second).to_pylist()
    assert dedupe.latest(batch(first, second), ["k"]).to_pylist() == want
    if first["n"] != 1:  # the place in the batch is the last resort
        assert dedupe.latest(batch(second, first), ["k"]).to_pylist() == want


def test_a_truncate_voids_what_is_older_of_its_source():
    told = batch(
        change("a", 3),
        change("b", 9),
        change("c", 3, _source="other"),
        {"_op": "t", "_version": 5, "_source": "s"},
    )
    found = dedupe.dedupe(told, ["k"], {"s": 2})
    assert sorted(found.changes["k"].to_pylist()) == ["b", "c"]
    assert (found.truncated, found.stale) == ({"s": 5}, 1)
    again = dedupe.dedupe(batch(change("a", 4)), ["k"], found.truncated)
    assert (len(again.changes), again.stale) == (0, 1)


def test_a_delete_takes_the_partition_that_its_key_has_elsewhere_in_the_batch():
    told = batch(change("a", 1, p="p7"), change("a", 2, op="d", p=None), change("b", 2, op="d", p=None))
    found = dedupe.dedupe(told, ["k"], {}, "p").changes
    assert {row["k"]: row["p"] for row in found.to_pylist()} == {"a": "p7", "b": None}


# ---- keys

KEYS = st.tuples(st.sampled_from(["a", "b", "aa"]), st.integers(0, 3), st.sampled_from(["x", "y"]))


@given(
    rows=st.lists(KEYS, max_size=12), among=st.lists(KEYS, max_size=12, unique=True), width=st.integers(1, 3)
)
def test_keys_are_found_as_a_dictionary_finds_them(rows, among, width):
    names = ["a", "b", "c"][:width]
    among = list(dict.fromkeys(key[:width] for key in among))
    kinds = [pa.string(), pa.int64(), pa.string()]

    def table(listed):
        return pa.table([pa.array([key[i] for key in listed], kinds[i]) for i in range(width)], names=names)

    places = {key: place for place, key in enumerate(among)}
    found = keys.match(table(rows), table(among), names)
    assert found.to_pylist() == [places.get(key[:width]) for key in rows]
    assert keys.members(table(rows), table(among), names).to_pylist() == [
        key[:width] in places for key in rows
    ]


def test_a_column_in_pieces_is_one_column():
    rows = pa.concat_tables([pa.table({"k": ["a"]}), pa.table({"k": ["b"]})])
    assert keys.match(rows, pa.table({"k": ["b"]}), ["k"]).to_pylist() == [None, 0]


# ---- routing


def file(name, partition=None, low=None, high=None, size=1000):
    return DataFile(name, partition, 10, size, low, high)


@pytest.mark.parametrize(
    ("low", "high", "may"),
    [("a", "c", True), ("c", "d", True), ("d", "f", False), ("g", "z", True), (None, "b", True)],
)
def test_a_file_may_hold_a_key_by_its_statistics(low, high, may):
    found = routing.may_hold([file("f", low=low, high=high)], batch(change("c"), change("g")), "k")
    assert bool(found) is may


def test_cheap_partitions_are_hot_and_dear_ones_wait():
    told = batch(
        *(change(f"h{i}") for i in range(10)),
        change("l", p="p2"),
        change("new", p="p9"),
        change("x", op="d", p=None),
    )
    routed = routing.route(told, "p", [file("1", "p1"), file("2", "p2")], budget=100)
    assert {name: len(rows) for name, rows in routed.hot.items()} == {"p1": 10, "p9": 1}
    assert sorted(routed.late["k"].to_pylist()) == ["l", "x"]


@pytest.mark.parametrize(("budget", "hot"), [(1000, True), (999, False)])
def test_without_partitions_it_is_all_or_nothing(budget, hot):
    routed = routing.route(batch(change("a")), None, [file("1")], budget=budget)
    assert (bool(routed.hot), len(routed.late)) == (hot, 0 if hot else 1)


def test_nothing_is_routed_nowhere():
    routed = routing.route(batch(), None, [], budget=10)
    assert (dict(routed.hot), len(routed.late)) == ({}, 0)


def test_new_rows_go_to_the_file_whose_range_they_fall_into():
    new = batch(change("a"), change("f"), change("m"), change("z"))
    files = [
        file("1", low=None, high=None),
        file("2", low=None),
        file("3", low="f", high="h"),
        file("4", low="m"),
    ]
    shares = routing.share_out(new, files, "k")
    assert [share["k"].to_pylist() for share in shares] == [[], ["a"], ["f"], ["m", "z"]]
    assert routing.share_out(new, [], "k") == []


# ---- applying


def test_the_newer_of_old_row_and_change_stands():
    old = stored(
        {"k": "a", "n": 1},
        {"k": "b", "n": 1, "_version": 9},
        {"k": "c", "n": 1},
        {"k": "gone", "_deleted": True},
    )
    told = batch(change("a", 5), change("b", 5), change("c", 5, op="d"), change("gone", 5), change("new", 5))
    done = applying.apply(old, told, ["k"], ["k", "p"])
    assert done.counts == applying.Counts(inserted=1, updated=1, deleted=1, stale=1)
    assert done.counts.applied == 3
    assert done.kept["k"].to_pylist() == ["b"]
    assert done.unmatched["k"].to_pylist() == ["new"]
    assert {row["k"]: (row["_deleted"], row["n"]) for row in done.changed.to_pylist()} == {
        "a": (False, 5),
        "c": (True, None),
        "gone": (False, 5),
    }


def test_a_tombstone_keeps_no_value_of_the_row():
    told = batch(change("a", 5, op="d", tags=["secret"]), change("b", 5, tags=["kept"]))
    rows = applying.new_rows(told, table_schema(COLUMNS), ["k", "p"]).to_pylist()
    assert [(row["k"], row["p"], row["n"], row["tags"], row["_version"]) for row in rows] == [
        ("a", "p1", None, None, 5),
        ("b", "p1", 5, ["kept"], 5),
    ]


def test_new_keys_count_as_what_was_done_to_them():
    assert applying.count_new(batch(change("a"), change("b", op="d"))) == applying.Counts(
        inserted=1, deleted=1
    )


def test_old_tombstones_are_purged_and_voided_rows_too():
    rows = stored(
        {"k": "live"},
        {"k": "old", "_deleted": True},
        {"k": "young", "_deleted": True, "_version": 9},
        {"k": "other", "_deleted": True, "_source": "o"},
    )
    assert applying.purge(rows, {"s": 3}, {})["k"].to_pylist() == ["live", "young", "other"]
    assert applying.purge(rows, {}, {"s": 5})["k"].to_pylist() == ["young", "other"]


# ---- resolving: engines without files of ours


@pytest.mark.parametrize("partition_by", ["p", None])
def test_a_batch_is_settled_against_rows_of_its_keys(partition_by):
    existing = stored(
        {"k": "a"},
        {"k": "b", "_version": 9},
        {"k": "c", "p": "p2"},
        {"k": "m"},
        {"k": "gone", "_deleted": True},
    )
    told = batch(
        change("a", 5),
        change("b", 5),
        change("c", 5, op="d", p=None),
        change("m", 5, p="p7"),
        change("gone", 5),
        change("new", 5, op="c"),
    )
    found = resolving.resolve(told, existing, TableSpec(key=("k",), partition_by=partition_by))
    moved = 0 if partition_by is None else 1
    assert found.counts == applying.Counts(inserted=2, updated=2 - moved, deleted=1, stale=1)
    assert [one.reason for one in found.poison] == ["partition_changed"] * moved
    partitions = {row["k"]: row["p"] for row in found.changes.to_pylist()}
    assert partitions["c"] == ("p2" if partition_by else None)


# ---- sifting


@pytest.mark.parametrize("kind", [pa.string(), pa.int32()])
def test_a_partition_of_any_type_may_be_missing(kind):
    columns = pa.schema([("k", pa.string()), ("p", kind)])
    rows = [
        {"k": "a", "p": None},
        {"k": "b", "p": "" if kind == pa.string() else None},
        {"k": "c", "_op": "d"},
    ]
    told = batch_of([{"_op": "c", "_version": 1, "_source": "s"} | row for row in rows], columns)
    found = sifting.sift(told, TableSpec(key=("k",), partition_by="p"), now=AT)
    assert found.changes["k"].to_pylist() == ["c"]
    assert [one.reason for one in found.poison] == ["no_partition", "no_partition"]
    assert found.poison[0].source == "s"
    assert b'"k":"a"' in found.poison[0].payload
