"""A PostgreSQL logical replication slot as a source of changes, over plain SQL (extra ``[postgres]``).

``pg_logical_slot_peek_changes`` shows what the slot holds and forgets nothing; ``pg_replication_slot_advance`` forgets
it, and is called only after the lake's commit. A change's version is its LSN. Changes come in the order of their
transactions' commits, in which their LSNs do not grow, so the lane's number is the LSN of the last *commit* taken.

A transaction that is larger than a batch comes in parts. Each part moves a second lane, so that the table can commit
it; after a crash the whole transaction comes again, and the rows' versions make that harmless.

A slot that nobody reads keeps all of the server's write-ahead log: ``backlog`` says how much that is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from maestro.formats import wal2json
from maestro.formats.connect_types import WireType
from maestro.formats.debezium import Envelope
from maestro.kernel.errors import BadInputError, PortError
from maestro.lake.envelopes import Reader, Record
from maestro.ports.changes import Backlog, Polled, Recall
from maestro.ports.lake import Poison, Positions
from maestro_adapters.postgres.errors import failure

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["SlotChanges", "TableShape", "drop_slot", "shape_of"]

_PEEK: Final = "SELECT data FROM pg_logical_slot_peek_changes(%s, NULL, %s, VARIADIC %s)"
_NOW: Final = "SELECT clock_timestamp(), (pg_current_wal_flush_lsn() - '0/0')::bigint"
_STATE: Final = """
    SELECT slot_name IS NOT NULL, coalesce(wal_status, ''), (confirmed_flush_lsn - '0/0')::bigint,
        pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint
    FROM (SELECT) AS one LEFT JOIN pg_replication_slots ON slot_name = %s"""
_DROP: Final = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
_IDLE_STEP: Final = 1 << 20
"""Bytes of others' log after which a slot with nothing of ours is moved on."""
_COLUMNS: Final = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(a.attnum = ANY (i.indkey), false)
    FROM pg_attribute AS a LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""


class _State(msgspec.Struct, frozen=True):
    there: bool
    status: str
    confirmed: int | None
    retained: int | None


@attrs.define
class _Part:
    """What one poll has read so far, and up to which commit."""

    read: int
    size: int = 0
    told: list[tuple[Record, Envelope]] = attrs.field(factory=list)
    poison: list[Poison] = attrs.field(factory=list)


class TableShape(msgspec.Struct, frozen=True):
    """A table at the source.

    Attributes:
        types: its columns with their types.
        key: its primary key, empty without one.
    """

    types: Mapping[str, WireType]
    key: tuple[str, ...]


def shape_of(conninfo: str, table: str) -> TableShape:
    """What the database says of ``schema.table``.

    Raises:
        PortError: the database cannot be reached.
        BadInputError: there is no such table.
    """
    psycopg = _driver()
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            rows = connection.execute(_COLUMNS, (table,)).fetchall()
    except psycopg.errors.UndefinedTable as error:
        raise BadInputError(
            "is no table of this database.", field="table", value=table, remedy="Name it as schema.table."
        ) from error
    except psycopg.Error as error:
        raise failure("the source", error) from error
    return TableShape(
        {name: wal2json.pg_type(kind) for name, kind, _ in rows},
        tuple(name for name, _, of_key in rows if of_key),
    )


def drop_slot(conninfo: str, slot: str) -> bool:
    """Let go of the slot and of all the log it keeps; False when there was none. Raises PortError."""
    psycopg = _driver()
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            found = connection.execute(_DROP, (slot,)).fetchall()
    except psycopg.Error as error:
        raise failure(f"slot {slot}", error) from error
    return bool(found)


