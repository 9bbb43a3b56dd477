"""Settles a batch against what a table already has of its keys, for engines that then write by SQL or by partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from maestro.lake.applying import Counts
from maestro.lake.changes import DELETED, OP, VERSION, Op
from maestro.lake.dedupe import latest_by_column
from maestro.lake.keys import match
from maestro.lake.reasons import PoisonReason
from maestro.lake.sifting import poison_of
from maestro.ports.lake import Poison, TableSpec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Resolved", "resolve"]


@attrs.frozen
class Resolved:
    """What is left to write.

    Attributes:
        changes: those that are newer than what the table has; a delete has its row's partition where there is one.
        counts: what becomes of all.
        poison: those that would move a row.
    """

    changes: pa.Table
    counts: Counts
    poison: tuple[Poison, ...]


def resolve(changes: pa.Table, existing: pa.Table, spec: TableSpec) -> Resolved:
    """Compare each change with the newest row of its key.

    Args:
        changes: one change a key.
        existing: rows of these keys from any partition, at least key, partition, ``_version`` and ``_deleted``.
        spec: the table's declaration.
    """
    import pyarrow.compute as pc

    newest = latest_by_column(existing, spec.key, VERSION)
    place = match(changes, newest, spec.key)
    theirs = _whole(newest[VERSION]).take(place)
    gone = pc.fill_null(_whole(newest[DELETED]).take(place), True)
    stale = pc.fill_null(pc.greater_equal(theirs, _whole(changes[VERSION])), False)
    is_delete = _whole(pc.equal(changes[OP], str(Op.DELETE)))
    poison: tuple[Poison, ...] = ()
    void = stale
    if spec.partition_by is not None:
        partition = _whole(newest[spec.partition_by]).take(place)
        moves = _moves(changes, partition, gone, stale, spec.partition_by)
        detail = f"{spec.partition_by} is another one than the row's."
        poison = tuple(poison_of(changes.filter(moves), PoisonReason.PARTITION_CHANGED, detail))
        filled = pc.if_else(
            is_delete,
            pc.coalesce(partition, _whole(changes[spec.partition_by])),
            _whole(changes[spec.partition_by]),
        )
        at = changes.schema.get_field_index(spec.partition_by)
        changes = changes.set_column(at, changes.schema.field(at), filled)
        void = pc.or_(stale, moves)
    write = pc.invert(void)
    is_new = pc.and_(write, pc.invert(is_delete))
    counts = Counts(
        inserted=_count(pc.and_(is_new, gone)),
        updated=_count(pc.and_(is_new, pc.invert(gone))),
        deleted=_count(pc.and_(write, is_delete)),
        stale=_count(stale),
    )
    return Resolved(changes.filter(write), counts, poison)


def _moves(changes: pa.Table, partition: Any, gone: Any, stale: Any, partition_by: str) -> Any:
    """Updates of a live row that name another partition than the row's."""
    import pyarrow.compute as pc

    is_update = _whole(pc.equal(changes[OP], str(Op.UPDATE)))
    other = pc.fill_null(pc.not_equal(partition, _whole(changes[partition_by])), False)
    return pc.and_(pc.and_(is_update, other), pc.and_(pc.invert(gone), pc.invert(stale)))


def _whole(column: Any) -> Any:
    return column.combine_chunks() if hasattr(column, "chunks") else column


def _count(mask: Any) -> int:
    return int(mask.true_count)
