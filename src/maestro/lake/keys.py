"""Finds rows by key, also by several columns, without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["match", "members"]


def match(rows: pa.Table, among: pa.Table, key: Sequence[str]) -> pa.Array:
    """For each row the place of its key in ``among``, whose keys are distinct; null where there is none."""
    import pyarrow.compute as pc

    if len(key) == 1:
        place = pc.index_in(_whole(rows[key[0]]), value_set=_whole(among[key[0]]), skip_nulls=True)
        return pc.cast(place, "int64")
    found, wanted = _codes(rows, among, key[0])
    for column in key[1:]:
        more, also = _codes(rows, among, column)
        # Two codes become one: both are below the number of rows in `among`, so the product fits 64 bits.
        width = max(len(among), 1)
        pairs = pc.add(pc.multiply(wanted, width), also)
        found = pc.add(pc.multiply(found, width), more)
        distinct = pc.unique(pairs)
        found = pc.cast(pc.index_in(found, value_set=distinct, skip_nulls=True), "int64")
        wanted = pc.cast(pc.index_in(pairs, value_set=distinct), "int64")
    # The codes of `among` are now distinct, one a row: turn them into places.
    return pc.cast(pc.index_in(found, value_set=wanted, skip_nulls=True), "int64")


def members(rows: pa.Table, among: pa.Table, key: Sequence[str]) -> Any:
    """For each row whether its key is in ``among``, whose keys are distinct."""
    import pyarrow.compute as pc

    return pc.is_valid(match(rows, among, key))


def _codes(rows: pa.Table, among: pa.Table, column: str) -> tuple[Any, Any]:
    """Numbers that stand for the values of one column: of the rows (null: not in ``among``), and of ``among``."""
    import pyarrow.compute as pc

    values = _whole(among[column])
    distinct = pc.unique(values)
    found = pc.index_in(_whole(rows[column]), value_set=distinct, skip_nulls=True)
    return pc.cast(found, "int64"), pc.cast(pc.index_in(values, value_set=distinct), "int64")


def _whole(column: Any) -> Any:
    """A column in one piece."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
