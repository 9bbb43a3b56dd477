"""What of a change has to be told: audit entries always, and events when an incident opens or closes (DESIGN §3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from maestro.audit.entries import Draft
from maestro.edge.damping import Damping
from maestro.edge.record import Held, Incident, Note, Record, State
from maestro.edge.table import Signal
from maestro.kernel.events import Event
from maestro.kernel.instants import format_instant

__all__ = [
    "CLOCK_RESET",
    "INCIDENT_CLOSE",
    "INCIDENT_OPEN",
    "clock_was_reset",
    "drafts",
    "events",
    "noted",
    "without_notes",
]

INCIDENT_OPEN: Final = "mc.incident.open"
INCIDENT_CLOSE: Final = "mc.incident.close"
SWAPPED: Final = "mc.edge.swapped"
ACCEPTED: Final = "mc.edge.accepted"
REFUSED: Final = "mc.edge.refused"
QUARANTINED: Final = "mc.edge.quarantined"
CLOSED: Final = "mc.edge.closed"
RECOVERED: Final = "mc.edge.recovered"
PINNED: Final = "mc.edge.pinned"
UNPINNED: Final = "mc.edge.unpinned"
CLOCK_RESET: Final = "mc.edge.clock-reset"

_MOST_NOTES: Final = 1000
"""That wait for the audit store; beyond, mere refusals give way to what changed a state."""


def noted(before: Record, after: Record, signal: Signal, reason: str, by: str, now: datetime) -> Record:
    """The record with notes of how it differs from the one before the signal."""
    kinds = list(_kinds(before, after, signal))
    if not kinds:
        return after
    told = _told(before, after, reason)
    event, incident = _event(before, after)
    if incident is not None:
        told["incident"] = _incident(incident, after)
    notes = [
        # The event goes with the last of them, the one that names the state.
        Note(after.next_note + place, kind, now, by, told, event if place == len(kinds) - 1 else "")
        for place, kind in enumerate(kinds)
    ]
    return replace(after, notes=_bounded((*after.notes, *notes)), next_note=after.next_note + len(notes))


def clock_was_reset(record: Record, by: str, now: datetime, behind: float) -> Record:
    """The record after an operator told the edge to believe the wall clock again.

    What was reckoned by the clock that was wrong is forgotten: a hold that ends in what is now the future would last.
    """
    note = Note(
        record.next_note, CLOCK_RESET, now, by, {"behindSeconds": behind, "state": record.state.value}
    )
    notes = _bounded((*record.notes, note))
    return replace(record, notes=notes, next_note=record.next_note + 1, damping=Damping(), trial_until=None)


def without_notes(record: Record, told: tuple[Note, ...]) -> Record:
    """The record without the notes that have been told."""
    numbers = {note.number for note in told}
    return replace(record, notes=tuple(note for note in record.notes if note.number not in numbers))


def drafts(notes: tuple[Note, ...], node: str) -> list[Draft]:
    """The notes as entries of the audit log."""
    return [
        Draft(note.at, note.by, note.kind, f"edge/{node}", dict(note.data), _id(note, node)) for note in notes
    ]


def events(notes: tuple[Note, ...], node: str) -> list[Event]:
    """Those of the notes that are events, as CloudEvents."""
    return [
        Event(
            id=_id(note, node),
            source=f"/maestro/edge/{node}",
            type=note.event,
            subject=node,
            time=note.at,
            data=_of_node(note.data["incident"], node),
        )
        for note in notes
        if note.event
    ]


def _of_node(incident: dict[str, Any], node: str) -> dict[str, Any]:
    return {**incident, "dedupeKey": f"{node}/{incident['dedupeKey']}"}


def _id(note: Note, node: str) -> str:
    """A number may be given out again after a crash, to something else; never at the same instant."""
    return f"edge/{node}/{note.number}/{note.kind}/{format_instant(note.at)}"


def _kinds(before: Record, after: Record, signal: Signal) -> list[str]:
    kinds = []
    if _digest(before.serving) != _digest(after.serving) and after.serving is not None:
        kinds.append(SWAPPED)
    elif signal is Signal.GOOD:
        kinds.append(ACCEPTED)
    if after.state is not before.state:
        kinds += {
            State.QUARANTINED: [QUARANTINED],
            State.CLOSED: [CLOSED],
            State.ACTIVE: [RECOVERED] if before.incident is not None else [],
        }.get(after.state, [])
    elif signal is Signal.REFUSED:
        kinds.append(REFUSED)
    if signal is Signal.PIN:
        kinds.append(PINNED)
    if signal is Signal.UNPIN:
        kinds.append(UNPINNED)
    return kinds


def _told(before: Record, after: Record, reason: str) -> dict[str, Any]:
    told: dict[str, Any] = {"from": before.state.value, "to": after.state.value}
    if reason:
        told["reason"] = reason
    for name, held in (
        ("before", before.serving),
        ("serving", after.serving),
        ("candidate", after.candidate),
    ):
        if held is not None:
            told[name] = {"revision": held.revision, "digest": held.digest}
    if after.refused and after.refused != before.refused:
        newest = after.refused[0]
        told["refused"] = {
            "revision": newest.revision,
            "digest": newest.digest,
            "reasons": list(newest.reasons),
        }
    if after.pin is not None:
        told["pin"] = after.pin.digest
    return told


def _event(before: Record, after: Record) -> tuple[str, Incident | None]:
    if before.incident is None and after.incident is not None:
        return INCIDENT_OPEN, after.incident
    if before.incident is not None and after.incident is None:
        return INCIDENT_CLOSE, before.incident
    return "", None


def _incident(incident: Incident, after: Record) -> dict[str, Any]:
    serving = after.serving.revision if after.serving is not None else incident.serving_revision
    return {
        "type": "edge.bundle.stale",
        "reason": incident.reason,
        "dedupeKey": incident.dedupe_key,
        "servingRevision": serving,
        "refusedRevision": incident.refused_revision,
        "openedAt": format_instant(incident.opened_at),
    }


def _bounded(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    if len(notes) <= _MOST_NOTES:
        return notes
    least = next((place for place, note in enumerate(notes) if note.kind == REFUSED), 0)
    return (*notes[:least], *notes[least + 1 :])


def _digest(held: Held | None) -> str:
    return "" if held is None else held.digest
