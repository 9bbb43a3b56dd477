"""Histories of changes: what a source did to its rows, and the ways in which it may be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from maestro.ports.lake import TableSpec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["AT", "SOURCE_NAME", "SPEC", "columns", "histories", "rows_after", "tellings"]

SPEC = TableSpec(key=("tenant", "run"), partition_by="day")
"""The table that the kit asks for."""
SOURCE_NAME = "kit"
AT = datetime(2026, 3, 30, tzinfo=UTC)
"""When everything happens."""
_OPS = st.sampled_from(["c", "u", "u", "r", "d", "d only key", "u", "c", "d"])
_KEYS = st.tuples(st.sampled_from(["acme", "b", "ab"]), st.integers(0, 4))

Change = Mapping[str, Any]


def columns() -> pa.Schema:
    """The table's own columns."""
    import pyarrow as pa

    return pa.schema(
        [
            ("tenant", pa.string()),
            ("run", pa.int64()),
            ("day", pa.string()),
            ("n", pa.int64()),
            ("note", pa.string()),
        ]
    )


def histories(*, truncates: bool = True) -> st.SearchStrategy[Sequence[Change]]:
    """Changes in the order in which the source made them, versions rising."""
    made = st.tuples(_OPS, _KEYS, st.integers(1, 3), st.integers(0, 30 if truncates else 0))
    return st.lists(made, min_size=1, max_size=24).map(_history)


def tellings(history: Sequence[Change]) -> st.SearchStrategy[Sequence[Sequence[Change]]]:
    """The same changes in any order, some told again, cut into batches."""
    again = st.lists(st.sampled_from(list(history)), max_size=6)
    shuffled = again.flatmap(lambda more: st.permutations([*history, *more]))
    return st.tuples(shuffled, st.lists(st.integers(1, 8), min_size=1, max_size=40)).map(_cut)


def rows_after(history: Sequence[Change]) -> list[dict[str, Any]]:
    """The table that applying the history in order gives: the model is a dictionary."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for change in history:
        if change["_op"] == "t":
            rows.clear()
            continue
        key = (change["tenant"], change["run"])
        if change["_op"] == "d":
            rows.pop(key, None)
        else:
            rows[key] = {name: value for name, value in change.items() if name[0] != "_"}
    return [rows[key] for key in sorted(rows)]


def _history(made: Sequence[tuple[str, tuple[str, int], int, int]]) -> Sequence[Change]:
    version, changes = 0, []
    for op, (tenant, run), step, chance in made:
        version += step
        change: dict[str, Any] = {
            "_op": op[0],
            "_version": version,
            "_event_time": AT + timedelta(seconds=version),
            "_source": SOURCE_NAME,
        }
        if chance == 30:
            change["_op"] = "t"
        else:
            change |= {"tenant": tenant, "run": run}
            if op != "d only key":
                change["day"] = f"day-{run % 3}"
            if op[0] != "d":
                change |= {"n": version, "note": f"note {version}" if version % 3 else None}
        changes.append(change)
    return changes


def _cut(drawn: tuple[Sequence[Change], Sequence[int]]) -> Sequence[Sequence[Change]]:
    changes, sizes = drawn
    batches, start = [], 0
    for size in [*sizes, len(changes)]:
        if start < len(changes):
            batches.append(changes[start : start + size])
        start += size
    return batches
