"""Lake tables with one bug each, of the kinds that were measured in the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from maestro.lake.changes import DELETED, OP, VERSION
from maestro.ports.lake import Merged
from maestro.testing.lake import InMemoryLake
from maestro.testing.strategies.changes import SPEC, columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PLANTED_LAKE_BUGS", "SoundLake"]


class SoundLake(InMemoryLake):
    """Without a bug."""

    def __init__(self) -> None:
        super().__init__(SPEC, columns())


class DeletesForGood(SoundLake):
    """Forgets a row's version with the row, so that late updates bring it back."""

    def _apply(self, change: dict[str, Any]) -> str:
        counted = super()._apply(change)
        if change[OP] == "d":
            self.rows.pop(self._key(change), None)
        return counted


class NoGuard(SoundLake):
    """Lets whatever comes last stand."""

    def _apply(self, change: dict[str, Any]) -> str:
        old = self.rows.get(self._key(change))
        if old is not None:
            old[VERSION] = -1
        return super()._apply(change)


class NoGate(SoundLake):
    """Takes a batch again that it has."""

    def merge(self, batch: pa.Table, positions: Any, *, now: Any) -> Merged:
        """As if nothing were known."""
        self.positions.clear()
        return super().merge(batch, positions, now=now)


class PositionsGoBack(SoundLake):
    """Keeps the last position told and not the greatest."""

    def merge(self, batch: pa.Table, positions: Any, *, now: Any) -> Merged:
        """Right but for the positions."""
        merged = super().merge(batch, positions, now=now)
        if merged.applied:
            self.positions.update(positions)
        return merged


class ForgetsTruncates(SoundLake):
    """Ignores that a table was emptied."""

    def _truncate(self, bounds: dict[str, int]) -> None:
        """Do nothing."""


class MovesRows(SoundLake):
    """Lets a row change its partition."""

    def _moves(self, old: dict[str, Any], change: dict[str, Any]) -> bool:  # noqa: ARG002  # it does not look
        return False


class ShowsTombstones(SoundLake):
    """Shows deleted rows."""

    def read(self, names: Sequence[str] | None = None) -> pa.Table:
        """All rows."""
        for row in self.rows.values():
            row[DELETED] = False
        return super().read(names)


class LosesPoison(SoundLake):
    """Drops what it cannot apply."""

    def merge(self, batch: pa.Table, positions: Any, *, now: Any) -> Merged:
        """Right but for the quarantine."""
        merged = super().merge(batch, positions, now=now)
        self.poison.clear()
        return merged


class CountsWrong(SoundLake):
    """Counts updates as inserts."""

    def merge(self, batch: pa.Table, positions: Any, *, now: Any) -> Merged:
        """Right but for the counts."""
        merged = super().merge(batch, positions, now=now)
        return msgspec.structs.replace(merged, inserted=merged.inserted + merged.updated, updated=0)


PLANTED_LAKE_BUGS = (
    DeletesForGood,
    NoGuard,
    NoGate,
    PositionsGoBack,
    ForgetsTruncates,
    MovesRows,
    ShowsTombstones,
    LosesPoison,
    CountsWrong,
)
"""One bug each, which the suite must catch."""
