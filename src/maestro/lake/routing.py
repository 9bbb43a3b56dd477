"""What is merged now and what waits in the side log; which files a merge has to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from maestro.lake.changes import OP, Op

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BYTES_PER_EVENT", "DataFile", "Route", "may_hold", "route", "share_out"]

BYTES_PER_EVENT = 4096
"""Bytes that a merge may rewrite for one event. A partition that costs more waits in the side log: a late key or two
in a file of megabytes, or a batch too small for what it touches. Measured: ADR-1120."""


@attrs.frozen
class DataFile:
    """A live file of a table, as its log tells it.

    Attributes:
        path: as the log names it.
        partition: the value of the partition column, None for none.
        rows: its rows.
        bytes: its size.
        key_min: the least value of the first key column, None if unknown.
        key_max: the greatest.
        tombstones: whether it may hold deleted rows.
    """

    path: str
    partition: Any
    rows: int
    bytes: int
    key_min: Any = None
    key_max: Any = None
    tombstones: bool = True


@attrs.frozen
class Route:
    """Where the changes of a batch go.

    Attributes:
        hot: changes by partition value, to merge now.
        late: changes for the side log, in one piece; among them the deletes that name no partition.
    """

    hot: Mapping[Any, pa.Table]
    late: pa.Table


def route(
    changes: pa.Table, partition_by: str | None, files: Iterable[DataFile], *, budget: float = BYTES_PER_EVENT
) -> Route:
    """Decide by cost: a partition is hot if what must be rewritten, per event of the batch, is within the budget.

    Args:
        changes: one change a key.
        partition_by: the declared column.
        files: those that may hold a key of the batch.
        budget: bytes an event; infinite to merge everything that names its partition.
    """
    weight: dict[Any, int] = {}
    for file in files:
        weight[file.partition] = weight.get(file.partition, 0) + file.bytes
    if partition_by is None:
        hot = len(changes) > 0 and weight.get(None, 0) <= budget * len(changes)
        return Route({None: changes}, changes.slice(0, 0)) if hot else Route({}, changes)
    unknown = _without_partition(changes, partition_by)
    return _by_partition(changes, partition_by, unknown, lambda value, n: weight.get(value, 0) <= budget * n)


def may_hold(files: Iterable[DataFile], changes: pa.Table, key: str) -> list[DataFile]:
    """The files that may hold one of the keys, by their statistics.

    A file is left out if no key of the changes lies between its least and greatest one. Keys are compared in Arrow's
    order, which for strings is that of their UTF-8 bytes, as in the statistics.
    """
    import pyarrow.compute as pc

    listed = list(files)
    keys = changes[key].combine_chunks()
    keys = keys.take(pc.sort_indices(keys))
    return [file for file in listed if file.key_min is None or file.key_max is None or _between(keys, file)]


def share_out(new: pa.Table, files: Sequence[DataFile], key: str) -> list[pa.Table]:
    """New rows for each of the files that are rewritten, in order of their least keys, so that ranges stay apart."""
    import pyarrow.compute as pc

    shares: list[pa.Table] = []
    for following in files[1:]:
        if following.key_min is None:
            shares.append(new.slice(0, 0))
            continue
        below = pc.less(new[key], following.key_min)
        shares.append(new.filter(below))
        new = new.filter(pc.invert(below))
    return [*shares, new] if files else []


def _between(keys: pa.Array, file: DataFile) -> bool:
    """Whether a sorted array has a value between a file's least and greatest key."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle].as_py() < file.key_min:
            low = middle + 1
        else:
            high = middle
    return low < len(keys) and bool(keys[low].as_py() <= file.key_max)


def _without_partition(changes: pa.Table, partition_by: str) -> Any:
    """Deletes that bring the key alone."""
    import pyarrow.compute as pc

    return pc.and_(pc.equal(changes[OP], str(Op.DELETE)), pc.is_null(changes[partition_by]))


def _by_partition(changes: pa.Table, partition_by: str, unknown: Any, is_hot: Any) -> Route:
    import pyarrow as pa
    import pyarrow.compute as pc

    known = changes.filter(pc.invert(unknown))
    late: list[pa.Table] = [changes.filter(unknown)]
    hot: dict[Any, pa.Table] = {}
    counts: Sequence[Any] = pc.value_counts(known[partition_by].combine_chunks()).to_pylist()
    cold = [one["values"] for one in counts if not is_hot(one["values"], one["counts"])]
    values = pa.array(cold, known.schema.field(partition_by).type)
    is_late = pc.is_in(known[partition_by], value_set=values)
    late.append(known.filter(is_late))
    warm = known.filter(pc.invert(is_late))
    for one in counts:
        value = one["values"]
        if value not in set(cold):
            hot[value] = warm.filter(pc.equal(warm[partition_by], pa.scalar(value, values.type)))
    return Route(hot, pa.concat_tables(late))
