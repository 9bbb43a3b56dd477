"""Live rows: the table's files and the side log at once, latest per key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

_PLACE = "_place"


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
    changes = _Changes(side, spec)
    files = log.files()

    def one(file: DataFile) -> tuple[pa.Table, pa.Array | None, pa.Array | None]:
        mine = changes.of(file)
        return (
            _beside(log, file, mine, spec, wanted) if len(mine) else (_alive(log, file, wanted), None, None)
        )

    parts = list(pool.map(one, files))
    # A change is void where any file holds its key at the same or a newer version.
    lost, met = _places(part[1] for part in parts), _places(part[2] for part in parts)
    fresh = changes.not_deleted().filter(pc.invert(pc.is_in(changes.not_deleted()[_PLACE], value_set=lost)))
    fresh = _without_moved(log, fresh, met, spec)
    return pa.concat_tables(
        [wanted.empty_table(), *(rows for rows, _, _ in parts), fresh.select(wanted.names)]
    )


class _Changes:
    """The side log's changes, by the files that they may be of."""

    def __init__(self, side: pa.Table, spec: TableSpec) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._side = side.append_column(_PLACE, pa.arange(0, len(side)))
        self._key, self._by = spec.key[0], spec.partition_by
        self._groups: dict[Any, pa.Table] = {}
        self._anywhere = self._side.slice(0, 0)
        if self._by is not None and len(side):
            self._anywhere = self._side.filter(pc.is_null(self._side[self._by]))
            for value in self._side[self._by].unique():
                if value.is_valid:
                    self._groups[value.as_py()] = self._side.filter(pc.equal(self._side[self._by], value))

    def of(self, file: DataFile) -> pa.Table:
        """Changes that may be of rows of the file: of its partition or of none, within its range of keys."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._by is None:
            found = self._side
        else:
            found = pa.concat_tables(
                [self._groups.get(file.partition, self._anywhere.slice(0, 0)), self._anywhere]
            )
        if len(found) and file.key_min is not None and file.key_max is not None:
            keys = found[self._key]
            found = found.filter(
                pc.and_(pc.greater_equal(keys, file.key_min), pc.less_equal(keys, file.key_max))
            )
        return found

    def not_deleted(self) -> pa.Table:
        """All changes but deletes."""
        import pyarrow.compute as pc

        return self._side.filter(pc.not_equal(self._side[OP], str(Op.DELETE)))


def _without_moved(log: DeltaLog, fresh: pa.Table, met: pa.Array, spec: TableSpec) -> pa.Table:
    """Changes without updates of a row that lives in another partition: a fold will set those aside."""
    import pyarrow.compute as pc

    if spec.partition_by is None:
        return fresh
    strangers = fresh.filter(
        pc.and_(pc.equal(fresh[OP], str(Op.UPDATE)), pc.invert(pc.is_in(fresh[_PLACE], value_set=met)))
    )
    if not len(strangers):
        return fresh
    for file in may_hold(log.files(), strangers, spec.key[0]):
        rows = log.data.read(file.path, [*spec.key, DELETED], log.schema, log.partition(file.partition))
        place = match(rows.filter(pc.invert(rows[DELETED])), strangers, spec.key).drop_null()
        moved = strangers[_PLACE].combine_chunks().take(place)
        fresh = fresh.filter(pc.invert(pc.is_in(fresh[_PLACE], value_set=moved)))
    return fresh


def _alive(log: DeltaLog, file: DataFile, wanted: pa.Schema) -> pa.Table:
    import pyarrow.compute as pc

    partition = log.partition(file.partition)
    if not file.tombstones:
        return log.data.read(file.path, wanted.names, log.schema, partition).select(wanted.names)
    rows = log.data.read(file.path, [*wanted.names, DELETED], log.schema, partition)
    return rows.filter(pc.invert(rows[DELETED])).select(wanted.names)


def _beside(
    log: DeltaLog, file: DataFile, side: pa.Table, spec: TableSpec, wanted: pa.Schema
) -> tuple[pa.Table, pa.Array, pa.Array]:
    """Rows of a file that no newer change replaces; places of the changes that lose against it; of those it has met."""
    import pyarrow.compute as pc

    needed = [*wanted.names, *spec.key, DELETED, VERSION]
    rows = log.data.read(file.path, needed, log.schema, log.partition(file.partition))
    place = match(rows, side, spec.key)
    theirs = side[VERSION].combine_chunks().take(place)
    replaced = pc.fill_null(pc.greater(theirs, rows[VERSION].combine_chunks()), False)
    kept = pc.invert(pc.or_(replaced, rows[DELETED].combine_chunks()))
    places = side[_PLACE].combine_chunks().take(place)
    lost = places.filter(pc.invert(replaced)).drop_null()
    return rows.filter(kept).select(wanted.names), lost, places.drop_null()


def _places(found: Iterable[pa.Array | None]) -> pa.Array:
    import pyarrow as pa

    return pa.chunked_array([one for one in found if one is not None], pa.int64()).combine_chunks()
