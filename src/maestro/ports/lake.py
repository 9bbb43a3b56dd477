"""Lake tables: where changes become rows, with the position of their source in the same commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from maestro.kernel.errors import BadInputError
from maestro.ports.capabilities import Capability

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "MAX_POSITION",
    "Folded",
    "LakeTable",
    "Merged",
    "Poison",
    "Positions",
    "TableSpec",
    "TableStatus",
    "Upkeep",
    "check_positions",
]

MAX_POSITION = 2**63 - 1

Positions = Mapping[str, int]
"""How far each source has been applied: its name to its position, a whole number from 0 that only grows (a Kafka
offset, an LSN, the ordinal of a file). Names: 1 to 256 characters, without control characters."""


class TableSpec(msgspec.Struct, frozen=True):
    """What a table's owner declares.

    Attributes:
        key: columns that name a row, in order; never null.
        partition_by: the column that files are laid out by, or None. It must be a function of the key or fixed at
            insert: a change that moves a row is quarantined as ``partition_changed``.
        lateness: seconds after which no change of a row is expected any more; tombstones are kept at least as long.
    """

    key: tuple[str, ...] = ("executionId",)
    partition_by: str | None = None
    lateness: float = 7 * 86_400.0


class Poison(msgspec.Struct, frozen=True):
    """One event that cannot be applied, kept with its reason while the rest goes on.

    Attributes:
        reason: a ``maestro.lake.reasons.PoisonReason`` code, or one of the source's own.
        detail: one sentence for the person who reads it: which field, which value.
        source: where it came from.
        position: its place there, or None if it has none of its own.
        payload: the event, as it was read where that is at hand, else as JSON.
    """

    reason: str
    detail: str
    source: str
    position: int | None = None
    payload: bytes = b""


class Merged(msgspec.Struct, frozen=True):
    """What became of a batch; events are counted after dedupe.

    Attributes:
        applied: False when the positions had been applied before and nothing was done.
        inserted: rows that are new, tombstones of keys that never were among them.
        updated: rows replaced by a newer version.
        deleted: rows that became tombstones.
        stale: events older than what the table holds, or the same again.
        logged: events that went to the side log, where readers see them at once.
        quarantined: events kept aside with a reason.
        bytes_written: bytes of files that the commits added.
        files_removed: data files that the commits replaced.
        attempts: commits tried, 1 when no other writer was in the way.
        version: the table's version after it.
    """

    applied: bool
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    stale: int = 0
    logged: int = 0
    quarantined: int = 0
    bytes_written: int = 0
    files_removed: int = 0
    attempts: int = 1
    version: int = 0


class Folded(msgspec.Struct, frozen=True):
    """What a fold brought from the side log into the table.

    Attributes:
        merged: what became of the changes.
        rows: side-log rows that were looked at.
        parked: rows that stay in the log because nothing tells their partition yet.
    """

    merged: Merged
    rows: int = 0
    parked: int = 0


class Upkeep(msgspec.Struct, frozen=True):
    """What one round of upkeep did: names of steps (``sweep``, ``compact``, ``checkpoint``, ``vacuum``), files and bytes."""

    steps: tuple[str, ...] = ()
    files_compacted: int = 0
    files_deleted: int = 0
    bytes_deleted: int = 0


class TableStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The health of a table.

    Attributes:
        table: its address.
        engine: ``delta``, ``iceberg`` or ``spark``.
        version: the newest version.
        rows: rows in the table's own files, tombstones included.
        files: live data files.
        bytes: their bytes.
        small_files: those that compaction would join.
        log_files: commits since the last checkpoint.
        side_rows: rows waiting in the side log.
        side_files: its live files.
        side_bytes: their bytes.
        quarantined: events in quarantine.
        positions: how far each source has been applied.
        committed_at: when the newest version was committed, by the committer's clock; None if that is unknown.
    """

    table: str
    engine: str
    version: int
    rows: int
    files: int
    bytes: int
    small_files: int = 0
    log_files: int = 0
    side_rows: int = 0
    side_files: int = 0
    side_bytes: int = 0
    quarantined: int = 0
    positions: Positions = {}
    committed_at: datetime | None = None


class LakeTable(Protocol):
    """A table keyed by ``spec.key`` that takes batches of changes (``maestro.lake.changes``).

    Contract:

    - What a reader sees after any split, order, repetition and replay of a change history is what applying it once
      in order of ``_version`` gives: per key the change of the greatest version wins, whatever came first.
    - A batch and its positions become visible in one commit, or neither does. The gate: when every position given is
      at or below the one kept, nothing is done and ``applied`` is False. One writer a source; two that share one are
      told apart by the commit, the later gets a conflict, looks again and finds its batch applied.
    - ``merge`` may route changes to the side log; ``append`` routes all of them. ``read`` shows both at once.
    - Nothing is cast, dropped or widened: a batch whose columns are not the table's own is refused whole.
    - A call that raises has applied nothing, or all: ask ``position`` which.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this table promises."""
        ...

    @property
    def spec(self) -> TableSpec:
        """What was declared."""
        ...

    def schema(self) -> pa.Schema | None:
        """The table's own columns, without ours; None before the first batch made it."""
        ...

    def position(self, source: str) -> int | None:
        """How far the source has been applied; None when nothing of it ever was."""
        ...

    def merge(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """Apply a batch: hot partitions are rewritten, late keys go to the side log.

        Raises:
            BadInputError: columns or types are not the table's; nothing was changed.
            ConflictError: other writers won every attempt.
            PortError: the storage failed; ``retry_after`` None when waiting does not help.
        """
        ...

    def append(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """Put the whole batch into the side log: quickest to be seen, folded later. Raises as ``merge``."""
        ...

    def fold(self, *, now: datetime) -> Folded:
        """Bring the side log into the table; where it writes, tombstones beyond the lateness bound go. Raises as ``merge``."""
        ...

    def quarantine(self, poison: Sequence[Poison], *, now: datetime) -> None:
        """Keep events aside. Repeating them is harmless: readers of the quarantine count distinct ones."""
        ...

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Live rows, latest per key, side log included, without our columns; all columns or those named."""
        ...

    def status(self) -> TableStatus:
        """The table's health."""
        ...

    def upkeep(self, *, now: datetime) -> Upkeep:
        """Whatever of purging, compaction, checkpoint and vacuum is worth its cost now; never in the way of a merge."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def check_positions(positions: Positions) -> None:
    """Judge what a caller gives as positions.

    Raises:
        BadInputError: none given, a name is empty, too long or has control characters, or a number is out of range.
    """
    if not positions:
        raise BadInputError(
            "names no source.", field="positions", remedy="Give the position the batch leads to."
        )
    for source, number in positions.items():
        if not 0 < len(source) <= 256 or not source.isprintable():
            raise BadInputError(
                "is no source's name.",
                field="positions",
                value=source,
                remedy="Use 1 to 256 printable characters.",
            )
        if not 0 <= number <= MAX_POSITION:
            raise BadInputError(
                "is out of range.",
                field=f"positions.{source}",
                value=number,
                remedy="Use a whole number from 0 to 2^63 - 1.",
            )
