"""Audit logs as stores keep them: entries, the hashes they complete, and the checkpoints that sign them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from maestro.audit.entries import Draft
from maestro.audit.tree import Node, TreeHead
from maestro.ports.capabilities import Capability

__all__ = ["AuditStore", "Auditor", "Seal", "StoredEntry"]


class Auditor(Protocol):
    """The door to a node's audit log, for any system that has something to account for: swaps, registrations, keys.

    What is told through an event log in the transaction of the change itself needs no door: the log's follower enters
    it. This one is for what has no such transaction.
    """

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
        """Enter what somebody did, signed before this returns.

        Args:
            actor: the identity that did it.
            action: what was done, a dotted name such as ``mc.edge.bundle.swapped``.
            subject: what it was done to.
            data: the rest, JSON-able.
            time: when it happened, aware; now, when None.
            id: what is told twice under one id is entered once.

        Returns:
            The place it has in the log, counted from 0.

        Raises:
            BadInputError: it cannot be written down; nothing was entered.
            UntrustedError: ``log_altered``, the log in the store is not as it was signed; nothing was entered.
            PortError: the store failed.
        """
        ...


class StoredEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry.

    Attributes:
        sequence: its place, counted from 0.
        body: its bytes, as they were hashed.
        hashes: what it completes, level by level from its own upward, 32 bytes each.
    """

    sequence: int
    body: bytes
    hashes: bytes


Seal = Callable[[bytes | None, TreeHead, TreeHead], bytes]
"""Makes the checkpoint of an append: given the newest one kept, the tree before, and the tree after."""


class AuditStore(Protocol):
    """Keeps one log.

    Contract:

    - ``append`` is atomic: entries, hashes and checkpoint are kept together or not at all, however many callers,
      processes or crashes; what it answered is on the disk if the store is ``DURABLE``, also after a power cut.
    - Entries are numbered from 0 without a gap and never change. A draft whose id was entered before is not entered
      again, also within one call.
    - ``seal`` is called once, with what the store holds, and only if there is something new; what it raises reaches
      the caller, and nothing has changed. It must not call the store.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this store promises."""
        ...

    @property
    def origin(self) -> str:
        """The log's name."""
        ...

    def append(self, drafts: Sequence[Draft], seal: Seal) -> tuple[int, ...]:
        """Enter the drafts in the order given.

        Returns:
            The place of each; of one that was told before, the place it has.

        Raises:
            BadInputError: a draft cannot be written down.
            PortError: the store failed.
        """
        ...

    def read(self, first: int = 0, limit: int = 1000) -> Sequence[StoredEntry]:
        """Up to ``limit`` entries from the place ``first`` on, in order."""
        ...

    def size(self) -> int:
        """How many entries there are."""
        ...

    def find(self, id: str) -> int | None:  # noqa: A002  # as the field of a draft
        """The place of the entry with that id."""
        ...

    def hashes(self, nodes: Sequence[Node]) -> Sequence[bytes]:
        """The hashes of complete subtrees, in the order asked. Raises PortError ``log_damaged`` if one is missing."""
        ...

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint; None while the log is empty."""
        ...

    def checkpoints(self) -> Sequence[bytes]:
        """The newest checkpoint and some older ones, oldest first; a store may keep as few of those as it likes."""
        ...
