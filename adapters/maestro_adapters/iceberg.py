"""Lake tables in Iceberg, by pyiceberg in process.

A merge rewrites the partitions that it touches: delete and append in one transaction, with the positions as properties
of the same commit. Never pyiceberg's ``upsert``: it makes one disjunct of each key's tuple, and with a composite key
and 17,000 keys it ended in a segmentation fault (measured; iceberg-python#3508).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import ConflictError, MaestroError, PortError
from maestro.lake.applying import new_rows
from maestro.lake.changes import DELETED, VERSION, own_columns, table_schema
from maestro.lake.columns import plain
from maestro.lake.dedupe import Deduped, drop_truncated
from maestro.lake.keys import members
from maestro.lake.resolving import Resolved, resolve
from maestro.ports.capabilities import Capability
from maestro.ports.lake import (
    Folded,
    Merged,
    Poison,
    Positions,
    TableSpec,
    TableStatus,
    Upkeep,
    check_positions,
)
from maestro_adapters.lake_batches import Batch, applied, prepared

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

__all__ = ["IcebergLake", "sql_catalog"]

_ATTEMPTS = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_POSITION, _TRUNCATED = "maestro.position.", "maestro.truncated."


def sql_catalog(folder: str) -> Catalog:
    """A catalogue in an SQLite file of the folder, with the tables beside it; ``close`` it when done."""
    from pyiceberg.catalog.sql import SqlCatalog

    return SqlCatalog("maestro", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")


class IcebergLake:
    """An Iceberg table (``LakeTable``); it has no side log, so ``append`` merges.

    Args:
        catalog: where the table is registered; closed with the table.
        name: ``namespace.table``.
        spec: what is declared of it.
        columns: the table's own columns; None takes those of the first batch.
        dice: draws from [0, 1) for the pauses between attempts.
    """

    def __init__(
        self,
        catalog: Catalog,
        name: str,
        spec: TableSpec,
        *,
        columns: pa.Schema | None = None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._catalog, self._name, self._spec, self._dice = catalog, name, spec, dice
        self._own = None if columns is None else plain(own_columns(columns))
        self._pause = Event()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Durable and shared through the catalogue; calls wait for the disk."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED})

    @property
    def spec(self) -> TableSpec:
        """What was declared."""
        return self._spec

    def schema(self) -> pa.Schema | None:
        """The table's own columns."""
        table = self._table()
        return self._own if table is None else own_columns(_stored(table))

    def position(self, source: str) -> int | None:
        """How far the source has been applied."""
        table = self._table()
        return None if table is None else _numbers(table, _POSITION).get(source)

    def merge(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """Apply a batch; see ``LakeTable``."""
        from pyiceberg.exceptions import CommitFailedException

        check_positions(positions)
        told, own = prepared(batch, self.schema(), self._spec, now)
        table = self._table() or self._create(own)
        for attempt in range(1, _ATTEMPTS + 1):
            if applied(_numbers(table, _POSITION), positions):
                return Merged(applied=False, attempts=attempt)
            if attempt == 1:
                self.quarantine(told.sifted.poison, now=now)
            try:
                return self._merge(table, told, positions, attempt, now)
            except CommitFailedException:
                self._pause.wait(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt) * self._dice())
                with self._asking():
                    table = table.refresh()
        raise ConflictError(
            f"{self._name}: other writers committed first, {_ATTEMPTS} times in a row.",
            code="lake_contended",
            remedy="Nothing of the batch is lost: give it again.",
        )

    def append(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """There is no side log: merge."""
        return self.merge(batch, positions, now=now)

    def fold(self, *, now: datetime) -> Folded:  # noqa: ARG002  # nothing waits
        """Nothing waits."""
        return Folded(Merged(applied=False))

    def quarantine(self, poison: Sequence[Poison], *, now: datetime) -> None:
        """Keep events aside, in a table of their own."""
        import pyarrow as pa

        if not poison:
            return
        schema = pa.schema(
            [
                ("reason", pa.string()),
                ("detail", pa.string()),
                ("source", pa.string()),
                ("position", pa.int64()),
                ("payload", pa.binary()),
                ("quarantined_at", pa.timestamp("us", tz="UTC")),
            ]
        )
        rows = [
            {name: getattr(one, name) for name in ("reason", "detail", "source", "position", "payload")}
            | {"quarantined_at": now}
            for one in poison
        ]
        with self._asking():
            kept = self._catalog.create_table_if_not_exists(f"{self._name}_quarantine", schema)
            kept.append(pa.Table.from_pylist(rows, schema=schema))

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Live rows."""
        table = self._table()
        if table is None:
            raise PortError(f"{self._name}: there is no table.", code="table_gone", retry_after=None)
        own = own_columns(_stored(table))
        names = list(columns or own.names)
        with self._asking():
            found = table.scan(
                row_filter=_expressions().EqualTo(DELETED, False), selected_fields=tuple(names)
            ).to_arrow()
        return found.select(names).cast(own.empty_table().select(names).schema)

    def status(self) -> TableStatus:
        """What the newest snapshot tells."""
        table = self._table()
        if table is None:
            raise PortError(f"{self._name}: there is no table.", code="table_gone", retry_after=None)
        snapshot = table.current_snapshot()
        told = dict(snapshot.summary.additional_properties) if snapshot and snapshot.summary else {}
        return TableStatus(
            table=self._name,
            engine="iceberg",
            version=_sequence(table),
            rows=int(told.get("total-records", 0)),
            files=int(told.get("total-data-files", 0)),
            bytes=int(told.get("total-files-size", 0)),
            quarantined=self._quarantined(),
            positions=_numbers(table, _POSITION),
            committed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) if snapshot else None,
        )

    def upkeep(self, *, now: datetime) -> Upkeep:  # noqa: ARG002  # a merge leaves whole partitions, nothing small
        """Nothing to join: each merge writes whole partitions."""
        return Upkeep()

    def close(self) -> None:
        """Close the catalogue."""
        close = getattr(self._catalog, "close", None)
        if close is not None:
            close()

    # -- the way of a batch

    def _merge(self, table: Table, told: Batch, positions: Positions, attempt: int, now: datetime) -> Merged:
        found = told.deduped(self._spec, _numbers(table, _TRUNCATED))
        settled = resolve(found.changes, self._existing(table, found.changes), self._spec)
        self.quarantine(settled.poison, now=now)
        changed = {
            name: at for name, at in found.truncated.items() if _numbers(table, _TRUNCATED).get(name) != at
        }
        gone = self._commit(table, settled, found, changed, positions)
        return Merged(
            applied=True,
            inserted=settled.counts.inserted,
            updated=settled.counts.updated,
            deleted=settled.counts.deleted + gone,
            stale=settled.counts.stale + found.stale,
            quarantined=len(told.sifted.poison) + len(settled.poison),
            attempts=attempt,
            version=_sequence(table),
        )

    def _commit(
        self,
        table: Table,
        settled: Resolved,
        found: Deduped,
        changed: Mapping[str, int],
        positions: Positions,
    ) -> int:
        """Rewrite what is touched and tell the positions, in one transaction; answers rows that truncates removed."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kept, gone = _numbers(table, _POSITION), 0
        properties = {f"{_POSITION}{name}": str(max(at, kept.get(name, 0))) for name, at in positions.items()}
        properties |= {f"{_TRUNCATED}{name}": str(at) for name, at in changed.items()}
        with self._asking(), table.transaction() as transaction:
            where = _expressions().AlwaysTrue() if changed else self._touched(settled.changes)
            if where is not None:
                stored = _stored(table)
                old = table.scan(row_filter=where).to_arrow().select(stored.names).cast(stored)
                alive = drop_truncated(old, found.truncated) if changed else old
                gone = len(old) - len(alive)
                beaten = members(alive, settled.changes, self._spec.key)
                left = alive.filter(pc.invert(beaten))
                new = new_rows(settled.changes, stored, self._keep)
                if len(old):
                    transaction.overwrite(pa.concat_tables([left, new]), overwrite_filter=where)
                else:
                    transaction.append(new)
            transaction.set_properties(properties)
        return gone

    def _touched(self, changes: pa.Table) -> Any:
        """What a batch rewrites: its partitions, or everything; None where it changes nothing."""
        terms = _expressions()
        if not len(changes):
            return None
        if self._spec.partition_by is None:
            return terms.AlwaysTrue()
        values = changes[self._spec.partition_by].unique().to_pylist()
        known = [value for value in values if value is not None]
        parts = [terms.In(self._spec.partition_by, known)] if known else []
        if None in values:
            parts.append(terms.IsNull(self._spec.partition_by))
        return parts[0] if len(parts) == 1 else terms.Or(*parts)

    def _existing(self, table: Table, changes: pa.Table) -> pa.Table:
        """Key, partition, version and deletedness of the rows that the table has of these keys, in any partition."""
        import pyarrow as pa

        stored = _stored(table)
        names = [name for name in stored.names if name in {*self._keep, DELETED, VERSION}]
        schema = pa.schema([stored.field(name) for name in names])
        if not len(changes):
            return schema.empty_table()
        first = self._spec.key[0]
        values = changes[first].unique().to_pylist()
        with self._asking():
            rows = table.scan(
                row_filter=_expressions().In(first, values), selected_fields=tuple(names)
            ).to_arrow()
        rows = rows.select(names).cast(schema)
        return rows.filter(members(rows, changes, self._spec.key))

    @property
    def _keep(self) -> tuple[str, ...]:
        return (*self._spec.key, *([self._spec.partition_by] if self._spec.partition_by else []))

    def _quarantined(self) -> int:
        from pyiceberg.exceptions import NoSuchTableError

        try:
            with self._asking():
                kept = self._catalog.load_table(f"{self._name}_quarantine").scan().to_arrow()
        except NoSuchTableError:
            return 0
        return len(kept.group_by(["reason", "source", "position", "payload"]).aggregate([]))

    def _table(self) -> Table | None:
        from pyiceberg.exceptions import NoSuchTableError

        try:
            with self._asking():
                return self._catalog.load_table(self._name)
        except NoSuchTableError:
            return None

    def _create(self, own: pa.Schema) -> Table:
        from pyiceberg.transforms import IdentityTransform

        with self._asking():
            self._catalog.create_namespace_if_not_exists(self._name.rpartition(".")[0])
            with self._catalog.create_table_transaction(self._name, table_schema(own)) as creating:
                if self._spec.partition_by is not None:
                    with creating.update_spec() as layout:
                        layout.add_field(
                            self._spec.partition_by, IdentityTransform(), self._spec.partition_by
                        )
            return self._catalog.load_table(self._name)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Around calls of pyiceberg: what is not a conflict or an absence becomes a PortError."""
        from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

        try:
            yield
        except (MaestroError, CommitFailedException, NoSuchTableError):
            raise
        except OSError as error:
            raise PortError(f"{self._name}: {error}.", code="store_failed") from error


def _expressions() -> Any:
    """Terms of filters; their constructors are more than their types say."""
    import pyiceberg.expressions

    return pyiceberg.expressions


def _stored(table: Table) -> pa.Schema:
    """The stored schema, plain."""
    return plain(table.schema().as_arrow())


def _sequence(table: Table) -> int:
    """The table's version; format 1 numbers none."""
    return int(getattr(table.metadata, "last_sequence_number", 0))


def _numbers(table: Table, prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): int(value)
        for name, value in table.properties.items()
        if name.startswith(prefix)
    }
