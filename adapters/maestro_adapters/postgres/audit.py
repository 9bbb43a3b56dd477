"""Audit logs on PostgreSQL, each append in one transaction that waits for the server's disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from maestro.audit.entries import Draft, Growth, NewEntry
from maestro.audit.hashing import HASH_BYTES
from maestro.audit.tree import CompactRange, Node, subtrees
from maestro.kernel.errors import PortError
from maestro.ports.audit import Seal, StoredEntry
from maestro.ports.capabilities import Capability
from maestro_adapters.postgres.database import Database, Transaction, escape

__all__ = ["PostgresAudit"]

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
        texts = (_LOCK, _FIND, _HASHES, _PUT, _FORGET, _SIGNED, _SIZE, _PLACE, _READ, _CHECKPOINTS, _NEWEST)
        schema = self._database.schema
        of_log = _OF_LOG.format(schema=schema)
        self._statements = {text: text.format(schema=schema, of_log=of_log) for text in texts}

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

    def _asked(self, ask: Any, nodes: Sequence[Node]) -> list[bytes]:
        if not nodes:
            return []
        levels, kept = [node.level for node in nodes], [node.kept_at for node in nodes]
        (found,) = ask(self._statements[_HASHES], (levels, kept, self._name))
        for node, one in zip(nodes, found, strict=True):
            if one is None or len(one) != HASH_BYTES:
                raise PortError(
                    f"{self._database.name}: the hash of the audit log's subtree {node.level}/{node.number} is missing.",
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
