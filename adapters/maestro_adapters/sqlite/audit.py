"""Audit logs in a SQLite file, each append in one transaction that waits for the disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from maestro.audit.entries import Draft, Growth
from maestro.audit.hashing import HASH_BYTES
from maestro.audit.tree import CompactRange, Node, TreeHead, subtrees
from maestro.kernel.errors import PortError
from maestro.ports.audit import Seal, StoredEntry
from maestro.ports.capabilities import Capability
from maestro_adapters.sqlite.database import Database
from maestro_adapters.sqlite.evidence import EvidenceFile

__all__ = ["SqliteAudit", "SqliteAuditFile"]

_LOG: Final = "SELECT id FROM audit_logs WHERE origin = ?"
_NEW_LOG: Final = "INSERT INTO audit_logs (origin) VALUES (?) RETURNING id"
_SIZE: Final = "SELECT coalesce(max(sequence) + 1, 0) FROM audit_entries WHERE log = ?"
_FIND: Final = "SELECT sequence FROM audit_entries WHERE log = ? AND id = ?"
_PUT: Final = "INSERT INTO audit_entries VALUES (?, ?, ?, ?, ?)"
_READ: Final = "SELECT sequence, body, hashes FROM audit_entries WHERE log = ? AND sequence >= ? ORDER BY sequence LIMIT ?"
_HASH: Final = "SELECT substr(hashes, ?, 32) FROM audit_entries WHERE log = ? AND sequence = ?"
_NEWEST: Final = "SELECT size, note FROM audit_checkpoints WHERE log = ? ORDER BY size DESC LIMIT 1"
_SIGNED: Final = "INSERT INTO audit_checkpoints VALUES (?, ?, ?)"
_FORGET: Final = "DELETE FROM audit_checkpoints WHERE log = ? AND size = ?"
_CHECKPOINTS: Final = "SELECT note FROM audit_checkpoints WHERE log = ? ORDER BY size"
_ORIGINS: Final = "SELECT origin FROM audit_logs ORDER BY origin"

_KEEP_ONE_IN: Final = 1024
"""Older checkpoints are thinned to one for so many entries: enough to say where a log was altered."""
_NO_LOG: Final = 0
"""No row has this id, so the queries of a log that is not there find nothing."""


class SqliteAudit:
    """A node's audit log in a SQLite file (``AuditStore``).

    Every append waits for the disk: a checkpoint that has left the house must never be ahead of its log.

    Args:
        path: the file; other stores may use the same.
        origin: the log's name, that of the node's key.
    """

    def __init__(self, path: str | os.PathLike[str], origin: str) -> None:
        self._database = Database(path)
        self._origin = origin
        # Switching to a durable commit is a step of its own, which no other thread may come between.
        self._appending = Lock()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``, ``SHARED``."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED})

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    def append(self, drafts: Sequence[Draft], seal: Seal) -> tuple[int, ...]:
        """Enter the drafts; see ``AuditStore.append``."""
        with self._appending, self._database.durably() as cursor:
            log = self._log(cursor) or self._new_log(cursor)
            (size,) = cursor.execute(_SIZE, (log,)).fetchone()
            tree = CompactRange(size, _hashes(cursor, log, subtrees(0, size), self._database.path))
            before = tree.head()
            places = _put(cursor, log, Growth(self._origin, tree), drafts)
            if tree.size > size:
                self._sign(cursor, log, seal, before, tree)
        return places

    def read(self, first: int = 0, limit: int = 1000) -> Sequence[StoredEntry]:
        """Up to ``limit`` entries from the place ``first`` on."""
        with self._database.reading() as cursor:
            return _read(cursor, self._log(cursor), first, limit)

    def size(self) -> int:
        """How many entries there are."""
        with self._database.reading() as cursor:
            return int(cursor.execute(_SIZE, (self._log(cursor),)).fetchone()[0])

    def find(self, id: str) -> int | None:  # noqa: A002  # as the port spells it
        """The place of the entry with that id."""
        with self._database.reading() as cursor:
            row = cursor.execute(_FIND, (self._log(cursor), id)).fetchone()
        return None if row is None else int(row[0])

    def hashes(self, nodes: Sequence[Node]) -> Sequence[bytes]:
        """The hashes of complete subtrees, in the order asked."""
        with self._database.reading() as cursor:
            return _hashes(cursor, self._log(cursor), nodes, self._database.path)

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint."""
        with self._database.reading() as cursor:
            row = cursor.execute(_NEWEST, (self._log(cursor),)).fetchone()
        return None if row is None else bytes(row[1])

    def checkpoints(self) -> Sequence[bytes]:
        """The newest checkpoint and one for about each thousand entries before, oldest first."""
        with self._database.reading() as cursor:
            return _checkpoints(cursor, self._log(cursor))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _log(self, cursor: sqlite3.Cursor) -> int:
        return _log(cursor, self._origin)

    def _new_log(self, cursor: sqlite3.Cursor) -> int:
        return int(cursor.execute(_NEW_LOG, (self._origin,)).fetchone()[0])

    def _sign(
        self, cursor: sqlite3.Cursor, log: int, seal: Seal, before: TreeHead, tree: CompactRange
    ) -> None:
        """Keep the checkpoint of the grown tree; of those before it one in a thousand stays."""
        newest = cursor.execute(_NEWEST, (log,)).fetchone()
        note = seal(None if newest is None else bytes(newest[1]), before, tree.head())
        if newest is not None and newest[0] // _KEEP_ONE_IN == tree.size // _KEEP_ONE_IN:
            cursor.execute(_FORGET, (log, newest[0]))
        cursor.execute(_SIGNED, (log, tree.size, note))


