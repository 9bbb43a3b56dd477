"""What an adapter may declare about itself."""

from __future__ import annotations

from enum import StrEnum

from maestro.kernel.errors import PortError

__all__ = ["Capability", "refuse"]


class Capability(StrEnum):
    """One promise of an adapter, proved by the conformance kit."""

    BLOCKING = "blocking"
    """Its methods are plain functions that may wait: for a disk, for another process."""
    IN_MEMORY = "in_memory"
    """Its methods never wait, so an event loop may call them straight."""
    DURABLE = "durable"
    """What it answered survives closing, reopening and ``kill -9`` of its process."""
    SHARED = "shared"
    """Several processes may open it at once."""
    EVENTS = "events"
    """It keeps the announced events in the transaction of the state they tell, in an ``EventLog`` (or at least an
    ``EventSink``) that its attribute ``outbox`` names."""
    WAIT = "wait"
    """It has a waiting room (``maestro.ports.waiting``): callers may wait for a slot and are woken by a release."""


def refuse(capability: Capability, adapter: object) -> PortError:
    """The error an adapter raises when asked for a capability that it does not declare."""
    return PortError(
        f"{type(adapter).__name__} does not offer '{capability}'.",
        code="capability_missing",
        retry_after=None,
        remedy="Use an adapter that declares it, or construct this one with what it needs.",
    )
