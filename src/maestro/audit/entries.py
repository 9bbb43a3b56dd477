"""Entries: who did what to what, as the bytes that are hashed.

An entry is canonical JSON: one line of UTF-8, keys sorted by code point, no space, finite numbers. Those very bytes are
kept, hashed and exported; nothing is ever written again from what was read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from maestro.audit.hashing import leaf_hash
from maestro.audit.tree import CompactRange, TreeHead
from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event
from maestro.kernel.instants import format_instant, require_aware

__all__ = ["ENTRY_LIMIT", "Draft", "Growth", "NewEntry", "draft_of_event", "entry_bytes", "sequence_in"]

ENTRY_LIMIT = 4 * 1024 * 1024
"""Bytes of an entry; an event of the largest kind fits."""


class Draft(msgspec.Struct, frozen=True):
    """An entry that has no place in a log yet.

    Attributes:
        time: when it happened, aware.
        actor: the identity that did it.
        action: what was done, a dotted name such as ``mc.limits.document.changed``.
        subject: what it was done to.
        data: the rest, JSON-able.
        id: what is told twice under one id is entered once; None for what is told only once.
    """

    time: datetime
    actor: str
    action: str
    subject: str
    data: dict[str, Any] = {}
    id: str | None = None


class NewEntry(msgspec.Struct, frozen=True):
    """An entry with its place.

    Attributes:
        sequence: its place, counted from 0.
        id: as drafted.
        body: its bytes.
        hashes: what it completes (``CompactRange.append``), level by level, 32 bytes each.
    """

    sequence: int
    id: str | None
    body: bytes
    hashes: bytes


class Growth:
    """A log that gets new entries: pure, so that every store grows its log by the same rule.

    Args:
        origin: the log's name.
        tree: where it stands; changed by ``add``.
    """

    def __init__(self, origin: str, tree: CompactRange) -> None:
        self._origin = origin
        self._tree = tree

    def add(self, draft: Draft) -> NewEntry:
        """The draft as the next entry. Raises BadInputError when it cannot be written down."""
        sequence = self._tree.size
        body = entry_bytes(self._origin, sequence, draft)
        return NewEntry(sequence, draft.id, body, b"".join(self._tree.append(leaf_hash(body))))

    def enter(
        self, drafts: Sequence[Draft], find: Callable[[str], int | None]
    ) -> tuple[tuple[int, ...], list[NewEntry]]:
        """Add those that are new: where each draft stands, and the entries to be kept.

        Args:
            drafts: in the order of their entry.
            find: the place of the entry that has this id, among those kept before.

        Raises:
            BadInputError: one cannot be written down.
        """
        places: list[int] = []
        new: list[NewEntry] = []
        entered: dict[str, int] = {}
        for draft in drafts:
            place = None
            if draft.id is not None:
                place = entered.get(draft.id)
                place = find(draft.id) if place is None else place
            if place is None:
                new.append(self.add(draft))
                place = new[-1].sequence
            if draft.id is not None:
                entered[draft.id] = place
            places.append(place)
        return tuple(places), new

    def head(self) -> TreeHead:
        """Size and root with all that was added."""
        return self._tree.head()


def entry_bytes(node: str, sequence: int, draft: Draft) -> bytes:
    """The canonical bytes of an entry.

    Raises:
        BadInputError: naive time, data that JSON cannot tell, or more than ``ENTRY_LIMIT`` bytes.
    """
    _require_json(draft.data, 1)
    entry: dict[str, Any] = {
        "sequence": sequence,
        "time": format_instant(require_aware(draft.time, "time")),
        "node": node,
        "actor": draft.actor,
        "action": draft.action,
        "subject": draft.subject,
        "data": draft.data,
    }
    if draft.id is not None:
        entry["id"] = draft.id
    try:
        body = json.dumps(
            entry, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        ).encode()
    except (TypeError, ValueError) as error:
        raise _not_json(str(error)) from error
    if len(body) > ENTRY_LIMIT:
        raise BadInputError(
            f"The entry has {len(body)} bytes.",
            code="body_too_large",
            remedy=f"Enter at most {ENTRY_LIMIT}: a digest of what is larger, for example.",
        )
    return body


def draft_of_event(event: Event) -> Draft:
    """An event as an entry: done by who changed something, else by who tells it."""
    return Draft(
        time=event.time,
        actor=str(event.data.get("changedBy", event.source)),
        action=event.type,
        subject=event.subject,
        data=event.data,
        id=f"{event.source}#{event.id}",
    )


def _require_json(value: object, depth: int) -> None:
    """What is entered must be read again by the strictest reader: keys are text (so none is there twice), few levels."""
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value):
            raise _not_json("a key is not text")
        inner: Iterable[object] = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    else:
        return
    if depth == strict_json.DEPTH_LIMIT:
        raise _not_json(f"it nests deeper than {depth} levels")
    for each in inner:
        _require_json(each, depth + 1)


def _not_json(why: str) -> BadInputError:
    return BadInputError(f"cannot be written as JSON: {why}.", field="data", remedy="Use JSON's own types.")


class _Place(msgspec.Struct):
    sequence: int


_place = msgspec.json.Decoder(_Place)


def sequence_in(body: bytes) -> int | None:
    """The place that an entry says it has; None when it is no entry."""
    try:
        return _place.decode(body).sequence
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