class SqliteAuditFile(EvidenceFile):
    """The logs in a SQLite file that must not be changed (see ``EvidenceFile``)."""

    table = "audit_logs"
    lacking = ("holds no audit log", "no_such_log")

    def origins(self) -> list[str]:
        """The names of the logs in the file."""
        with self.cursor() as cursor:
            return [name for (name,) in cursor.execute(_ORIGINS).fetchall()]

    def entries(self, origin: str) -> Iterator[StoredEntry]:
        """All entries of a log, in order."""
        first = 0
        while page := self.read(origin, first):
            yield from page
            first = page[-1].sequence + 1

    def read(self, origin: str, first: int = 0, limit: int = 1000) -> Sequence[StoredEntry]:
        """Up to ``limit`` entries of a log from the place ``first`` on."""
        with self.cursor() as cursor:
            return _read(cursor, _log(cursor, origin), first, limit)

    def hashes(self, origin: str, nodes: Sequence[Node]) -> Sequence[bytes]:
        """The hashes of complete subtrees of a log, in the order asked."""
        with self.cursor() as cursor:
            return _hashes(cursor, _log(cursor, origin), nodes, self.path)

    def checkpoints(self, origin: str) -> Sequence[bytes]:
        """The checkpoints of a log that are kept, oldest first."""
        with self.cursor() as cursor:
            return _checkpoints(cursor, _log(cursor, origin))


def _log(cursor: sqlite3.Cursor, origin: str) -> int:
    row = cursor.execute(_LOG, (origin,)).fetchone()
    return _NO_LOG if row is None else int(row[0])


def _put(cursor: sqlite3.Cursor, log: int, growth: Growth, drafts: Sequence[Draft]) -> tuple[int, ...]:
    """Enter those that are new; where each stands."""

    def find(id: str) -> int | None:  # noqa: A002  # as the port spells it
        row = cursor.execute(_FIND, (log, id)).fetchone()
        return None if row is None else int(row[0])

    places, new = growth.enter(drafts, find)
    cursor.executemany(_PUT, [(log, one.sequence, one.id, one.body, one.hashes) for one in new])
    return places


def _read(cursor: sqlite3.Cursor, log: int, first: int, limit: int) -> list[StoredEntry]:
    rows = cursor.execute(_READ, (log, first, max(0, limit))).fetchall()
    return [StoredEntry(*row) for row in rows]


def _hashes(cursor: sqlite3.Cursor, log: int, nodes: Sequence[Node], path: Path) -> list[bytes]:
    found = []
    for node in nodes:
        row = cursor.execute(_HASH, (node.level * HASH_BYTES + 1, log, node.kept_at)).fetchone()
        if row is None or len(row[0]) != HASH_BYTES:
            raise PortError(
                f"{path}: the hash of the audit log's subtree {node.level}/{node.number} is missing.",
                code="log_damaged",
                retry_after=None,
                remedy="Run 'maestro audit verify', and restore the log from a copy that verifies.",
            )
        found.append(row[0])
    return found


def _checkpoints(cursor: sqlite3.Cursor, log: int) -> list[bytes]:
    return [bytes(note) for (note,) in cursor.execute(_CHECKPOINTS, (log,)).fetchall()]
