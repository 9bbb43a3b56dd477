"""Change sources: where the change events of one table come from, in order, and how far they were taken.

A source has *lanes*, each with its own order and its own number: a Kafka topic's partitions (number: the offset to
read next), a replication slot (the last LSN taken), a folder's files. ``Positions`` maps lanes to numbers. What
counts as taken is what the lake's table says of itself, never what the source remembers: the two are committed one
after the other, and a process may die in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from maestro.ports.lake import Poison, Positions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Backlog", "ChangeSource", "Polled", "Recall"]

Recall = Callable[[Sequence[str]], Positions]
"""Asks the table how far it has these lanes; lanes that it knows nothing of are left out."""


class Polled(msgspec.Struct, frozen=True):
    """What one poll brought.

    Attributes:
        batch: canonical changes (``maestro.lake.changes``), None when there are none.
        positions: how far the source is read with this poll; only lanes that moved.
        poison: events that cannot become changes.
        size: bytes as they came over the wire, the measure of bounded memory.
        quiet_at: the source has told all that was committed up to this instant (a heartbeat, or a read that met
            the end), aware UTC; None when nothing can be said. It keeps a silent source fresh.
    """

    batch: pa.Table | None = None
    positions: Positions = {}
    poison: Sequence[Poison] = ()
    size: int = 0
    quiet_at: datetime | None = None


class Backlog(msgspec.Struct, frozen=True, gc=False):
    """What waits in the source and was not polled yet.

    Attributes:
        events: how many changes, None when the source cannot tell.
        bytes: how many bytes the source keeps for us (a slot's retained WAL), None when it cannot tell.
        lanes: over how many followers the source could be shared.
    """

    events: int | None = None
    bytes: int | None = None
    lanes: int = 1


class ChangeSource(Protocol):
    """One table's changes.

    Contract: ``poll`` never brings a change of a lane before one with a smaller number. What was polled but not
    acknowledged comes again after a restart, or is skipped because the table's own positions say that it is there.
    Methods are called by one thread at a time and may block no longer than asked to.
    """

    @property
    def name(self) -> str:
        """Who the changes come from: ``_source`` of its rows; its lanes' names begin with it."""
        ...

    def start(self, recall: Recall) -> None:
        """Begin after what the table has; lanes that it knows nothing of begin at their first change.

        ``recall`` is asked again when lanes are assigned anew. Raises PortError.
        """
        ...

    def poll(self, events: int, size: int, wait: float) -> Polled:
        """Up to about ``events`` changes and ``size`` bytes, waiting at most ``wait`` seconds for the first.

        While paused it brings nothing, but has to be called still: it keeps the source's session alive. Raises
        PortError; what was polled before stays valid.
        """
        ...

    def acknowledge(self, positions: Positions) -> None:
        """The lake has committed up to here: the source may forget it. Raises PortError; calling again is harmless."""
        ...

    def pause(self) -> None:
        """Bring nothing until ``resume``; nothing is lost."""
        ...

    def resume(self) -> None:
        """Go on where ``pause`` stopped."""
        ...

    def backlog(self) -> Backlog:
        """What waits. Raises PortError."""
        ...

    def close(self) -> None:
        """Leave the source, acknowledging nothing more."""
        ...
