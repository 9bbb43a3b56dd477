"""A lake table in memory: the contract in the plainest form, for tests that need no files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from maestro.lake.changes import DELETED, OP, SOURCE, VERSION, own_columns, table_schema
from maestro.lake.columns import conform
from maestro.lake.dedupe import dedupe, drop_truncated
from maestro.lake.reasons import PoisonReason
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

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["InMemoryLake"]


class InMemoryLake:
    """A table keyed by ``spec.key`` (``LakeTable``), one row at a time; gone with its process.

    Args:
        spec: what is declared of it.
        columns: the table's own columns.
    """

    def __init__(self, spec: TableSpec, columns: pa.Schema) -> None:
        self._spec, self._columns = spec, own_columns(columns)
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.positions: dict[str, int] = {}
        self.poison: list[Poison] = []
        self._truncated: dict[str, int] = {}
        self._version = 0

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It never waits."""
        return frozenset({Capability.IN_MEMORY, Capability.BLOCKING})

    @property
    def spec(self) -> TableSpec:
        """What was declared."""
        return self._spec

    def schema(self) -> pa.Schema | None:
        """The table's own columns."""
        return self._columns

    def position(self, source: str) -> int | None:
        """How far the source has been applied."""
        return self.positions.get(source)

    def merge(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """Apply a batch, row by row."""
        check_positions(positions)
        changes = conform(batch, self._columns)
        if all(self.positions.get(source, -1) >= number for source, number in positions.items()):
            return Merged(applied=False, version=self._version)
        sifted = sift(changes, self._spec, now=now)
        self.poison.extend(sifted.poison)
        found = dedupe(sifted.changes, self._spec.key, self._truncated)
        self._truncate(dict(found.truncated))
        counts = dict.fromkeys(("inserted", "updated", "deleted", "stale"), 0)
        counts["stale"] = found.stale
        quarantined = len(self.poison)
        for change in found.changes.to_pylist():
            outcome = self._apply(change)
            if outcome:
                counts[outcome] += 1
        for source, number in positions.items():
            self.positions[source] = max(number, self.positions.get(source, 0))
        self._version += 1
        more = len(self.poison) - quarantined + len(sifted.poison)
        return Merged(applied=True, quarantined=more, version=self._version, **counts)

    def append(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """There is no quicker way than merging."""
        return self.merge(batch, positions, now=now)

    def fold(self, *, now: datetime) -> Folded:  # noqa: ARG002  # there is no side log
        """Nothing waits."""
        return Folded(Merged(applied=False, version=self._version))

    def quarantine(self, poison: Sequence[Poison], *, now: datetime) -> None:  # noqa: ARG002  # kept as they came
        """Keep events aside."""
        self.poison.extend(poison)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Live rows."""
        import pyarrow as pa

        alive = [row for row in self.rows.values() if not row[DELETED]]
        found = pa.Table.from_pylist(alive, schema=table_schema(self._columns))
        return found.select(list(columns or self._columns.names))

    def status(self) -> TableStatus:
        """What there is."""
        return TableStatus(
            table="memory",
            engine="memory",
            version=self._version,
            rows=len(self.rows),
            files=0,
            bytes=0,
            quarantined=len({msgspec.json.encode(one) for one in self.poison}),
            positions=dict(self.positions),
        )

    def upkeep(self, *, now: datetime) -> Upkeep:  # noqa: ARG002  # there are no files
        """Nothing to do."""
        return Upkeep()

    def close(self) -> None:
        """Nothing is held."""

    def _truncate(self, bounds: dict[str, int]) -> None:
        if bounds == self._truncated:
            return
        import pyarrow as pa

        self._truncated = bounds
        rows = pa.Table.from_pylist(list(self.rows.values()), schema=table_schema(self._columns))
        self.rows = {self._key(row): row for row in drop_truncated(rows, bounds).to_pylist()}

    def _apply(self, change: dict[str, Any]) -> str:
        """Let one change stand or not; answers what it counts as."""
        key = self._key(change)
        old = self.rows.get(key)
        if old is not None and old[VERSION] >= change[VERSION]:
            return "stale"
        if old is not None and not old[DELETED] and self._moves(old, change):
            detail = f"{self._spec.partition_by} changed."
            payload = msgspec.json.encode(change, enc_hook=repr)
            self.poison.append(
                Poison(PoisonReason.PARTITION_CHANGED, detail, change[SOURCE], change[VERSION], payload)
            )
            return ""
        row = {name: change[name] for name in (*self._columns.names, VERSION, SOURCE)}
        self.rows[key] = row | {DELETED: change[OP] == "d"}
        if change[OP] == "d":
            return "deleted"
        return "inserted" if old is None or old[DELETED] else "updated"

    def _moves(self, old: dict[str, Any], change: dict[str, Any]) -> bool:
        by = self._spec.partition_by
        return by is not None and change[OP] == "u" and old[by] != change[by]

    def _key(self, row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._spec.key)
