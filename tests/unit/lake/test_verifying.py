"""A table against its source."""

import pyarrow as pa

from maestro.lake.changes import batch_of
from maestro.lake.verifying import compare, expected

COLUMNS = pa.schema([("k", pa.string()), ("n", pa.int64())])
NAN = float("nan")


def rows(*listed, columns=COLUMNS):
    return pa.Table.from_pylist(
        [dict(zip(columns.names, row, strict=True)) for row in listed], schema=columns
    )


def test_the_live_rows_of_a_history():
    ours = {"_source": "s"}
    told = batch_of(
        [
            {"k": "a", "n": 1, "_op": "c", "_version": 1} | ours,
            {"k": "a", "n": 2, "_op": "u", "_version": 2} | ours,
            {"k": "b", "n": 1, "_op": "c", "_version": 3} | ours,
            {"k": "b", "_op": "d", "_version": 4} | ours,
        ],
        COLUMNS,
    )
    assert expected(told, ["k"], ["k", "n"]) == rows(("a", 2))


def test_equal_tables():
    found = compare(rows(("a", 1), ("b", None)), rows(("b", None), ("a", 1)), ["k"])
    assert found.equal
    assert (found.rows, found.sample) == (2, ())


def test_what_differs_is_counted_and_shown():
    found = compare(rows(("a", 1), ("b", 1), ("c", 1)), rows(("b", 2), ("c", 1), ("c", 1), ("x", 1)), ["k"])
    assert not found.equal
    assert (found.missing, found.extra, found.different) == (1, 2, 1)
    assert found.sample == (
        {"kind": "missing", "key": {"k": "a"}},
        {"kind": "extra", "key": {"k": "x"}},
        {"kind": "different", "key": {"k": "b"}, "column": "n", "expected": 1, "found": 2},
    )


def test_nothing_is_equal_to_nothing():
    assert compare(rows(), rows(), ["k"]).equal


def test_nan_is_equal_to_nan_and_lists_are_compared_whole():
    columns = pa.schema([("k", pa.string()), ("f", pa.float64()), ("l", pa.list_(pa.int64()))])
    ours = rows(("a", NAN, [1]), ("b", 1.0, None), ("c", None, [1]), columns=columns)
    assert compare(ours, ours, ["k"]).equal
    theirs = rows(("a", NAN, [2]), ("b", NAN, None), ("c", 1.0, [1]), columns=columns)
    assert compare(ours, theirs, ["k"]).different == 3
