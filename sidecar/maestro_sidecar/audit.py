"""``/api/audit/…``: a node's log for whoever wants to check it: entries, checkpoint, proofs."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import partial
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from maestro.audit import EMPTY_ROOT, TreeHead, consistency_proof, inclusion_proof, open_checkpoint
from maestro.audit.checkpoints import size_of
from maestro.audit.hashing import HASH_BYTES
from maestro.kernel.errors import BadInputError
from maestro.ports.audit import AuditStore, StoredEntry
from maestro_sidecar.context import Context
from maestro_sidecar.endpoint import Operation, Parameter
from maestro_sidecar.messages import Answer, Request, json_answer
from maestro_sidecar.refusals import RefusedError

__all__ = ["OPERATIONS"]

_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_MOST_ENTRIES = 1000
_PIECE = 20
_PAGE_BYTES = 4 * 1024 * 1024
"""A page ends with the piece that goes beyond it, however many entries were asked for."""
_NO_STORE = (b"cache-control", b"no-store")

Hash = Annotated[str, Meta(description="32 bytes in base64.")]
Place = Annotated[int, Meta(ge=0)]


class LogStatus(Struct, rename="camel", frozen=True):
    """A node's log as its newest checkpoint has it.

    Attributes:
        origin: its name.
        public_key: what it is verified by, as `maestro audit verify --key` and Go's note package take it.
        size: how many entries are signed.
        root_hash: the Merkle tree's root over them.
        up: whether all that was told until the last second is entered.
    """

    origin: str
    public_key: str
    size: int
    root_hash: Hash
    up: bool


class AuditEntry(Struct, rename="camel", frozen=True):
    """One entry.

    Attributes:
        sequence: its place, counted from 0.
        leaf_hash: SHA-256 of a zero byte and the entry.
        entry: the very bytes that were hashed: canonical JSON, as text.
    """

    sequence: int
    leaf_hash: Hash
    entry: str


class AuditPage(Struct, rename="camel", frozen=True):
    """Entries in order.

    Attributes:
        origin: the log's name.
        size: entries there are.
        entries: from the place asked for.
        next: where the next page begins; absent on the last one.
    """

    origin: str
    size: int
    entries: list[AuditEntry]
    next: int | UnsetType = UNSET


class InclusionAnswer(Struct, rename="camel", frozen=True):
    """That an entry is in a log (RFC 9162 section 2.1.3).

    Attributes:
        index: the entry's place.
        size: of the tree it is proved under.
        leaf_hash: of the entry.
        hashes: the path to the root.
        checkpoint: the signed note over that tree; absent when another size than the newest was asked for.
    """

    index: int
    size: int
    leaf_hash: Hash
    hashes: list[Hash]
    checkpoint: str | UnsetType = UNSET


class ConsistencyAnswer(Struct, rename="camel", frozen=True):
    """That a log begins with an older one (RFC 9162 section 2.1.4).

    Attributes:
        first: size of the older tree.
        second: size of the newer one.
        hashes: the proof.
        checkpoint: the signed note over the newer tree; absent when another size than the newest was asked for.
    """

    first: int
    second: int
    hashes: list[Hash]
    checkpoint: str | UnsetType = UNSET


async def status(request: Request, context: Context) -> Answer:
    """The log's name, key and newest tree."""
    request.identity.require("operator")
    request.query(())
    return json_answer(200, await context.background.run(partial(_status, context)), _NO_STORE)


async def checkpoint(request: Request, context: Context) -> Answer:
    """The newest checkpoint, as the signed note that it is (C2SP tlog-checkpoint)."""
    request.identity.require("operator")
    note = await context.background.run(context.audit.log.checkpoint)
    if note is None:
        raise RefusedError("log_empty")
    return Answer(200, note, ((b"content-type", b"text/plain; charset=utf-8"), _NO_STORE))


async def entries(request: Request, context: Context) -> Answer:
    """A page of entries."""
    request.identity.require("operator")
    query = request.query(("first", "limit"))
    first = _number(query, "first") if "first" in query else 0
    limit = _number(query, "limit") if "limit" in query else 100
    if not 1 <= limit <= _MOST_ENTRIES:
        raise BadInputError(
            f"is not between 1 and {_MOST_ENTRIES}.", field="limit", value=limit, remedy="Ask for fewer."
        )
    page = await context.background.run(partial(_page, context, first, limit))
    return json_answer(200, page, _NO_STORE)


async def inclusion(request: Request, context: Context) -> Answer:
    """The path from an entry to the root."""
    request.identity.require("operator")
    query = request.query(("index", "size"))
    index = _number(query, "index")
    size = _number(query, "size") if "size" in query else None

    def prove() -> InclusionAnswer:
        store = context.audit.store
        note, newest = _newest(context)
        under = newest if size is None else _within(size, newest, "size")
        path = inclusion_proof(store.hashes, index, under)
        (entry,) = store.read(index, 1)
        return InclusionAnswer(
            index,
            under,
            _text(entry.hashes[:HASH_BYTES]),
            [_text(one) for one in path],
            note if under == newest else UNSET,
        )

    return json_answer(200, await context.background.run(prove), _NO_STORE)