class SlotChanges:
    """The changes of one table from one slot, which is made when it is not there.

    Args:
        conninfo: of the database, as libpq takes it.
        table: ``schema.table``.
        slot: the slot's name; one follower a slot.
        reader: makes batches; its ``source`` names this one. Give it ``whole=True``.

    Raises:
        PortError: the database cannot be reached, lacks wal2json or ``wal_level=logical``, or the slot is lost.
    """

    def __init__(self, conninfo: str, table: str, slot: str, reader: Reader) -> None:
        self._psycopg = _driver()
        self._conninfo, self._table, self._slot, self._reader = conninfo, table, slot, reader
        # No logical messages: they belong to no table.
        filters = {"add-tables": _escaped(table), "add-msg-prefixes": "maestro.none"}
        self._options = [part for pair in {**wal2json.OPTIONS, **filters}.items() for part in pair]
        self._connections: dict[str, Connection[Any]] = {}
        self._rows: Iterator[tuple[str]] | None = None
        self._seen_at: datetime | None = None
        self._end = self._lines = self._asked = 0
        self._read = self._acknowledged = self._part = 0
        self._commit = 0
        self._paused = False
        self._bell = threading.Event()
        self._prepare()

    @property
    def name(self) -> str:
        """The source's name."""
        return self._reader.source

    def start(self, recall: Recall) -> None:
        """Let the slot forget what the table holds already, which a crash kept it from being told."""
        known = recall([self.name, self._part_lane])
        self._read = self._acknowledged = self._confirmed
        self._part = known.get(self._part_lane, 0)
        self._read = max(self._read, known.get(self.name, 0))
        self.acknowledge({self.name: self._read})

    def poll(self, events: int, size: int, wait: float) -> Polled:
        """The next changes; nothing new is peeked at before all that was polled is acknowledged."""
        if self._paused:
            self._bell.wait(wait)
            return Polled()
        if self._rows is None:
            if self._read > self._acknowledged:
                self._bell.wait(wait)
                self._bell.clear()
                return Polled()
            self._peek(events)
        polled = self._take(events, size)
        if polled.batch is None and not polled.poison and self._rows is None and wait > 0:
            self._bell.wait(wait)
        return polled

    def acknowledge(self, positions: Positions) -> None:
        """Let the slot forget what the lake has committed."""
        number = positions.get(self.name, 0)
        if number <= self._acknowledged:
            return
        with self._asking("control") as connection:
            # Behind the commit's own record, which its LSN names the start of.
            connection.execute(
                "SELECT pg_replication_slot_advance(%s, %s::pg_lsn)",
                (self._slot, wal2json.lsn_text(number + 1)),
            )
        self._acknowledged = number
        self._bell.set()

    def pause(self) -> None:
        """Peek at nothing more."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        self._bell.set()

    def backlog(self) -> Backlog:
        """Bytes of write-ahead log that the slot keeps the server from recycling."""
        state = self._state()
        if state.status == "lost":
            raise self._lost()
        return Backlog(bytes=state.retained)

    def close(self) -> None:
        """Close the connection; the slot stays, and so does what it keeps."""
        self._rows = None
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        self._bell.set()

    @property
    def _part_lane(self) -> str:
        return f"{self.name}/part"

    def _prepare(self) -> None:
        state = self._state()
        if not state.there:
            with self._asking("control") as connection:
                connection.execute("SELECT pg_create_logical_replication_slot(%s, 'wal2json')", (self._slot,))
            state = self._state()
        if state.status == "lost":
            raise self._lost()
        self._confirmed = (state.confirmed or 1) - 1

    def _state(self) -> _State:
        with self._asking("control") as connection:
            row = connection.execute(_STATE, (self._slot,)).fetchall()[0]
        return _State(*row)

    def _peek(self, events: int) -> None:
        """Ask the slot, row by row: the server keeps the rest aside, so a huge transaction fits in our memory."""
        with self._asking("changes") as connection:
            self._seen_at, self._end = connection.execute(_NOW).fetchall()[0]
            self._rows = connection.cursor().stream(_PEEK, (self._slot, events, self._options))
            self._lines, self._asked = 0, events

    def _take(self, events: int, size: int) -> Polled:
        """Rows of the open peek, up to the bounds; when it breaks off, nothing of this poll counts as read."""
        part = _Part(self._read)
        met_end = False
        while len(part.told) + len(part.poison) < events and part.size < size:
            with self._asking("changes"):
                row = next(self._rows or iter(()), None)
            if row is None:
                self._rows, met_end = None, self._lines < self._asked
                break
            self._lines += 1
            self._line(row[0], part)
        read = self._reader.read_envelopes(part.told, part.poison)
        nothing = not part.told and not part.poison
        positions: dict[str, int] = {}
        if part.read > self._read:
            self._read = positions[self.name] = part.read
        elif not nothing:
            self._part += 1
            positions[self._part_lane] = self._part
        if nothing and met_end and not part.size:
            self._idle()
        return Polled(
            read.batch, positions, read.poison, part.size, self._seen_at if nothing and met_end else None
        )

    def _line(self, text: str, part: _Part) -> None:
        part.size += len(text)
        record = Record(self.name, self._commit, None, text.encode())
        try:
            change = wal2json.decode(text)
            if change.action == "B":
                self._commit = wal2json.lsn_of(change.lsn)
            elif change.action == "C":
                part.read = max(part.read, wal2json.lsn_of(change.lsn))
            elif self._commit > self._read:  # what the table holds already comes again after a crash
                envelopes = wal2json.envelopes(change, self._reader.key, self.name)
                part.told += [(record, each) for each in envelopes]
        except BadInputError as error:
            part.poison.append(Poison(error.code, str(error), self.name, self._commit, text.encode()))

    def _idle(self) -> None:
        """Other tables' changes pass by: without this the slot would keep the log of all of them."""
        if self._read == self._acknowledged and self._end > self._read + _IDLE_STEP:
            self._read = self._end - 1
            self.acknowledge({self.name: self._read})

    @contextmanager
    def _asking(self, purpose: str) -> Iterator[Connection[Any]]:
        """One of two connections, since one that streams a peek answers nothing else until it is through."""
        try:
            connection = self._connections.get(purpose)
            if connection is None or connection.closed:
                connection = self._psycopg.connect(
                    self._conninfo, autocommit=True, client_encoding="utf8", application_name="maestro lake"
                )
                self._connections[purpose] = connection
            yield connection
        except self._psycopg.Error as error:
            self.close()
            raise failure(f"slot {self._slot}", error) from error

    def _lost(self) -> PortError:
        return PortError(
            f"The slot {self._slot} is lost: the server has removed the log that it kept.",
            retry_after=None,
            code="slot_lost",
            remedy="Drop it (maestro lake follow --drop-slot), follow anew and run 'maestro lake backfill'.",
        )


def _escaped(table: str) -> str:
    """The name as wal2json's filter wants it: commas and spaces of its own are escaped."""
    return "".join(f"\\{mark}" if mark in ", \\" else mark for mark in table)


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise PortError(
            "The driver psycopg is not installed.",
            code="missing_extra",
            retry_after=None,
            remedy="Run: pip install 'maestro-conductor[postgres]'",
        ) from error
    return psycopg
