"""Which change of a key counts: the latest, with ties settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from maestro.lake.changes import EVENT_TIME, OP, SOURCE, VERSION, Op
from maestro.lake.keys import match

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Deduped", "dedupe", "drop_truncated", "latest", "latest_by_column"]

_MANY = 50_000
"""Changes from which on finding each key's greatest version by hashing first is quicker than sorting all."""


@attrs.frozen
class Deduped:
    """One change a key, and what truncates of the batch leave.

    Attributes:
        changes: the latest change of each key, truncates not among them.
        truncated: per source the version below which its rows are gone.
        stale: changes that a truncate of the batch made void.
    """

    changes: pa.Table
    truncated: Mapping[str, int]
    stale: int


def dedupe(
    batch: pa.Table, key: Sequence[str], truncated: Mapping[str, int], partition_by: str | None = None
) -> Deduped:
    """One change a key.

    Args:
        batch: changes.
        key: the key columns.
        truncated: what earlier truncates left.
        partition_by: with it a delete that names no partition gets that of its key's other changes, if there are any.
    """
    import pyarrow.compute as pc

    is_truncate = pc.equal(batch[OP], str(Op.TRUNCATE))
    bounds = dict(truncated)
    for row in batch.filter(is_truncate).select([SOURCE, VERSION]).to_pylist():
        source = row[SOURCE] or ""
        bounds[source] = max(bounds.get(source, 0), row[VERSION])
    told = batch.filter(pc.invert(is_truncate))
    changes = latest(told, key)
    if partition_by is not None and changes[partition_by].null_count:
        changes = _with_partition(changes, told, key, partition_by)
    alive = drop_truncated(changes, bounds)
    return Deduped(alive, bounds, len(changes) - len(alive))


def latest(changes: pa.Table, key: Sequence[str]) -> pa.Table:
    """The latest change of each key.

    The greater ``_version`` is later. A tie is settled by the later ``_event_time`` (none is earliest), then anything
    beats a snapshot's read, then a delete beats a write, then the place in the batch: the last one counts.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(changes) < 2:
        return changes
    if len(changes) > _MANY:
        changes, settled = _newest(changes, key)
        if settled:
            return changes
    rank = pc.add(
        pc.cast(pc.not_equal(changes[OP], str(Op.READ)), "int8"),
        pc.cast(pc.equal(changes[OP], str(Op.DELETE)), "int8"),
    )
    earliest = pa.scalar(-(2**62), pa.int64()).cast(changes.schema.field(EVENT_TIME).type)
    ranked = pa.table(
        [changes[VERSION], pc.fill_null(changes[EVENT_TIME], earliest), rank, _places(changes)],
        names=["version", "event_time", "rank", "place"],
    )
    order = pc.sort_indices(ranked, sort_keys=[(name, "ascending") for name in ranked.column_names])
    return _last_of_each(changes.take(order), key)


def _newest(changes: pa.Table, key: Sequence[str]) -> tuple[pa.Table, bool]:
    """The changes of each key's greatest version, without sorting all; and whether no ties are left to settle."""
    import pyarrow.compute as pc

    best = changes.select([*key, VERSION]).group_by(list(key)).aggregate([(VERSION, "max")])
    newest = best[f"{VERSION}_max"].combine_chunks().take(match(changes, best, key))
    found = changes.filter(pc.equal(changes[VERSION].combine_chunks(), newest))
    return found, len(found) == len(best)


def latest_by_column(rows: pa.Table, key: Sequence[str], column: str) -> pa.Table:
    """The row of each key with the greatest value in a column."""
    import pyarrow.compute as pc

    return _last_of_each(rows.take(pc.sort_indices(rows[column])), key) if len(rows) > 1 else rows


def drop_truncated(rows: pa.Table, bounds: Mapping[str, int]) -> pa.Table:
    """The rows that no truncate made void: of another source, or not below its version."""
    import pyarrow.compute as pc

    for source, version in bounds.items():
        of_source = pc.fill_null(pc.equal(rows[SOURCE], source), source == "")
        rows = rows.filter(pc.invert(pc.and_(of_source, pc.less(rows[VERSION], version))))
    return rows


def _with_partition(changes: pa.Table, told: pa.Table, key: Sequence[str], partition_by: str) -> pa.Table:
    import pyarrow.compute as pc

    known = latest(told.filter(pc.is_valid(told[partition_by])), key)
    theirs = known[partition_by].combine_chunks().take(match(changes, known, key))
    filled = pc.coalesce(changes[partition_by].combine_chunks(), theirs)
    return changes.set_column(
        changes.schema.get_field_index(partition_by), changes.schema.field(partition_by), filled
    )


def _last_of_each(ordered: pa.Table, key: Sequence[str]) -> pa.Table:
    """The last row of each key, in the order given."""
    import pyarrow.compute as pc

    places = ordered.select(list(key)).append_column("_place", _places(ordered))
    last = places.group_by(list(key), use_threads=False).aggregate([("_place", "max")])["_place_max"]
    return ordered if len(last) == len(ordered) else ordered.take(last.take(pc.sort_indices(last)))


def _places(rows: pa.Table) -> Any:
    import pyarrow as pa

    return pa.arange(0, len(rows))
