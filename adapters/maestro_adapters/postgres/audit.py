"""Audit logs on PostgreSQL, each append in one transaction that waits for the server's disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

from maestro.audit.entries import Draft, Growth, NewEntry
from maestro.audit.hashing import HASH_BYTES
from maestro.audit.tree import CompactRange, Node, subtrees
from maestro.kernel.errors import PortError
from maestro.ports.audit import Seal, StoredEntry
from maestro.ports.capabilities import Capability
from maestro_adapters.postgres.database import Database, Transaction, described, driver, escape, unescape
from maestro_adapters.postgres.errors import failure

__all__ = ["PostgresAudit", "PostgresAuditLogs"]

Ask = Callable[[str, tuple[Any, ...]], Any]
"""Runs a statement and answers its first row."""

_KEEP_ONE_IN: Final = 1024
"""Older checkpoints are thinned to one for so many entries: enough to say where a log was altered."""

_LOCK: Final = "SELECT log, size, signed, note FROM {schema}.lock_audit(%s)"
_FIND: Final = """
    SELECT coalesce(array_agg(array[n, sequence]), '{{}}')
    FROM unnest(%s::bytea[]) WITH ORDINALITY AS told (id, n), {schema}.audit_entries AS e
    WHERE e.log = %s AND sha256(e.id) = sha256(told.id)"""
_HASHES: Final = """
    SELECT array_agg(substr(e.hashes, n.level * 32 + 1, 32) ORDER BY n.ordinal)
    FROM unnest(%s::integer[], %s::bigint[]) WITH ORDINALITY AS n (level, kept_at, ordinal)
    LEFT JOIN {schema}.audit_entries AS e
    ON e.log = (SELECT id FROM {schema}.audit_logs WHERE origin = %s) AND e.sequence = n.kept_at"""
_PUT: Final = """
    INSERT INTO {schema}.audit_entries (log, sequence, id, body, hashes)
    SELECT %s::bigint, * FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[])"""
_FORGET: Final = "DELETE FROM {schema}.audit_checkpoints WHERE log = %s AND size = %s"
_SIGNED: Final = "INSERT INTO {schema}.audit_checkpoints VALUES (%s, %s, %s)"
_OF_LOG: Final = "WHERE log = (SELECT id FROM {schema}.audit_logs WHERE origin = %s)"
_SIZE: Final = "SELECT coalesce(max(sequence) + 1, 0) FROM {schema}.audit_entries {of_log}"
_PLACE: Final = "SELECT sequence FROM {schema}.audit_entries {of_log} AND sha256(id) = sha256(%s::bytea)"
_READ: Final = """
    SELECT sequence, body, hashes FROM {schema}.audit_entries {of_log} AND sequence >= %s
    ORDER BY sequence LIMIT %s"""
_CHECKPOINTS: Final = "SELECT note FROM {schema}.audit_checkpoints {of_log} ORDER BY size"
_NEWEST: Final = "SELECT note FROM {schema}.audit_checkpoints {of_log} ORDER BY size DESC LIMIT 1"


class PostgresAudit:
    """A node's audit log on PostgreSQL (``AuditStore``).

    Writers of one log take turns; logs of other nodes in the same schema do not wait for it.

    Args:
        database: where it is, or the database that another store of this process has opened.
        origin: the log's name, that of the node's key.
    """

    def __init__(self, database: str | Database, origin: str) -> None:
        self._own = isinstance(database, str)
        self._database = Database(database) if isinstance(database, str) else database
        self._origin = origin
        self._name = escape(origin)
        self._statements = _statements(self._database.schema)

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
        if not drafts:
            return ()
        with self._database.transaction() as transaction:
            ask = transaction.ask
            log, size, signed, note = ask(self._statements[_LOCK], (self._name,))
            known = self._known(transaction, log, drafts)
            tree = CompactRange(size, self._asked(ask, subtrees(0, size)))
            before = tree.head()
            places, new = Growth(self._origin, tree).enter(drafts, known.get)
            if new:
                ask(self._statements[_PUT], (log, *_columns(new)))
                sealed = seal(note, before, tree.head())
                if signed is not None and signed // _KEEP_ONE_IN == tree.size // _KEEP_ONE_IN:
                    ask(self._statements[_FORGET], (log, signed))
                transaction.commit(self._statements[_SIGNED], (log, tree.size, sealed))
        return places

    def read(self, first: int = 0, limit: int = 1000) -> Sequence[StoredEntry]:
        """Up to ``limit`` entries from the place ``first`` on."""
        return [StoredEntry(*row) for row in self._rows(_READ, str(first), str(max(0, limit)))]

    def size(self) -> int:
        """How many entries there are."""
        return int(self._rows(_SIZE)[0][0])

    def find(self, id: str) -> int | None:  # noqa: A002  # as the port spells it
        """The place of the entry with that id."""
        return next((int(place) for (place,) in self._rows(_PLACE, _bytes(id))), None)

    def hashes(self, nodes: Sequence[Node]) -> Sequence[bytes]:
        """The hashes of complete subtrees, in the order asked."""
        with self._database.connection() as connection:
            return self._asked(
                lambda statement, values: connection.execute(statement, values).fetchone(), nodes
            )

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint."""
        return next((note for (note,) in self._rows(_NEWEST)), None)

    def checkpoints(self) -> Sequence[bytes]:
        """The newest checkpoint and one for about each thousand entries before, oldest first."""
        return [note for (note,) in self._rows(_CHECKPOINTS)]

    def close(self) -> None:
        """Close the connections, unless the database was handed in."""
        if self._own:
            self._database.close()

    def _rows(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._database.connection() as connection:
            return connection.execute(self._statements[text], (self._name, *values)).fetchall()

    def _known(self, transaction: Transaction, log: int, drafts: Sequence[Draft]) -> dict[str, int]:
        """The places of those drafts that were entered before, by id."""
        ids = [draft.id for draft in drafts if draft.id is not None]
        if not ids:
            return {}
        (found,) = transaction.ask(self._statements[_FIND], ([_bytes(one) for one in ids], log))
        return {ids[number - 1]: place for number, place in found}

    def _asked(self, ask: Ask, nodes: Sequence[Node]) -> list[bytes]:
        return _hashes(self._database.name, ask, self._statements[_HASHES], self._name, nodes)


class PostgresAuditLogs:
    """The logs in a database that must not be changed: one moment is read, nothing is written, no schema is made.

    Args:
        conninfo: a URL or keywords as libpq takes them.
        schema: where the tables are.

    Raises:
        PortError: it cannot be reached, or holds no audit logs.
    """

    def __init__(self, conninfo: str, schema: str = "maestro") -> None:
        psycopg = driver()
        self._error = psycopg.Error
        self.name = described(conninfo)
        quoted = '"' + schema.replace('"', '""') + '"'
        self._statements = _statements(quoted)
        self._origins = f"SELECT origin FROM {quoted}.audit_logs ORDER BY origin"  # noqa: S608  # a quoted name
        try:
            self._connection = psycopg.connect(conninfo, autocommit=True, client_encoding="utf8")
        except psycopg.Error as error:
            raise failure(self.name, error) from error
        try:
            self._begin(schema)
        except BaseException:
            self._connection.close()
            raise

    def origins(self) -> list[str]:
        """The names of the logs."""
        return [unescape(name) for (name,) in self._rows(self._origins)]

    def entries(self, origin: str) -> Iterator[StoredEntry]:
        """All entries of a log, in order."""
        first = 0
        while page := self.read(origin, first):
            yield from page
            first = page[-1].sequence + 1

    def read(self, origin: str, first: int = 0, limit: int = 1000) -> Sequence[StoredEntry]:
        """Up to ``limit`` entries of a log from the place ``first`` on."""
        rows = self._rows(self._statements[_READ], escape(origin), str(first), str(limit))
        return [StoredEntry(*row) for row in rows]

    def hashes(self, origin: str, nodes: Sequence[Node]) -> Sequence[bytes]:
        """The hashes of complete subtrees of a log, in the order asked."""
        return _hashes(
            self.name,
            lambda statement, values: self._rows(statement, *values)[0],
            self._statements[_HASHES],
            escape(origin),
            nodes,
        )

    def checkpoints(self, origin: str) -> Sequence[bytes]:
        """The checkpoints of a log that are kept, oldest first."""
        return [note for (note,) in self._rows(self._statements[_CHECKPOINTS], escape(origin))]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, schema: str) -> None:
        self._rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        known = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'audit_logs'"
        if not self._rows(known, schema):
            raise PortError(
                f"{self.name} holds no audit log in the schema {schema}.",
                code="no_such_log",
                retry_after=None,
                remedy="Name the store that the log is kept in.",
            )

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            cursor = self._connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []
        except self._error as error:
            raise failure(self.name, error) from error


