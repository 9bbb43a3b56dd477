"""Documents in a SQLite file, every version kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from maestro.kernel.events import Event
from maestro.kernel.instants import require_aware
from maestro.ports.capabilities import Capability
from maestro.ports.documents import StoredDocument, version_conflict
from maestro_adapters.sqlite.database import Database, from_microseconds, microseconds
from maestro_adapters.sqlite.outbox import SqliteOutbox, keep

__all__ = ["SqliteDocuments"]

_COLUMNS: Final = "kind, tenant, version, body, changed_by, changed_at"
_NEWEST: Final = "SELECT max(version) FROM documents WHERE kind = ? AND tenant = ?"
_PUT: Final = "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)"
_HISTORY: Final = (
    f"SELECT {_COLUMNS} FROM documents WHERE kind = ? AND tenant = ? ORDER BY version DESC LIMIT ?"  # noqa: S608
)
_VERSION: Final = f"SELECT {_COLUMNS} FROM documents WHERE kind = ? AND tenant = ? AND version = ?"  # noqa: S608
_CHANGED: Final = "UPDATE generation SET number = number + 1"
_GENERATION: Final = "SELECT number FROM generation"


class SqliteDocuments:
    """A document store in a SQLite file (``DocumentStore``).

    Args:
        path: the file; ``SqliteLeases`` and ``SqliteOutbox`` may use the same. Or the database that another store
            of this process has opened: by one connection, documents and leases are read faster, but wait for one
            another's writes.
    """

    def __init__(self, path: str | os.PathLike[str] | Database) -> None:
        self._own = not isinstance(path, Database)
        self._database = path if isinstance(path, Database) else Database(path)
        self.outbox = SqliteOutbox(self._database)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``, ``SHARED``, ``EVENTS``."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED, Capability.EVENTS})

    def get(self, kind: str, tenant: str, version: int | None = None) -> StoredDocument | None:
        """The newest version, or the one asked for."""
        with self._database.reading() as cursor:
            if version is None:
                row = cursor.execute(_HISTORY, (kind, tenant, 1)).fetchone()
            else:
                row = cursor.execute(_VERSION, (kind, tenant, version)).fetchone()
        return None if row is None else _document(row)

    def put(
        self,
        kind: str,
        tenant: str,
        body: bytes,
        *,
        expected: int | None,
        changed_by: str,
        changed_at: datetime,
        announce: Callable[[StoredDocument], Event] | None = None,
    ) -> StoredDocument:
        """Store the next version; see ``DocumentStore.put``."""
        changed_at = require_aware(changed_at, "changed_at")
        with self._database.writing() as cursor:
            newest = cursor.execute(_NEWEST, (kind, tenant)).fetchone()[0] or 0
            if expected is not None and expected != newest:
                raise version_conflict(kind, tenant, expected, newest)
            document = StoredDocument(kind, tenant, newest + 1, bytes(body), changed_by, changed_at)
            cursor.execute(
                _PUT, (kind, tenant, document.version, document.body, changed_by, microseconds(changed_at))
            )
            cursor.execute(_CHANGED)
            if announce is not None:
                keep(cursor, announce(document))
        return document

    def history(self, kind: str, tenant: str, limit: int = 100) -> Sequence[StoredDocument]:
        """The newest versions first, at most ``limit``."""
        with self._database.reading() as cursor:
            rows = cursor.execute(_HISTORY, (kind, tenant, max(0, limit))).fetchall()
        return tuple(_document(row) for row in rows)

    def generation(self) -> int:
        """The number of versions ever stored in the file, by any process."""
        with self._database.reading() as cursor:
            return int(cursor.execute(_GENERATION).fetchone()[0])

    def close(self) -> None:
        """Close the file, unless its database was handed in."""
        if self._own:
            self._database.close()


def _document(row: tuple[Any, ...]) -> StoredDocument:
    kind, tenant, version, body, changed_by, changed_at = row
    return StoredDocument(kind, tenant, version, body, changed_by, from_microseconds(changed_at))
