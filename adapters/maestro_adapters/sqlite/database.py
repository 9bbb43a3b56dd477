"""One SQLite file: opening it, its pragmas, its schema, its transactions, its errors.

Threads: a ``Database`` holds one connection and a lock; SQLite lets one writer at a time through anyway.
Processes: each opens its own; after ``fork`` the child leaves the parent's connection untouched (closing it there
could remove the parent's log file) and opens another when it first needs one.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from maestro.kernel.errors import PortError
from maestro.kernel.instants import EPOCH

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Database", "from_microseconds", "microseconds"]

APPLICATION_ID: Final = 0x4D434F4E
"""``MCON`` in the file's header: the file is ours."""

_BUSY_SECONDS: Final = 5.0
_OLDEST: Final = (3, 37, 0)
"""STRICT tables came with 3.37, RETURNING with 3.35."""

_PAGE_BYTES: Final = 2048
_LOG_PAGES: Final = 4000
"""Rows here are small and commits many: each writes whole pages to the log, and each checkpoint waits for the disk
(ADR-1104 has the measurements). The log grows to 8 MB."""

_TRIES: Final = 100
_IDENTITY: Final = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
    FROM pragma_application_id, pragma_user_version"""

_MICROSECOND: Final = timedelta(microseconds=1)

_open: WeakSet[Database] = WeakSet()
_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process, kept so that they are never closed here."""


