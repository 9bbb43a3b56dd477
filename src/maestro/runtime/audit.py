"""A node's audit log: entering, signing, proving, and following an event log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from maestro.audit.checkpoints import Checkpoint, issue, open_checkpoint, size_of
from maestro.audit.entries import Draft, draft_of_event
from maestro.audit.keys import Cosigner, LogKey, LogSigner
from maestro.audit.proofs import InclusionProof
from maestro.audit.tree import CompactRange, TreeHead, consistency_proof, inclusion_proof
from maestro.kernel.errors import BadInputError, UntrustedError
from maestro.lake.contracts.registry.events import CONTRACT_EVENTS
from maestro.limits.events import DEFAULT_DECLARED, DOCUMENT_CHANGED
from maestro.ports.audit import AuditStore
from maestro.ports.clock import Clock
from maestro.ports.events import EventLog
from maestro.ports.flags import FLAGS_CHANGED

__all__ = ["AUDITED", "AuditLog", "EventFollower"]

AUDITED = frozenset({DOCUMENT_CHANGED, DEFAULT_DECLARED, FLAGS_CHANGED}) | CONTRACT_EVENTS
"""Types of events that are entered: what changes the rules, not every run that keeps them."""

_PAGE = 500
_EMPTY = CompactRange().head()


class AuditLog:
    """A node's log, with its key. Every append is signed in the transaction that keeps it.

    It never signs two histories: before it signs, the tree in the store must be the one that it signed last.

    Args:
        store: where the log is kept.
        signer: the log's key; its name is that of the log.
        clock: the wall clock, for entries without a time of their own and for cosignatures.
        signed: the newest checkpoint that the key signed before, if it was kept outside of the store: then the log
            must still begin with it, also after a restart.
        cosigner: a second key that signs every checkpoint too. It proves more the further from the first it is kept;
            see ``maestro.audit.cosign`` for one that runs elsewhere.

    Raises:
        BadInputError: the key is another log's.
        UntrustedError: ``signed`` is no checkpoint of this key.
    """

    def __init__(
        self,
        store: AuditStore,
        signer: LogSigner,
        clock: Clock,
        *,
        cosigner: Cosigner | None = None,
        signed: bytes | None = None,
    ) -> None:
        if signer.name != store.origin:
            raise BadInputError(
                f"is of {signer.name!r}; the log is {store.origin!r}.",
                field="signer",
                remedy="Open the store with the name of the key.",
            )
        self._store = store
        self._signer = signer
        self._cosigner = cosigner
        self._clock = clock
        head = _EMPTY if signed is None else open_checkpoint(signed, signer.key).head
        self._signed: tuple[bytes | None, TreeHead] = (signed, head)

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._store.origin

    @property
    def key(self) -> LogKey:
        """The public key, to be told to whoever verifies."""
        return self._signer.key

    def append(
        self,
        *,
        actor: str,
        action: str,
        subject: str,
        data: dict[str, Any] | None = None,
        time: datetime | None = None,
        id: str | None = None,  # noqa: A002  # as the field of an entry
    ) -> int:
        """Enter what somebody did; the place it has in the log.

        Raises:
            BadInputError: it cannot be written down; nothing was entered.
            UntrustedError: ``log_altered``, the store is not as it was signed last; nothing was entered.
            PortError: the store failed.
        """
        at = self._clock.now() if time is None else time
        (place,) = self.extend([Draft(at, actor, action, subject, data or {}, id)])
        return place

    def extend(self, drafts: Sequence[Draft]) -> tuple[int, ...]:
        """Enter several at once, under one checkpoint; where each stands. Raises as ``append``."""
        sealed: list[tuple[bytes, TreeHead]] = []

        def seal(last: bytes | None, before: TreeHead, after: TreeHead) -> bytes:
            self._require_as_signed(last, before)
            sealed.append((self._sign(after), after))
            return sealed[0][0]

        places = self._store.append(drafts, seal)
        # Remembered only now: what was signed for an append that failed was never given out.
        if sealed and sealed[0][1].size > self._signed[1].size:
            self._signed = sealed[0]
        return places

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint, to be kept where the log's owner cannot change it."""
        return self._store.checkpoint()

    def prove(self, index: int) -> InclusionProof:
        """The proof that an entry is under the newest checkpoint. Raises BadInputError when there is none."""
        note = self._store.checkpoint()
        size = 0 if note is None else size_of(note)
        hashes = inclusion_proof(self._store.hashes, index, size)
        return InclusionProof(index, hashes, note or b"")

    def prove_consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the log of ``new`` entries begins with that of ``old``. Raises BadInputError."""
        return consistency_proof(self._store.hashes, old, new)

    def _sign(self, head: TreeHead) -> bytes:
        cosigned = None if self._cosigner is None else (self._cosigner, self._clock.now())
        return issue(Checkpoint(self.origin, *head), self._signer, cosigned=cosigned)

    def _require_as_signed(self, last: bytes | None, before: TreeHead) -> None:
        """The new tree grows from ``before``; if that was signed, the new checkpoint is consistent with the old."""
        signed = self._signed[1]
        forked = before.size < signed.size or (before.size == signed.size and before != signed)
        if forked or self._head_of(last) != before:
            raise UntrustedError(
                f"The log {self.origin} in the store is not the one that was signed last.",
                code="log_altered",
                remedy="Run 'maestro audit verify' on it; restore it from a copy that verifies.",
            )

    def _head_of(self, note: bytes | None) -> TreeHead:
        """The tree of a checkpoint in the store; one that was signed here need not be verified again."""
        if note is None:
            return _EMPTY
        own, head = self._signed
        return head if note == own else open_checkpoint(note, self.key).head


class EventFollower:
    """Enters events of an event log into an audit log: in order, each once, going on where it stopped.

    It acknowledges after it entered; what a crash in between lets it read again is known by its id.

    Args:
        log: where they are entered.
        events: where they are read.
        types: those that are entered.
    """

    def __init__(self, log: AuditLog, events: EventLog, *, types: frozenset[str] = AUDITED) -> None:
        self._log = log
        self._events = events
        self._types = types
        self._consumer = f"audit/{log.origin}"

    def catch_up(self) -> int:
        """Enter all that is waiting; how many events were looked at. Raises as ``AuditLog.append``."""
        looked = 0
        while page := self.step():
            looked += page
        return looked

    def step(self) -> int:
        """One page of it."""
        page = self._events.read(self._events.acknowledged(self._consumer), _PAGE)
        drafts = [draft_of_event(event) for _, event in page if event.type in self._types]
        if drafts:
            self._log.extend(drafts)
        if page:
            self._events.acknowledge(self._consumer, page[-1][0])
        return len(page)
