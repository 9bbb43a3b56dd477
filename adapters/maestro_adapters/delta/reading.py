"""Live rows: the table's files and the side log at once, latest per key."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from maestro.lake.changes import DELETED, OP, VERSION, Op, own_columns
from maestro.lake.dedupe import latest
from maestro.lake.keys import match
from maestro.lake.routing import DataFile, may_hold
from maestro.ports.lake import TableSpec
from maestro_adapters.delta.log import DeltaLog

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["live_rows"]


def live_rows(
    log: DeltaLog, side: pa.Table, spec: TableSpec, columns: Sequence[str] | None, pool: Executor
) -> pa.Table:
    """Rows as a reader sees them.

    Args:
        log: the table, looked at after the side log was, or a fold in between would hide rows.
        side: all changes of the side log.
        spec: the table's declaration.
        columns: those wanted, or None for all.
        pool: reads files.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    schema = own_columns(log.schema)
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    side = latest(side, spec.key)
    for field in schema:  # a column that is younger than the side log
        if field.name not in side.column_names:
            side = side.append_column(field, pa.nulls(len(side), field.type))
    files = log.files()
    overlapping = {file.path for file in _overlapping(files, side, spec)} if len(side) else set()

    def one(file: DataFile) -> tuple[pa.Table, Any]:
        if file.path in overlapping:
            return _beside(log, file, side, spec, wanted)
        return _alive(log, file, wanted), None

    parts = list(pool.map(one, files))
    # A change of the side log is void where any file holds its key at the same or a newer version.
    lost = pa.chunked_array([places for _, places in parts if places is not None], pa.int64())
    fresh = side.filter(
        pc.and_(
            pc.not_equal(side[OP], str(Op.DELETE)),
            pc.invert(pc.is_in(pa.arange(0, len(side)), value_set=lost.combine_chunks())),
        )
    )
    return pa.concat_tables([wanted.empty_table(), *(rows for rows, _ in parts), fresh.select(wanted.names)])


def _overlapping(files: Sequence[DataFile], side: pa.Table, spec: TableSpec) -> list[DataFile]:
    """Files that may hold a key of the side log; a change that names no partition may be in any."""
    found = may_hold(files, side, spec.key[0])
    if spec.partition_by is None or side[spec.partition_by].null_count:
        return found
    values = set(side[spec.partition_by].unique().to_pylist())
    return [file for file in found if file.partition in values]


def _alive(log: DeltaLog, file: DataFile, wanted: pa.Schema) -> pa.Table:
    import pyarrow.compute as pc

    partition = log.partition(file.partition)
    if not file.tombstones:
        return log.data.read(file.path, wanted.names, log.schema, partition).select(wanted.names)
    rows = log.data.read(file.path, [*wanted.names, DELETED], log.schema, partition)
    return rows.filter(pc.invert(rows[DELETED])).select(wanted.names)


def _beside(
    log: DeltaLog, file: DataFile, side: pa.Table, spec: TableSpec, wanted: pa.Schema
) -> tuple[pa.Table, Any]:
    """Rows of a file that no newer change replaces, and the places of the changes that lose against it."""
    import pyarrow.compute as pc

    needed = [*wanted.names, *spec.key, DELETED, VERSION]
    rows = log.data.read(file.path, needed, log.schema, log.partition(file.partition))
    place = match(rows, side, spec.key)
    theirs = side[VERSION].combine_chunks().take(place)
    replaced = pc.fill_null(pc.greater(theirs, rows[VERSION].combine_chunks()), False)
    kept = pc.invert(pc.or_(replaced, rows[DELETED].combine_chunks()))
    lost = place.filter(pc.and_(pc.is_valid(place), pc.invert(replaced)))
    return rows.filter(kept).select(wanted.names), lost