def microseconds(instant: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00:00Z."""
    return (instant - EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """The UTC instant that many microseconds after the epoch."""
    return EPOCH + timedelta(microseconds=number)


class Database:
    """One file, used as ``with database.writing() as cursor:`` and ``with database.reading() as cursor:``.

    Args:
        path: the file; made when missing. Its folder must exist.
        busy_seconds: how long to wait for other writers before a PortError.

    Raises:
        PortError: the file cannot be used, with path and remedy; nothing was changed.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_seconds: float = _BUSY_SECONDS) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow links that may change
        self._busy_seconds = busy_seconds
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None
        self._closed = False
        self._writing = _Writing(self)
        self._reading = _Reading(self)
        with self._reading:
            pass
        _open.add(self)

    def writing(self) -> _Writing:
        """A transaction that holds SQLite's write lock from its start; rolled back when the body raises."""
        return self._writing

    def reading(self) -> _Reading:
        """The connection without a transaction of its own: each statement sees one moment."""
        return self._reading

    def snapshot(self) -> _Snapshot:
        """One moment for all statements of the body: it has come when the body begins."""
        return _Snapshot(self)

    def durably(self) -> _Durably:
        """As ``writing``, and on the disk when it ends, whatever happens to the power."""
        return _Durably(self)

    def close(self) -> None:
        """Close the connection; using the database afterwards is a PortError."""
        with self._lock:
            self._closed = True
            connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            connection.close()

    def take(self) -> sqlite3.Cursor:
        """Lock the connection, opening it when needed; for the transactions of this module."""
        if not self._lock.acquire(timeout=self._busy_seconds):
            raise self.busy()
        try:
            return self._cursor or self._begin()
        except BaseException:
            self._lock.release()
            raise

    def give(self) -> None:
        """Unlock the connection."""
        self._lock.release()

    def busy(self) -> PortError:
        """The error for a write lock that others hold for too long."""
        return PortError(
            f"{self.path} is in use by other writers for more than {self._busy_seconds:g} s.",
            code="store_busy",
            remedy="Try again, or shorten the transactions of the other processes.",
        )

    def failure(self, error: sqlite3.Error) -> PortError:
        """What an error of SQLite means to the caller."""
        number = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if number in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return self.busy()
        code, retry_after, remedy = _MEANINGS.get(number, ("store_failed", 1.0, ""))
        return PortError(f"{self.path}: {error}.", code=code, retry_after=retry_after, remedy=remedy)

    def forked(self) -> None:
        """In a forked child: forget the parent's connection and the lock that another thread may have held."""
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection = self._cursor = None
        self._lock = Lock()

    def _begin(self) -> sqlite3.Cursor:
        if self._closed:
            raise PortError(f"The store {self.path} is closed.", code="store_closed", retry_after=None)
        self._connection = self._connect()
        self._cursor = self._connection.cursor()
        return self._cursor

    def _connect(self) -> sqlite3.Connection:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise PortError(
                f"SQLite {sqlite3.sqlite_version} is too old.",
                code="sqlite_too_old",
                retry_after=None,
                remedy=f"Use a Python built with SQLite {'.'.join(map(str, _OLDEST))} or newer.",
            )
        if not self.path.parent.is_dir():
            raise PortError(
                f"{self.path}: its folder does not exist.",
                code="store_unopened",
                retry_after=None,
                remedy=f"Create {self.path.parent}, or name another path.",
            )
        try:
            connection = sqlite3.connect(
                self.path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self.failure(error) from error
        try:
            self._prepare(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise self.failure(error) from error
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = self._version(connection)
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # heard by a new file only
        self._use_log(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        migrations = _migrations()
        if version == len(migrations):
            return
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                for text in migrations[self._version(connection) :]:
                    for statement in _statements(text):
                        cursor.execute(statement)
                cursor.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                cursor.execute(f"PRAGMA user_version = {len(migrations)}")
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise

    def _use_log(self, connection: sqlite3.Connection) -> None:
        """Switch the file to a write-ahead log, once and for all.

        SQLite does not wait for other connections here, whatever its busy timeout; those of processes that open a
        new file at the same moment are soon done.
        """
        mode = ""
        for left in reversed(range(_TRIES)):
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not left:
                    raise
            if mode:
                break
            Event().wait(self._busy_seconds / _TRIES)
        if mode != "wal":
            raise PortError(
                f"{self.path} cannot have a write-ahead log (it stays in mode '{mode}').",
                code="store_unopened",
                retry_after=None,
                remedy="Put it on a local disk; network file systems cannot share one.",
            )

    def _version(self, connection: sqlite3.Connection) -> int:
        """The schema's version, 0 for an empty file; refuses what is not ours or newer than this code."""
        # One statement, so one moment: another process may be making the file just now.
        application, version, tables = connection.execute(_IDENTITY).fetchone()
        if application != APPLICATION_ID and (application or version or tables):
            raise PortError(
                f"{self.path} is a database of another application.",
                code="store_foreign",
                retry_after=None,
                remedy="Name a file of its own for Maestro.",
            )
        known = len(_migrations())
        if version > known:
            raise PortError(
                f"{self.path} has schema version {version}; this release knows up to {known}.",
                code="store_newer",
                retry_after=None,
                remedy="Upgrade Maestro, or name another file.",
            )
        return int(version)


_MEANINGS: Final[dict[int, tuple[str, float | None, str]]] = {
    sqlite3.SQLITE_NOTADB: ("store_corrupt", None, "It is not a SQLite database: name another file."),
    sqlite3.SQLITE_CORRUPT: (
        "store_corrupt",
        None,
        "Restore it from a backup, or recover it with sqlite3 .recover.",
    ),
    sqlite3.SQLITE_READONLY: (
        "store_read_only",
        None,
        "Make the file and its folder writable for this user.",
    ),
    sqlite3.SQLITE_CANTOPEN: ("store_unopened", None, "Make the file and its folder writable for this user."),
    sqlite3.SQLITE_PERM: ("store_unopened", None, "Make the file and its folder writable for this user."),
    sqlite3.SQLITE_FULL: ("store_full", 30.0, "Free space on its disk."),
    sqlite3.SQLITE_IOERR: ("store_failed", 5.0, "Check the disk and the system's log."),
}


class _Reading:
    """Lends the cursor; see ``Database.reading``."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Cursor:
        return self._database.take()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.give()
        if isinstance(error, sqlite3.Error):
            raise self._database.failure(error) from error


class _Snapshot(_Reading):
    """Lends the cursor in a read transaction that has begun; see ``Database.snapshot``."""

    __slots__ = ("_cursor",)

    def __enter__(self) -> sqlite3.Cursor:
        self._cursor = super().__enter__()
        try:
            self._cursor.execute("BEGIN")
            self._cursor.execute("SELECT 1 FROM fence").fetchone()  # BEGIN alone waits for the first read
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self._cursor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cursor.connection.in_transaction:
            self._cursor.execute("ROLLBACK")
        super().__exit__(kind, error, trace)


class _Writing:
    """Lends the cursor in a transaction; see ``Database.writing``."""

    __slots__ = ("_cursor", "_database")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cursor: sqlite3.Cursor

    def __enter__(self) -> sqlite3.Cursor:
        cursor = self._database.take()
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            self._database.give()
            if isinstance(error, sqlite3.Error):
                raise self._database.failure(error) from error
            raise
        self._cursor = cursor
        return cursor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                try:
                    self._cursor.execute("COMMIT")
                except sqlite3.Error as failed:
                    self._undo()
                    raise self._database.failure(failed) from failed
            else:
                self._undo()
        finally:
            self._database.give()
        if isinstance(error, sqlite3.Error):
            raise self._database.failure(error) from error

    def _undo(self) -> None:
        """Roll back, unless SQLite has done so on its own (a full disk, a failed write)."""
        if self._cursor.connection.in_transaction:
            self._cursor.execute("ROLLBACK")


class _Durably(_Writing):
    """A transaction whose commit waits for the disk; see ``Database.durably``."""

    __slots__ = ()

    def __enter__(self) -> sqlite3.Cursor:
        with self._database.reading() as cursor:
            cursor.execute("PRAGMA synchronous = FULL")
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        with self._database.reading() as cursor:
            cursor.execute("PRAGMA synchronous = NORMAL")


def _migrations() -> list[str]:
    """The schema's steps in order; a file holds its first n of them when its user_version is n."""
    folder = files(__package__).joinpath("migrations")
    steps = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
    return [step.read_text("utf-8") for step in steps]


def _statements(text: str) -> list[str]:
    """The statements of a script (``executescript`` would commit the transaction it runs in)."""
    found, current = [], ""
    for line in text.splitlines():
        current += line + "\n"
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    return found


def _after_fork() -> None:
    for database in list(_open):
        database.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
