"""SQLite files that must not be changed: evidence, a copy, somebody else's, a read-only medium. One moment is read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import msgspec

from maestro.kernel.errors import PortError
from maestro.kernel.events import Event
from maestro_adapters.sqlite.database import APPLICATION_ID

__all__ = ["EvidenceFile", "SqliteEventsFile"]

_decoder = msgspec.json.Decoder(Event)


class EvidenceFile:
    """A store's file, opened for reading alone and read as it is at one moment.

    Args:
        path: the file.

    Attributes:
        table: one that the file must have.
        lacking: what is said of a file without it, and the code.

    Raises:
        PortError: it cannot be opened, or is no store of ours.
    """

    table: ClassVar[str]
    lacking: ClassVar[tuple[str, str]]

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100  # as Database names it
        try:
            self._connection = _read_only(self.path)
        except sqlite3.Error as error:
            raise _failure(self.path, error) from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def cursor(self) -> Iterator[sqlite3.Cursor]:
        """A cursor at the one moment; SQLite's errors become PortErrors."""
        with closing(self._connection.cursor()) as cursor:
            try:
                yield cursor
            except sqlite3.Error as error:
                raise _failure(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        """Begin to read one moment, of a store of ours that has the table."""
        with self.cursor() as cursor:
            (application,) = cursor.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                raise _unusable(self.path, "is a database of another application", "store_foreign")
            cursor.execute("BEGIN")
            if not cursor.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (self.table,)).fetchone():
                raise _unusable(self.path, *self.lacking)


class SqliteEventsFile(EvidenceFile):
    """The outbox in a SQLite file that must not be changed."""

    table = "events"
    lacking = ("holds no events", "no_such_log")

    def events(self) -> Iterator[Event]:
        """All events that are kept, in order."""
        with self.cursor() as cursor:
            for (body,) in cursor.execute("SELECT body FROM events ORDER BY position"):
                yield _decoder.decode(body)


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that never writes into the file; beside it SQLite may leave an empty log file of its own.

    Where it may not even do that (a read-only folder), nobody else can be writing either. Then the file is all that is
    read, so it must be whole: what stands in the write-ahead log beside it would be passed over in silence.
    """
    try:
        return _connected(f"{path.as_uri()}?mode=ro")
    except sqlite3.OperationalError:
        if not path.is_file():
            raise
        log = path.with_name(f"{path.name}-wal")
        if log.is_file() and log.stat().st_size:
            raise PortError(
                f"{path} has a write-ahead log beside it, and its folder cannot be written.",
                code="store_unopened",
                retry_after=None,
                remedy=f"Copy {path.name} and {log.name} to a folder that this user may write to, and name the copy.",
            ) from None
        return _connected(f"{path.as_uri()}?mode=ro&immutable=1")


def _connected(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _failure(path: Path, error: sqlite3.Error) -> PortError:
    """What an error on a file that is only read means."""
    number = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if number in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return PortError(
            f"{path} cannot be read to its end: {error}.",
            code="log_damaged",
            retry_after=None,
            remedy="Restore it from a backup.",
        )
    if number in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return PortError(f"{path} is in use: {error}.", code="store_busy", remedy="Try again.")
    return PortError(
        f"{path} cannot be read: {error}.",
        code="store_unopened",
        retry_after=None,
        remedy="Name a file that exists and that this user may read.",
    )


def _unusable(path: Path, why: str, code: str) -> PortError:
    return PortError(f"{path} {why}.", code=code, retry_after=None, remedy="Name a store of Maestro's.")
