"""Documents on PostgreSQL, every version kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from maestro.kernel.events import Event
from maestro.kernel.instants import EPOCH, require_aware
from maestro.ports.capabilities import Capability
from maestro.ports.documents import StoredDocument, version_conflict
from maestro_adapters.postgres.database import Database, escape, unescape
from maestro_adapters.postgres.outbox import PostgresOutbox, keep

__all__ = ["PostgresDocuments"]

_MICROSECOND: Final = timedelta(microseconds=1)

_LOCK: Final = "SELECT newest, now FROM {schema}.lock_document(%s, %s, %s)"
_PUT: Final = "INSERT INTO {schema}.documents VALUES (%s, %s, %s, %s, %s, %s)"
_CHANGED: Final = "UPDATE {schema}.generation SET number = number + 1"
_COLUMNS: Final = (
    "version, body, changed_by, changed_at FROM {schema}.documents WHERE kind = %s AND tenant = %s"
)
_HISTORY: Final = f"SELECT {_COLUMNS} ORDER BY version DESC LIMIT %s"
_VERSION: Final = f"SELECT {_COLUMNS} AND version = %s"
_GENERATION: Final = "SELECT number FROM {schema}.generation"


class PostgresDocuments:
    """A document store on PostgreSQL (``DocumentStore``).

    Args:
        database: where it is, or the database that another store of this process has opened.
    """

    def __init__(self, database: str | Database) -> None:
        self._own = isinstance(database, str)
        self._database = Database(database) if isinstance(database, str) else database
        self._statements = {
            text: text.format(schema=self._database.schema)
            for text in (_LOCK, _PUT, _CHANGED, _HISTORY, _VERSION, _GENERATION)
        }
        self.outbox = PostgresOutbox(self._database)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``, ``SHARED``, ``EVENTS``."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED, Capability.EVENTS})

    def get(self, kind: str, tenant: str, version: int | None = None) -> StoredDocument | None:
        """The newest version, or the one asked for."""
        statement = self._statements[_HISTORY if version is None else _VERSION]
        last = 1 if version is None else version
        with self._database.connection() as connection:
            row = connection.execute(statement, (escape(kind), escape(tenant), str(last))).fetchone()
        return None if row is None else _document(kind, tenant, row)

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
        statements, key = self._statements, (escape(kind), escape(tenant))
        with self._database.transaction() as transaction:
            newest, now = transaction.ask(statements[_LOCK], (*key, announce is not None))
            if expected is not None and expected != newest:
                raise version_conflict(kind, tenant, expected, newest)
            document = StoredDocument(kind, tenant, newest + 1, bytes(body), changed_by, changed_at)
            at = (changed_at - EPOCH) // _MICROSECOND
            transaction.ask(
                statements[_PUT], (*key, str(newest + 1), document.body, escape(changed_by), str(at))
            )
            if announce is not None:
                keep(transaction.ask, self._database.schema, announce(document), now)
            # Last, since all writers wait for one another here.
            transaction.commit(statements[_CHANGED])
        return document

    def history(self, kind: str, tenant: str, limit: int = 100) -> Sequence[StoredDocument]:
        """The newest versions first, at most ``limit``."""
        asked = (escape(kind), escape(tenant), str(max(0, limit)))
        with self._database.connection() as connection:
            rows = connection.execute(self._statements[_HISTORY], asked).fetchall()
        return tuple(_document(kind, tenant, row) for row in rows)

    def generation(self) -> int:
        """The number of versions ever stored in the schema, by any process."""
        with self._database.connection() as connection:
            row = connection.execute(self._statements[_GENERATION]).fetchone()
        return int(row[0])  # type: ignore[index]  # one row

    def close(self) -> None:
        """Close the connections, unless the database was handed in."""
        if self._own:
            self._database.close()


def _document(kind: str, tenant: str, row: tuple[Any, ...]) -> StoredDocument:
    version, body, changed_by, changed_at = row
    at = EPOCH + changed_at * _MICROSECOND
    return StoredDocument(kind, tenant, version, body, unescape(changed_by), at)
