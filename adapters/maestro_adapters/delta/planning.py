"""From a snapshot and a batch to files: which partitions are rewritten, what each becomes, what waits or is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import attrs

from maestro.lake.applying import Applied, Counts, apply, count_new, new_rows, purge
from maestro.lake.changes import DELETED, OP, SOURCE, VERSION, Op
from maestro.lake.keys import match, members
from maestro.lake.reasons import PoisonReason
from maestro.lake.routing import DataFile, may_hold, route, share_out
from maestro.lake.sifting import poison_of
from maestro.ports.lake import Poison, TableSpec
from maestro_adapters.delta.log import Added, DeltaLog

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LOOKUP_ROWS", "TARGET_ROWS", "Plan", "Planner", "Voids", "joined"]

TARGET_ROWS = 250_000
"""Rows of a file above which it is split by key, so that a later merge rewrites less."""
LOOKUP_ROWS = 500_000
"""Rows whose keys a merge may look through for changes that do not tell their partition; more is the fold's work."""


@attrs.frozen
class Voids:
    """What old versions mean nothing any more, per source: see ``maestro.lake.applying.purge``."""

    purged: Mapping[str, int] = {}
    truncated: Mapping[str, int] = {}


@attrs.frozen
class Plan:
    """Files written and what they replace, not committed yet.

    Attributes:
        added: new files.
        removed: files they replace.
        partitions: partitions whose files were looked at: if those are still the same, the plan still holds.
        counts: what became of the changes.
        late: changes for the side log.
        poison: changes that are refused.
    """

    added: tuple[Added, ...]
    removed: tuple[DataFile, ...]
    partitions: frozenset[Any]
    counts: Counts
    late: pa.Table
    poison: tuple[Poison, ...] = ()


@attrs.frozen
class _Piece:
    """One partition's part of a plan."""

    added: list[Added]
    removed: list[DataFile]
    counts: Counts
    late: list[pa.Table]
    poison: list[Poison]


