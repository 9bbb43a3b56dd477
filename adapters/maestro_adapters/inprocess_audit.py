"""Audit logs in this process's memory: for a try and for tests. They end with the process, as their key must."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from maestro.audit.entries import Draft, Growth
from maestro.audit.hashing import HASH_BYTES
from maestro.audit.tree import CompactRange, Node, subtrees
from maestro.ports.audit import Seal, StoredEntry
from maestro.ports.capabilities import Capability

__all__ = ["InProcessAudit"]


class InProcessAudit:
    """An audit log in memory (``AuditStore``). Thread-safe.

    A key that signed such a log must never sign another of the same name: that would be a second history.

    Args:
        origin: the log's name, that of the node's key.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._entries: list[StoredEntry] = []
        self._places: dict[str, int] = {}
        self._notes: list[bytes] = []
        self._lock = Lock()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``IN_MEMORY``."""
        return frozenset({Capability.BLOCKING, Capability.IN_MEMORY})

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    def append(self, drafts: Sequence[Draft], seal: Seal) -> tuple[int, ...]:
        """Enter the drafts; see ``AuditStore.append``."""
        with self._lock:
            size = self.size()
            tree = CompactRange(size, self.hashes(subtrees(0, size)))
            before = tree.head()
            places, new = Growth(self._origin, tree).enter(drafts, self.find)
            if new:
                self._notes.append(seal(self.checkpoint(), before, tree.head()))
                self._entries += [StoredEntry(one.sequence, one.body, one.hashes) for one in new]
                self._places |= {one.id: one.sequence for one in new if one.id is not None}
            return places

    def read(self, first: int = 0, limit: int = 1000) -> Sequence[StoredEntry]:
        """Up to ``limit`` entries from the place ``first`` on."""
        return self._entries[first : first + max(0, limit)]

    def size(self) -> int:
        """How many entries there are."""
        return len(self._entries)

    def find(self, id: str) -> int | None:  # noqa: A002  # as the port spells it
        """The place of the entry with that id."""
        return self._places.get(id)

    def hashes(self, nodes: Sequence[Node]) -> Sequence[bytes]:
        """The hashes of complete subtrees, in the order asked."""
        return [self._entries[node.kept_at].hashes[node.level * HASH_BYTES :][:HASH_BYTES] for node in nodes]

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint."""
        return self._notes[-1] if self._notes else None

    def checkpoints(self) -> Sequence[bytes]:
        """All checkpoints, oldest first."""
        return tuple(self._notes)

    def close(self) -> None:
        """Nothing to let go of; what is kept stays readable as long as the store is held."""
