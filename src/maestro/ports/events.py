"""The outbox: events kept durably in order, then read by those who deliver or replay them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability

__all__ = ["EventLog", "EventSink"]


class EventSink(Protocol):
    """Takes events.

    Contract: ``append`` keeps all of its events or none, in the order given; an event whose ``(source, id)`` is
    already kept is not kept again, so telling twice is harmless.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this sink promises."""
        ...

    def append(self, events: Iterable[Event]) -> None:
        """Keep the events. Raises PortError when they could not be kept."""
        ...


class EventLog(EventSink, Protocol):
    """An event sink that can be read back. Positions are integers that grow with every event kept."""

    def read(self, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, Event]]:
        """Up to ``limit`` events with positions greater than ``after``, in order of position."""
        ...

    def acknowledge(self, consumer: str, position: int, state: bytes | None = None) -> None:
        """Remember that the consumer has handled everything up to the position; never moves backward.

        ``state`` is what it needs to go on from there without what came before. It is kept with the position, and
        that of an earlier acknowledgement is forgotten; where the position would move backward, nothing changes.
        """
        ...

    def acknowledged(self, consumer: str) -> int:
        """The position the consumer last acknowledged, 0 when none."""
        ...

    def resume(self, consumer: str) -> tuple[int, bytes | None]:
        """The position the consumer last acknowledged, and the state it kept with it, as of one moment."""
        ...

    def forget(self, positions: Sequence[int]) -> None:
        """Delete these events, all or none; those that are not there are passed over, and the newest event stays.

        An event told again after it was forgotten is kept again.
        """
        ...