class Planner:
    """Plans merges into one table; writes files, commits nothing."""

    def __init__(self, log: DeltaLog, spec: TableSpec, pool: Executor) -> None:
        self._log = log
        self._spec = spec
        self._pool = pool
        self._keep = (*spec.key, *([spec.partition_by] if spec.partition_by else []))

    def plan(
        self, changes: pa.Table, voids: Voids, *, budget: float, lookup_rows: float = LOOKUP_ROWS
    ) -> Plan:
        """What a batch, one change a key, becomes.

        Args:
            changes: the batch.
            voids: what is forgotten.
            budget: bytes that may be rewritten for an event, see ``maestro.lake.routing``.
            lookup_rows: rows whose keys may be looked through.
        """
        import pyarrow as pa

        files = self._log.files()
        looked: set[Any] = set()
        if self._spec.partition_by is not None:
            changes = self._with_partition(changes, files, lookup_rows, looked)
        held = self._held(changes, files)
        routed = route(changes, self._spec.partition_by, held, budget=budget)

        def one(value: Any) -> _Piece:
            of_partition = [file for file in held if file.partition == value]
            return self._piece(value, routed.hot[value], of_partition, files, voids, lookup_rows)

        pieces = list(self._pool.map(one, routed.hot))
        return Plan(
            added=tuple(added for piece in pieces for added in piece.added),
            removed=tuple(file for piece in pieces for file in piece.removed),
            partitions=frozenset(routed.hot) | looked,
            counts=sum((piece.counts for piece in pieces), Counts()),
            late=pa.concat_tables([routed.late, *(late for piece in pieces for late in piece.late)]),
            poison=tuple(poison for piece in pieces for poison in piece.poison),
        )

    def rewrite(self, files: Iterable[DataFile], voids: Voids) -> tuple[list[Added], list[DataFile], int]:
        """Rewrite those of the files that hold something void; answers also how many rows went."""
        added: list[Added] = []
        removed: list[DataFile] = []
        gone = 0
        for file in files:
            old = self.rows(file)
            left = purge(old, voids.purged, voids.truncated)
            if len(left) < len(old):
                removed.append(file)
                added += self.write(left, file.partition)
                gone += len(old) - len(left)
        return added, removed, gone

    def rows(self, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of a file, as stored."""
        return self._log.data.read(file.path, columns, self._log.schema, self._log.partition(file.partition))

    def write(self, rows: pa.Table, partition: Any) -> list[Added]:
        """Write rows of one partition into as many files as they need, split by key."""
        import pyarrow.compute as pc

        if not len(rows):
            return []
        parts = [rows]
        if len(rows) > TARGET_ROWS * 1.5:
            rows = rows.take(pc.sort_indices(rows[self._spec.key[0]]))
            each = math.ceil(len(rows) / math.ceil(len(rows) / TARGET_ROWS))
            parts = [rows.slice(start, each) for start in range(0, len(rows), each)]
        where = self._log.partition(partition)
        written = [self._log.data.write(part, self._spec.key, where) for part in parts]
        return [Added(path, size, statistics, partition) for path, size, statistics in written]

    def find(self, changes: pa.Table, files: Iterable[DataFile]) -> pa.Table:
        """Stored keys, versions and partitions of those of the changes that the files hold; tombstones too."""
        import pyarrow as pa

        columns = [
            *self._spec.key,
            DELETED,
            VERSION,
            *([self._spec.partition_by] if self._spec.partition_by else []),
        ]

        def one(file: DataFile) -> pa.Table:
            rows = self.rows(file, columns)
            return rows.filter(members(rows, changes, self._spec.key))

        found = [one(file) for file in files]  # not by the pool, whose threads may be the ones that ask
        wanted = pa.schema(
            [self._log.schema.field(name) for name in self._log.schema.names if name in columns]
        )
        return pa.concat_tables([wanted.empty_table(), *found])

    def _held(self, changes: pa.Table, files: Sequence[DataFile]) -> list[DataFile]:
        """Files of the batch's partitions that may hold its keys."""
        if self._spec.partition_by is None:
            return may_hold(files, changes, self._spec.key[0])
        values = set(changes[self._spec.partition_by].unique().to_pylist())
        return may_hold((file for file in files if file.partition in values), changes, self._spec.key[0])

    def _with_partition(
        self, changes: pa.Table, files: Sequence[DataFile], lookup_rows: float, looked: set[Any]
    ) -> pa.Table:
        """Give deletes that bring the key alone the partition in which their row lives, if finding it is cheap."""
        import pyarrow as pa
        import pyarrow.compute as pc

        name = str(self._spec.partition_by)
        unknown = pc.and_(pc.equal(changes[OP], str(Op.DELETE)), pc.is_null(changes[name]))
        if not pc.any(unknown).as_py():
            return changes
        asked = changes.filter(unknown)
        candidates = may_hold(files, asked, self._spec.key[0])
        if sum(file.rows for file in candidates) > lookup_rows:
            return changes
        looked.update(file.partition for file in candidates)
        # Sorted by version, so that of several places of a key the newest is the one that counts.
        found = self.find(asked, candidates)
        found = found.take(pc.sort_indices(found[VERSION]))
        place = match(found, asked, self._spec.key)
        newest = (
            pa.table({"place": place, "row": pa.arange(0, len(found))})
            .group_by("place")
            .aggregate([("row", "max")])
        )
        at = pc.index_in(pa.arange(0, len(asked)), value_set=pc.cast(_whole(newest["place"]), "int64"))
        values = _whole(found[name]).take(_whole(newest["row_max"]).take(at))
        filled = asked.set_column(asked.schema.get_field_index(name), asked.schema.field(name), values)
        return pa.concat_tables([changes.filter(pc.invert(unknown)), filled])

    def _piece(
        self,
        value: Any,
        changes: pa.Table,
        held: Sequence[DataFile],
        files: Sequence[DataFile],
        voids: Voids,
        lookup_rows: float,
    ) -> _Piece:
        touched, rest, counts = self._matched(changes, held)
        piece = _Piece([], [], counts, [], [])
        rest = self._judged(value, rest, files, lookup_rows, piece)
        rest = self._not_too_late(rest, voids, piece)
        new = new_rows(rest, self._log.schema, self._keep)
        shares = share_out(new, [file for file, _ in touched], self._spec.key[0])
        for (file, done), share in zip(touched, shares, strict=True):
            kept = purge(done.kept, voids.purged, voids.truncated)
            piece.removed.append(file)
            piece.added.extend(self.write(joined(kept, done.changed, share), value))
        if not touched:
            piece.added.extend(self.write(new, value))
        return attrs.evolve(piece, counts=counts + count_new(rest))

    def _matched(
        self, changes: pa.Table, held: Sequence[DataFile]
    ) -> tuple[list[tuple[DataFile, Applied]], pa.Table, Counts]:
        """Files that change, what is left unmatched, and what became of the rest."""
        import pyarrow.compute as pc

        touched: list[tuple[DataFile, Applied]] = []
        counts = Counts()
        for file in sorted(held, key=_range_start):
            if len(held) > 1:  # with several files to choose from, look at keys before reading whole rows
                keys = self.rows(file, self._spec.key)
                if not pc.any(members(keys, changes, self._spec.key)).as_py():
                    continue
            done = apply(self.rows(file), changes, self._spec.key, self._keep)
            changes = done.unmatched
            counts += done.counts
            if done.counts.applied:
                touched.append((file, done))
        return touched, changes, counts

    def _judged(
        self, value: Any, rest: pa.Table, files: Sequence[DataFile], lookup_rows: float, piece: _Piece
    ) -> pa.Table:
        """Updates of keys that the partition lacks: refused if the key lives in another one, or put off."""
        import pyarrow.compute as pc

        if self._spec.partition_by is None:
            return rest
        is_update = pc.equal(rest[OP], str(Op.UPDATE))
        suspects = rest.filter(is_update)
        others = [file for file in files if file.partition != value]
        others = may_hold(others, suspects, self._spec.key[0]) if len(suspects) else []
        if not others:
            return rest
        rest = rest.filter(pc.invert(is_update))
        if sum(file.rows for file in others) > lookup_rows:
            piece.late.append(suspects)
            return rest
        found = self.find(suspects, others)
        alive = found.filter(pc.invert(found[DELETED]))
        has_moved = members(suspects, _distinct(alive, self._spec.key), self._spec.key)
        detail = f"{self._spec.partition_by} is {value!s} now; the row stands in another partition."
        piece.poison.extend(poison_of(suspects.filter(has_moved), PoisonReason.PARTITION_CHANGED, detail))
        return joined(rest, suspects.filter(pc.invert(has_moved)))

    def _not_too_late(self, rest: pa.Table, voids: Voids, piece: _Piece) -> pa.Table:
        """Changes of unknown keys from before the bound: their tombstone may be gone, so they might resurrect."""
        import pyarrow.compute as pc

        for source, version in voids.purged.items():
            old = pc.fill_null(
                pc.and_(pc.equal(rest[SOURCE], source), pc.less_equal(rest[VERSION], version)), False
            )
            old = pc.and_(old, pc.not_equal(rest[OP], str(Op.DELETE)))
            if pc.any(old).as_py():
                detail = f"_version is at or below {version}, beyond the lateness bound."
                piece.poison.extend(poison_of(rest.filter(old), PoisonReason.TOO_LATE, detail))
                rest = rest.filter(pc.invert(old))
        return rest


def _range_start(file: DataFile) -> tuple[bool, Any]:
    """Orders files by their least keys, those that do not tell it first."""
    return (file.key_min is not None, 0 if file.key_min is None else file.key_min)


def _distinct(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    return rows.select(list(key)).group_by(list(key)).aggregate([])


def joined(*tables: pa.Table) -> pa.Table:
    """The rows of all, in one table; at least one is given, and all have its columns."""
    import pyarrow as pa

    some = [table for table in tables if len(table)]
    return pa.concat_tables(some) if some else tables[0]


def _whole(column: Any) -> Any:
    return column.combine_chunks() if hasattr(column, "chunks") else column
