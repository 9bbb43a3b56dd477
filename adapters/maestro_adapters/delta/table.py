"""A lake table in Delta: merges, the side log, folds, reading, upkeep."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from maestro.kernel.errors import BadInputError, ConflictError
from maestro.lake.applying import Counts
from maestro.lake.changes import OP, SOURCE, VERSION, Op, own_columns, table_schema
from maestro.lake.columns import conform, plain
from maestro.lake.dedupe import Deduped, dedupe
from maestro.lake.query import Dialect
from maestro.lake.routing import BYTES_PER_EVENT
from maestro.lake.sifting import sift
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
from maestro_adapters.delta.declaring import check_columns, declared, described
from maestro_adapters.delta.duckdb_files import parquet_sql
from maestro_adapters.delta.errors import storage_errors
from maestro_adapters.delta.log import Added, Change, ContendedError, DeltaLog
from maestro_adapters.delta.planning import Plan, Planner, Voids
from maestro_adapters.delta.reading import live_rows
from maestro_adapters.delta.side_log import LOGGED_AT, Quarantine, SideLog

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DeltaLake"]

_ATTEMPTS = 20
"""Rounds of look, plan and commit before a merge gives up against other writers."""
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_CONFIGURATION = {"delta.checkpointInterval": "50"}
_FOLD = "fold"


class DeltaLake:
    """A table keyed by ``spec.key`` (``LakeTable``), made by its first batch.

    Args:
        address: a path, or a URI that deltalake knows (``s3://…``).
        spec: what is declared of it; of an existing table it must be the same.
        columns: the table's own columns, as the contract has them; None takes those of the first batch.
        storage_options: as deltalake takes them; on S3-compatible servers ``aws_conditional_put: etag``.
        bytes_per_event: what a merge may rewrite for an event before the event waits in the side log.
        dice: draws from [0, 1) for the pauses between attempts.
    """

    def __init__(
        self,
        address: str | Path,
        spec: TableSpec,
        *,
        columns: pa.Schema | None = None,
        storage_options: Mapping[str, str] | None = None,
        bytes_per_event: float = BYTES_PER_EVENT,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._address = str(address).rstrip("/")
        self._spec = spec
        self._columns = None if columns is None else plain(own_columns(columns))
        self._budget = bytes_per_event
        self._dice = dice
        self._pause = Event()
        self._pool = ThreadPoolExecutor(max(2, min(8, os.cpu_count() or 2)), "maestro-lake")
        self._log = DeltaLog(
            self._address, partition_by=spec.partition_by, key=spec.key[0], storage_options=storage_options
        )
        self._side = SideLog(self._address, spec.key, storage_options)
        self._quarantine = Quarantine(self._address, storage_options)
        self._planner = Planner(self._log, spec, self._pool)

    @classmethod
    def open(cls, address: str | Path, *, storage_options: Mapping[str, str] | None = None) -> DeltaLake:
        """A table that exists, with what was declared when it was made.

        Raises:
            BadInputError: there is none, or not one of ours.
        """
        spec = declared(address, storage_options=storage_options)
        if spec is None:
            raise BadInputError(
                "is no table.",
                field="TABLE",
                value=str(address),
                remedy="Name a table that 'maestro lake merge' made.",
            )
        return cls(address, spec, storage_options=storage_options)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Durable and shared by any number of processes; its calls wait for the disk."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED})

    @property
    def spec(self) -> TableSpec:
        """What was declared."""
        return self._spec

    def schema(self) -> pa.Schema | None:
        """The table's own columns."""
        return own_columns(self._log.schema) if self._log.exists() else self._columns

    def position(self, source: str) -> int | None:
        """How far the source has been applied."""
        if not self._log.exists():
            return None
        self._look()
        return self._position(source)

    def merge(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """Apply a batch; see ``LakeTable``."""
        return self._take(batch, positions, now, partial(self._merge, budget=self._budget))

    def append(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """Put a batch into the side log; see ``LakeTable``. One with a truncate is merged."""
        import pyarrow.compute as pc

        if OP in batch.column_names and pc.any(pc.equal(batch[OP], str(Op.TRUNCATE))).as_py():
            return self.merge(batch, positions, now=now)
        return self._take(batch, positions, now, self._append)

    def fold(self, *, now: datetime) -> Folded:
        """Bring the side log into the table; see ``LakeTable``."""
        if not self._log.exists():
            return Folded(Merged(applied=False))
        for attempt in range(1, _ATTEMPTS + 1):
            self._look()
            folded = self._fold(now, attempt)
            if folded is not None:
                return folded
            self._wait(attempt)
        raise self._contended()

    def quarantine(self, poison: Sequence[Poison], *, now: datetime) -> None:
        """Keep events aside."""
        with storage_errors(self._address):
            self._quarantine.add(poison, now)

    def quarantined(self) -> pa.Table:
        """The events that were kept aside."""
        with storage_errors(self._address):
            return self._quarantine.rows()

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Live rows, latest per key, side log included."""
        if not self._log.exists():
            raise BadInputError(
                "is no table.", field="TABLE", value=self._address, remedy="Merge into it first."
            )
        # The side log is looked at first: a fold in between shows its rows in both, which is harmless.
        self._side.refresh()
        side = self._side.rows()
        self._log.refresh()
        with storage_errors(self._address):
            return live_rows(self._log, side, self._spec, columns, self._pool)

    def relations(self, dialect: Dialect, *, by_files: bool = False) -> dict[str, str]:
        """What ``maestro.lake.query`` reads: the table and its side log, as the dialect names them.

        Args:
            dialect: whose SQL.
            by_files: name the live Parquet files of this moment, for a DuckDB without its Delta extension.
        """
        self._require()
        if not by_files:
            return {
                "lake": _named(dialect, self._address),
                "side_log": _named(dialect, self._side.log.address),
            }
        return {"lake": parquet_sql(self._log), "side_log": parquet_sql(self._side.log)}

    def status(self) -> TableStatus:
        """The table's health."""
        from maestro_adapters.delta.upkeep import status

        self._require()
        return status(self._address, self._log, self._side, self._quarantine)

    def upkeep(self, *, now: datetime) -> Upkeep:
        """Compact, checkpoint and vacuum where it pays; see ``LakeTable``."""
        from maestro_adapters.delta.upkeep import upkeep

        self._require()
        with storage_errors(self._address):
            return upkeep(
                self._log,
                self._side,
                self._quarantine,
                self._planner,
                lateness=self._spec.lateness,
                now=now,
            )

    def close(self) -> None:
        """End the reading threads."""
        self._pool.shutdown()

    # -- the way of a batch

    def _take(
        self, batch: pa.Table, positions: Positions, now: datetime, apply: Callable[..., Merged | None]
    ) -> Merged:
        check_positions(positions)
        self._ensure(batch)
        changes = conform(batch, own_columns(self._log.schema))
        sifted = sift(changes, self._spec, now=now)
        for attempt in range(1, _ATTEMPTS + 1):
            self._look()
            if all(self._reached(source) >= number for source, number in positions.items()):
                return Merged(applied=False, attempts=attempt, version=self._log.version)
            if attempt == 1:
                self.quarantine(sifted.poison, now=now)
            merged = apply(sifted.changes, positions, now)
            if merged is not None:
                return msgspec.structs.replace(
                    merged, attempts=attempt, quarantined=merged.quarantined + len(sifted.poison)
                )
            self._wait(attempt)
        raise self._contended()

    def _merge(
        self, changes: pa.Table, positions: Positions, now: datetime, *, budget: float
    ) -> Merged | None:
        found = self._deduped(changes)
        truncates = {
            source: version
            for source, version in found.truncated.items()
            if self._log.transaction(f"truncated/{source}") != version
        }
        transactions = self._raised(positions) | {f"truncated/{name}": at for name, at in truncates.items()}
        transactions |= self._marks(found.changes, now)
        with storage_errors(self._address):
            voids = Voids(self._purged(found.changes), found.truncated)
            plan = self._planner.plan(found.changes, voids, budget=math.inf if truncates else budget)
            if truncates:
                plan = self._truncated(plan, voids, now)
            written = self._side.write(plan.late, now)
            if written:
                self._side.commit(Change(written), now)
            self._quarantine.add(plan.poison, now)
        if not self._commit(plan, transactions, now):
            return None
        return self._merged(plan, found.stale, written)

    def _append(self, changes: pa.Table, positions: Positions, now: datetime) -> Merged | None:
        found = self._deduped(changes)
        with storage_errors(self._address):
            written = self._side.write(found.changes, now)
            before = self._side.log.version
            try:
                self._side.log.commit(Change(written, transactions=self._raised(positions)), now=now)
            except ContendedError:
                self._side.log.data.delete([one.path for one in written])
                return None
        return Merged(
            applied=True,
            logged=len(found.changes),
            stale=found.stale,
            bytes_written=sum(one.size for one in written),
            version=before + 1,
        )

    def _fold(self, now: datetime, attempt: int) -> Folded | None:
        fresh, folded = self._side.files_since(self._log.transaction(_FOLD))
        version = self._side.log.version
        rows = self._side.rows(fresh)
        found = self._deduped(rows)
        with storage_errors(self._address):
            voids = Voids(self._purged(found.changes), found.truncated)
            plan = self._planner.plan(found.changes, voids, budget=math.inf, lookup_rows=math.inf)
            parked = self._parked(plan.late, now)
            if len(rows) and len(parked) == len(rows) and not folded:
                return Folded(Merged(applied=False, version=self._log.version), len(rows), len(parked))
            if not len(rows) and not folded:
                return Folded(Merged(applied=False, version=self._log.version))
            # Parked changes are logged anew before the table says that it has folded the files they stand in.
            self._side.commit(Change(self._side.write(parked, now), folded), now)
            self._quarantine.add(plan.poison, now)
        transactions = {_FOLD: version} | self._marks(found.changes, now)
        if not self._commit(plan, transactions, now):
            return None
        merged = msgspec.structs.replace(self._merged(plan, found.stale, []), attempts=attempt, logged=0)
        return Folded(merged, rows=len(rows), parked=len(parked))

    def _commit(self, plan: Plan, transactions: Mapping[str, int], now: datetime) -> bool:
        """Commit a plan, also over commits of others that left its partitions alone; False if it does not hold."""
        before = self._state(plan, transactions)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._log.commit(Change(plan.added, plan.removed, transactions), now=now)
            except ContendedError:
                if self._state(plan, transactions) != before:
                    break
                self._wait(attempt)
            else:
                return True
        self._log.data.delete([one.path for one in plan.added])
        return False

    def _state(self, plan: Plan, transactions: Mapping[str, int]) -> Any:
        """What a plan stands on: the files of its partitions, and what it says of sources."""
        files = {file.path for file in self._log.files() if file.partition in plan.partitions}
        files |= {file.path for file in self._log.files()} & {file.path for file in plan.removed}
        return files, [self._log.transaction(name) for name in sorted(transactions)]

    def _truncated(self, plan: Plan, voids: Voids, now: datetime) -> Plan:
        """The plan with every other file freed of what the truncate made void; the side log first."""
        alive = dedupe(self._side.rows(), self._spec.key, voids.truncated).changes
        self._side.commit(Change(self._side.write(alive, now), self._side.log.files()), now)
        gone = {file.path for file in plan.removed}
        files = self._log.files()
        added, removed, count = self._planner.rewrite(
            [file for file in files if file.path not in gone], voids
        )
        return attrs.evolve(
            plan,
            added=(*plan.added, *added),
            removed=(*plan.removed, *removed),
            partitions=frozenset(file.partition for file in files) | plan.partitions,
            counts=plan.counts + Counts(deleted=count),
        )

    def _parked(self, late: pa.Table, now: datetime) -> pa.Table:
        """Changes whose partition nothing tells, without those beyond the lateness bound."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(late):
            return late
        bound = pa.scalar(now - timedelta(seconds=self._spec.lateness), pa.timestamp("us", tz="UTC"))
        return late.filter(pc.greater(late[LOGGED_AT], bound))

    def _merged(self, plan: Plan, stale: int, logged: Sequence[Added]) -> Merged:
        return Merged(
            applied=True,
            inserted=plan.counts.inserted,
            updated=plan.counts.updated,
            deleted=plan.counts.deleted,
            stale=plan.counts.stale + stale,
            logged=len(plan.late),
            quarantined=len(plan.poison),
            bytes_written=sum(one.size for one in (*plan.added, *logged)),
            files_removed=len(plan.removed),
            version=self._log.version,
        )

    # -- what the table remembers of sources, in its transactions

    def _position(self, source: str) -> int | None:
        found = [log.transaction(f"position/{source}") for log in (self._log, self._side.log)]
        return max((at for at in found if at is not None), default=None)

    def _reached(self, source: str) -> int:
        found = self._position(source)
        return -1 if found is None else found

    def _raised(self, positions: Positions) -> dict[str, int]:
        """Positions as transactions; none goes back."""
        return {
            f"position/{source}": max(number, self._position(source) or 0)
            for source, number in positions.items()
        }

    def _deduped(self, changes: pa.Table) -> Deduped:
        bounds = {source: self._log.transaction(f"truncated/{source}") for source in _sources(changes)}
        known = {source: at for source, at in bounds.items() if at is not None}
        return dedupe(changes, self._spec.key, known, self._spec.partition_by)

    def _purged(self, changes: pa.Table) -> dict[str, int]:
        bounds = {source: self._log.transaction(f"purged/{source}") for source in _sources(changes)}
        return {source: at for source, at in bounds.items() if at is not None}

    def _marks(self, changes: pa.Table, now: datetime) -> dict[str, int]:
        """Once per lateness bound: what was the newest version a bound ago may be purged up to from now on."""
        import pyarrow.compute as pc

        marks: dict[str, int] = {}
        seconds = int(now.timestamp())
        for source in _sources(changes):
            marked = self._log.transaction(f"marked/{source}")
            if marked is not None and seconds - marked < self._spec.lateness:
                continue
            top = pc.max(changes.filter(pc.equal(changes[SOURCE], source))[VERSION]).as_py()
            before = self._log.transaction(f"mark/{source}")
            marks[f"marked/{source}"] = seconds
            marks[f"mark/{source}"] = max(top or 0, before or 0)
            if before is not None:
                marks[f"purged/{source}"] = before
        return marks

    # -- looking, waiting, making

    def _look(self) -> None:
        self._side.refresh()
        self._log.refresh()

    def _wait(self, attempt: int) -> None:
        self._pause.wait(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt) * self._dice())

    def _require(self) -> None:
        if not self._log.exists():
            raise BadInputError(
                "is no table.", field="TABLE", value=self._address, remedy="Merge into it first."
            )
        self._look()

    def _ensure(self, batch: pa.Table) -> None:
        """Make table and side log where they are missing; a table that was there once is not made again."""
        if not self._log.exists():
            columns = self._columns if self._columns is not None else plain(own_columns(batch.schema))
            check_columns(columns, self._spec)
            self._log.create(
                table_schema(columns),
                _CONFIGURATION,
                description=described(self._spec),
            )
        self._side.create(own_columns(self._log.schema))

    def _contended(self) -> ConflictError:
        return ConflictError(
            f"{self._address}: other writers committed first, {_ATTEMPTS} times in a row.",
            code="lake_contended",
            remedy="Nothing of the batch is lost: give it again, or let fewer writers share a partition.",
        )


def _named(dialect: Dialect, address: str) -> str:
    path = address if "://" in address else str(Path(address).absolute())
    quoted = path.replace("'", "''")
    return {
        Dialect.DUCKDB: f"delta_scan('{quoted}')",
        Dialect.SPARK: f"delta.`{path.replace('`', '``')}`",
        Dialect.POLARS: path,
    }[dialect]


def _sources(changes: pa.Table) -> list[str]:
    return [source for source in changes[SOURCE].unique().to_pylist() if source is not None]
