"""What an edge knows and keeps: what serves, what waits, what was refused, and what is still to be told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from maestro.edge.clock import ClockState
from maestro.edge.damping import Damping
from maestro.kernel.errors import PortError

__all__ = ["Held", "HighWater", "Incident", "Note", "Pin", "Record", "Refused", "State", "decode", "encode"]

FORMAT = 1


class State(StrEnum):
    """Where an edge stands. ``docs/policy/EDGE_QUARANTINE.md`` shows how it gets from one to another."""

    EMPTY = "empty"
    """It has never had a bundle; nothing is decided."""
    ACTIVE = "active"
    """The newest bundle decides."""
    QUARANTINED = "quarantined"
    """Something is wrong with the source or the newest bundle; last-good decides."""
    PROBATION = "probation"
    """The source is good again and has to stay so for a while."""
    PINNED = "pinned"
    """An operator has chosen what decides."""
    CLOSED = "closed"
    """Nothing is trusted; everything is denied."""


class Held(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A bundle that was verified.

    Attributes:
        digest: ``sha256:…`` of its canonical tar, its identity.
        file_digest: of the archive as it is kept.
        revision: of its manifest.
        fresh_until: end of its freshness, from signed time.
        good_until: end of its life as last-good.
        verified_at: when it was verified first.
        issued_at: signed ``iat``; None when not told.
        expires_at: signed ``exp``; None when not told.
    """

    digest: str
    file_digest: str
    revision: str
    fresh_until: datetime
    good_until: datetime
    verified_at: datetime
    issued_at: datetime | None = None
    expires_at: datetime | None = None

    def is_fresh(self, now: datetime) -> bool:
        """Whether it may be the newest truth."""
        return now < self.fresh_until

    def is_good(self, now: datetime) -> bool:
        """Whether it may decide at all."""
        return now < self.good_until


class HighWater(msgspec.Struct, frozen=True, rename="camel"):
    """The newest revision ever accepted. It judges candidates, never what serves.

    Attributes:
        revision: of the manifest.
        digest: the only content that this revision may have.
        epoch: of the keys; another epoch begins another count, so that a stolen key's revision 2^63 can be left behind.
        issued: the newest signed ``iat`` of each key, by its fingerprint.
    """

    revision: str
    digest: str
    epoch: str = ""
    issued: Mapping[str, datetime] = {}


class Refused(msgspec.Struct, frozen=True, rename="camel"):
    """A candidate that was refused, and why."""

    digest: str
    revision: str
    reasons: tuple[str, ...]
    at: datetime


class Incident(msgspec.Struct, frozen=True, rename="camel"):
    """What the edge has opened and not yet closed."""

    dedupe_key: str
    reason: str
    opened_at: datetime
    serving_revision: str = ""
    refused_revision: str = ""


class Pin(msgspec.Struct, frozen=True, rename="camel"):
    """Who chose what decides."""

    digest: str
    by: str
    at: datetime


class Note(msgspec.Struct, frozen=True, rename="camel"):
    """Something that happened and has to be told: to the audit log always, as an event when it opens or closes.

    Attributes:
        number: counts all notes of an edge.
        kind: dotted name, ``mc.edge.swapped``.
        at: when.
        by: who: ``edge``, or an operator's name.
        data: what is told of it.
        event: the event's type, for what is also told to the outbox.
    """

    number: int
    kind: str
    at: datetime
    by: str
    data: Mapping[str, Any]
    event: str = ""


class Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """All that an edge keeps; it is stored as one piece, so that no crash leaves half of it.

    Attributes:
        state: where it stands.
        serving: what decides; in ``closed`` it may still be held, and decides nothing.
        candidate: verified, accepted and waiting for the edge to return.
        earlier: to fall back on, newest first.
        refused: newest first.
        high: the high-water mark.
        damping: of the source.
        trial_until: end of the probation.
        was_good: whether the last poll found nothing wrong.
        incident: that is open.
        pin: of an operator.
        closed_by_clock: whether it is closed only until the clock has caught up.
        notes: happenings that are not yet told everywhere.
        told: numbers of notes up to which audit log and outbox know them.
        next_note: the next note's number.
        swaps: changes of the serving digest.
        clock: the trusted clock.
        trust: what the update framework keeps (``maestro.edge.trust_state``); empty without one.
    """

    state: State = State.EMPTY
    serving: Held | None = None
    candidate: Held | None = None
    earlier: tuple[Held, ...] = ()
    refused: tuple[Refused, ...] = ()
    high: HighWater | None = None
    damping: Damping = Damping()
    trial_until: datetime | None = None
    was_good: bool = True
    incident: Incident | None = None
    pin: Pin | None = None
    closed_by_clock: bool = False
    notes: tuple[Note, ...] = ()
    next_note: int = 1
    swaps: int = 0
    clock: ClockState | None = None
    trust: bytes = b""

    @property
    def hope(self) -> Held | None:
        """What would decide if the edge were active: the candidate that waits, else what serves."""
        return self.candidate or self.serving

    def held(self) -> tuple[Held, ...]:
        """Every bundle whose bytes are still needed."""
        found = (self.serving, self.candidate, *self.earlier)
        return tuple({one.digest: one for one in found if one is not None}.values())


class _File(msgspec.Struct, frozen=True):
    format: int
    record: Record


def encode(record: Record) -> bytes:
    """The record as it is kept."""
    return msgspec.json.encode(_File(FORMAT, record))


def decode(data: bytes) -> Record:
    """Read what ``encode`` wrote.

    Raises:
        PortError: ``state_damaged``, it is not that.
    """
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, ValueError) as error:
        raise _damaged(str(error)) from error
    if file.format != FORMAT:
        raise _damaged(f"format {file.format} is not {FORMAT}")
    return file.record


def _damaged(why: str) -> PortError:
    return PortError(
        f"The edge's state cannot be read: {why}.",
        code="state_damaged",
        retry_after=None,
        remedy="Restore the folder from a copy, or remove it to begin anew without protection from older revisions.",
    )