def _statements(schema: str) -> dict[str, str]:
    """The statements by their texts, for a schema, which is a quoted name."""
    texts = (_LOCK, _FIND, _HASHES, _PUT, _FORGET, _SIGNED, _SIZE, _PLACE, _READ, _CHECKPOINTS, _NEWEST)
    of_log = _OF_LOG.format(schema=schema)
    return {text: text.format(schema=schema, of_log=of_log) for text in texts}


def _hashes(database: str, ask: Ask, statement: str, origin: str, nodes: Sequence[Node]) -> list[bytes]:
    if not nodes:
        return []
    levels, kept = [node.level for node in nodes], [node.kept_at for node in nodes]
    (found,) = ask(statement, (levels, kept, origin))
    for node, one in zip(nodes, found, strict=True):
        if one is None or len(one) != HASH_BYTES:
            raise PortError(
                f"{database}: the hash of the audit log's subtree {node.level}/{node.number} is missing.",
                code="log_damaged",
                retry_after=None,
                remedy="Run 'maestro audit verify', and restore the log from a copy that verifies.",
            )
    return list(found)


def _columns(new: Sequence[NewEntry]) -> tuple[list[Any], ...]:
    return (
        [one.sequence for one in new],
        [None if one.id is None else _bytes(one.id) for one in new],
        [one.body for one in new],
        [one.hashes for one in new],
    )


def _bytes(id: str) -> bytes:  # noqa: A002  # as the port spells it
    return id.encode("utf-8", "surrogatepass")