async def consistency(request: Request, context: Context) -> Answer:
    """The proof that nothing older was changed."""
    request.identity.require("operator")
    query = request.query(("first", "second"))
    first = _number(query, "first")
    second = _number(query, "second") if "second" in query else None

    def prove() -> ConsistencyAnswer:
        note, newest = _newest(context)
        later = newest if second is None else _within(second, newest, "second")
        _within(first, later, "first")
        proof = consistency_proof(context.audit.store.hashes, first, later)
        return ConsistencyAnswer(
            first, later, [_text(one) for one in proof], note if later == newest else UNSET
        )

    return json_answer(200, await context.background.run(prove), _NO_STORE)


def _status(context: Context) -> LogStatus:
    audit = context.audit
    note, key = audit.log.checkpoint(), audit.log.key
    head = TreeHead(0, EMPTY_ROOT) if note is None else open_checkpoint(note, key).head
    return LogStatus(audit.log.origin, str(key), head.size, _text(head.root), audit.up)


def _page(context: Context, first: int, limit: int) -> AuditPage:
    store = context.audit.store
    size, found = store.size(), _read(store, first, limit)
    told = [AuditEntry(one.sequence, _text(one.hashes[:HASH_BYTES]), one.body.decode()) for one in found]
    after = first + len(told)
    return AuditPage(store.origin, size, told, after if told and after < size else UNSET)


def _read(store: AuditStore, first: int, limit: int) -> list[StoredEntry]:
    """As many of the entries as fit in a page, piece by piece, since each may be large."""
    found: list[StoredEntry] = []
    room = _PAGE_BYTES
    while room > 0 and (piece := store.read(first + len(found), min(_PIECE, limit - len(found)))):
        found.extend(piece)
        room -= sum(len(one.body) for one in piece)
    return found


def _newest(context: Context) -> tuple[str, int]:
    """The newest checkpoint and its size."""
    note = context.audit.log.checkpoint()
    if note is None:
        raise RefusedError("log_empty")
    return note.decode(), size_of(note)


def _within(size: int, most: int, field: str) -> int:
    if not 1 <= size <= most:
        raise BadInputError(
            f"is not between 1 and {most}.", field=field, value=size, remedy="Ask for a size that is signed."
        )
    return size


def _number(query: dict[str, str], field: str) -> int:
    if field not in query:
        raise BadInputError("is missing.", field=field, remedy=f"Add ?{field}=0.", code="bad_field")
    if _NUMBER.fullmatch(query[field]) is None:
        raise BadInputError("is not a number.", field=field, value=query[field], remedy="Write 0 or more.")
    return int(query[field])


def _text(digest: bytes) -> str:
    return b64encode(digest).decode()


_WHO = "operator"

OPERATIONS = (
    Operation(
        "GET",
        "/api/audit/log",
        "audit-log",
        status,
        "The name, public key and newest signed tree of this node's audit log.",
        scopes=_WHO,
        answers={200: LogStatus},
    ),
    Operation(
        "GET",
        "/api/audit/checkpoint",
        "audit-checkpoint",
        checkpoint,
        "The newest checkpoint, a C2SP signed note. Keep it where the log's owner cannot change it.",
        scopes=_WHO,
        answers={200: str},
        problems={404: ("log_empty",)},
    ),
    Operation(
        "GET",
        "/api/audit/entries",
        "audit-entries",
        entries,
        "Entries in order, a page at a time.",
        scopes=_WHO,
        parameters=(
            Parameter("first", "query", "Place of the first, counted from 0.", shape=Place),
            Parameter("limit", "query", "How many at most (100).", shape=Annotated[int, Meta(ge=1, le=1000)]),
        ),
        answers={200: AuditPage},
    ),
    Operation(
        "GET",
        "/api/audit/proofs/inclusion",
        "audit-inclusion",
        inclusion,
        "The proof that an entry is in the log.",
        scopes=_WHO,
        parameters=(
            Parameter("index", "query", "The entry's place.", required=True, shape=Place),
            Parameter("size", "query", "Prove it under this older tree instead of the newest.", shape=Place),
        ),
        answers={200: InclusionAnswer},
        problems={404: ("log_empty",)},
    ),
    Operation(
        "GET",
        "/api/audit/proofs/consistency",
        "audit-consistency",
        consistency,
        "The proof that the log begins with what it was at an older size.",
        scopes=_WHO,
        parameters=(
            Parameter("first", "query", "The older size, 1 or more.", required=True, shape=Place),
            Parameter("second", "query", "The newer size, if not the newest.", shape=Place),
        ),
        answers={200: ConsistencyAnswer},
        problems={404: ("log_empty",)},
    ),
)
