"""What the audit log and subscribers are told of a registry, in the transaction of the change."""

from __future__ import annotations

import msgspec

from maestro.kernel.events import Event
from maestro.lake.contracts.registry.changes import CHANGES, ConfigChanged, VersionRegistered, decode_change
from maestro.ports.documents import StoredDocument

__all__ = ["CONTRACT_EVENTS", "event_of"]

_PREFIX = "mc.contracts."
CONTRACT_EVENTS = frozenset(f"{_PREFIX}{kind.__struct_config__.tag}" for kind in CHANGES)
"""The types of all these events."""


def event_of(stored: StoredDocument) -> Event:
    """The event of a kept change. The schema's text is left out: the registry has it, a log of deeds need not."""
    change = decode_change(stored.body)
    told = msgspec.to_builtins(change)
    kind = told.pop("type")
    if isinstance(change, VersionRegistered):
        told.pop("text", None)
    if isinstance(change, ConfigChanged):  # what clients keep in it may be of any shape and depth
        told["config"] = change.config.get("compatibilityLevel")
        told["fields"] = sorted(change.config)
    return Event(
        id=f"contracts/{stored.version}",
        source="/maestro/contracts",
        type=f"{_PREFIX}{kind}",
        subject=change.subject or "*",
        time=stored.changed_at,
        data={**told, "changedBy": stored.changed_by, "change": stored.version},
    )
