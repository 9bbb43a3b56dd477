"""New rows from old ones: the heart of a merge, for one piece of a table at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from maestro.lake.changes import DELETED, OP, SOURCE, VERSION, Op
from maestro.lake.dedupe import drop_truncated
from maestro.lake.keys import match

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Applied", "Counts", "apply", "count_new", "new_rows", "purge"]


@attrs.frozen
class Counts:
    """What became of changes; an applied delete counts as ``deleted`` also where the key never was."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    stale: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
            self.stale + other.stale,
        )

    @property
    def applied(self) -> int:
        """Changes that changed a row."""
        return self.inserted + self.updated + self.deleted


@attrs.frozen
class Applied:
    """What a piece of a table becomes.

    Attributes:
        kept: old rows that stay.
        changed: new rows for keys that the piece held.
        unmatched: changes whose key the piece does not hold, still as changes.
        counts: what became of the matched ones.
    """

    kept: pa.Table
    changed: pa.Table
    unmatched: pa.Table
    counts: Counts


def apply(old: pa.Table, changes: pa.Table, key: Sequence[str], keep: Sequence[str]) -> Applied:
    """Match changes with old rows and let the newer of each pair stand.

    Args:
        old: rows as stored.
        changes: one change a key, in a batch's form.
        key: the key columns.
        keep: columns that a tombstone keeps: the key and the partition.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    place = match(old, changes, key)
    newer = pc.fill_null(pc.greater(pc.take(_whole(changes[VERSION]), place), _whole(old[VERSION])), False)
    winners = place.filter(newer)
    was_deleted = _whole(old[DELETED]).filter(newer)
    won = changes.take(winners)
    is_delete = _whole(pc.equal(won[OP], str(Op.DELETE)))
    deleted = _count(is_delete)
    inserted = _count(pc.and_(was_deleted, pc.invert(is_delete)))
    matched = pc.unique(place.drop_null())
    unmatched = changes
    if len(matched):
        found = pc.is_in(pa.arange(0, len(changes)), value_set=matched)
        unmatched = changes.filter(pc.invert(found))
    counts = Counts(
        inserted=inserted,
        updated=len(won) - deleted - inserted,
        deleted=deleted,
        stale=len(matched) - len(won),
    )
    return Applied(
        kept=old.filter(pc.invert(newer)) if len(won) else old,
        changed=new_rows(won, old.schema, keep),
        unmatched=unmatched,
        counts=counts,
    )


def new_rows(changes: pa.Table, schema: pa.Schema, keep: Sequence[str]) -> pa.Table:
    """Changes as rows of the table; a deleted row keeps its key, its partition and its version, and no other value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_delete = _whole(pc.equal(changes[OP], str(Op.DELETE)))
    any_delete = pc.any(is_delete).as_py()
    columns = []
    for field in schema:
        if field.name == DELETED:
            columns.append(is_delete)
        elif any_delete and field.name not in keep and field.name not in {VERSION, SOURCE}:
            columns.append(_blank(changes[field.name], is_delete))
        else:
            columns.append(changes[field.name])
    return pa.table(columns, schema=schema)


def count_new(unmatched: pa.Table) -> Counts:
    """What the changes of unknown keys count as."""
    import pyarrow.compute as pc

    deleted = _count(pc.equal(unmatched[OP], str(Op.DELETE)))
    return Counts(inserted=len(unmatched) - deleted, deleted=deleted)


def purge(rows: pa.Table, bounds: Mapping[str, int], truncated: Mapping[str, int]) -> pa.Table:
    """Rows without those that truncates voided, and without tombstones at or below their source's bound."""
    import pyarrow.compute as pc

    rows = drop_truncated(rows, truncated)
    for source, version in bounds.items():
        old = pc.and_(pc.equal(rows[SOURCE], source), pc.less_equal(rows[VERSION], version))
        rows = rows.filter(pc.invert(pc.fill_null(pc.and_(rows[DELETED], old), False)))
    return rows


def _blank(column: Any, where: Any) -> Any:
    """A column with nulls where asked; by index, for that works for every type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    places = pc.if_else(where, pa.scalar(None, pa.int64()), pa.arange(0, len(where)))
    return column.take(places)


def _count(mask: Any) -> int:
    return int(mask.true_count) if hasattr(mask, "true_count") else sum(c.true_count for c in mask.chunks)


def _whole(column: Any) -> Any:
    return column.combine_chunks() if hasattr(column, "chunks") else column
