"""One PostgreSQL database: its connections, its schema, its transactions.

Threads share a few connections; one that waits too long for its turn gets a PortError. Processes: each opens its own;
after ``fork`` the child leaves the parent's connections untouched. A connection that broke is thrown away with all
idle ones, and the next call opens another.
"""

from __future__ import annotations

import math
import os
import select
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from importlib import import_module
from importlib.resources import files
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from maestro.kernel.errors import BadInputError, PortError
from maestro_adapters.postgres.errors import failure

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

__all__ = ["Database", "Transaction", "described", "driver", "escape", "unescape"]

_OLDEST: Final = 130_000
_LONGEST_SCHEMA: Final = 63
_LONGEST_WAIT: Final = 3
"""Times the timeout: how long an answer is waited for. The server itself ends a statement after two of them."""

_PREPARE: Final = """
    SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
        set_config('default_transaction_isolation', 'read committed', false),
        set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), false),
        set_config('lock_timeout', %(wait)s, false),
        set_config('statement_timeout', %(statement)s, false),
        set_config('idle_in_transaction_session_timeout', %(statement)s, false)"""
_VERSION: Final = "SELECT max(version) FROM {}.schema_versions"
# Asked of the catalogue's rows: to_regclass() may answer from a cache that is older than the lock.
_KNOWS_VERSIONS: Final = "SELECT FROM pg_tables WHERE schemaname = %s AND tablename = 'schema_versions'"

_open: WeakSet[Database] = WeakSet()
_inherited: list[Connection[Any]] = []
"""Connections of a parent process, kept so that they are never closed here."""


class Database:
    """A schema in a database, used as ``with database.connection() as connection:``, outside of any transaction.

    Args:
        conninfo: a URL or keywords as libpq takes them.
        schema: where the tables are; made when missing. Stores in different schemas do not know one another.
        size: how many connections this process opens at most.
        timeout: seconds to wait for a connection, a lock or, twice as long, a statement. A server that is frozen, and
            so ends nothing by itself, is given up after three times as long.

    Raises:
        PortError: psycopg is missing (extra ``[postgres]``), or the database cannot be used, with remedy; nothing was
            changed.
    """

    def __init__(
        self, conninfo: str, *, schema: str = "maestro", size: int = 8, timeout: float = 5.0
    ) -> None:
        if not 0 < len(schema.encode()) <= _LONGEST_SCHEMA or "\0" in schema:
            raise BadInputError("is no name of a schema.", field="schema", value=schema)
        self._psycopg = driver()
        self._conninfo, self._size, self._timeout = conninfo, size, timeout
        self.bare_schema = schema
        self.schema = '"' + schema.replace('"', '""') + '"'
        self.name = described(conninfo)
        self._closed = False
        self.forked()
        try:
            with self.connection() as connection:
                self._migrate(connection)
        except BaseException:
            self.close()
            raise
        _open.add(self)

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """Lend a connection in autocommit mode; an error of the driver within becomes a PortError."""
        if not self._turns.acquire(timeout=self._timeout):
            raise PortError(
                f"{self.name}: all {self._size} connections of this process are in use for {self._timeout:g} s.",
                code="store_busy",
                remedy="Try again, or open the store with a greater size.",
            )
        try:
            connection = self._idle_one() or self._connect()
            try:
                yield connection
            finally:
                self._give_back(connection)
        except (self._psycopg.Error, UnicodeError) as error:
            raise failure(self.name, error) from error
        finally:
            self._turns.release()

    @contextmanager
    def alone(self) -> Iterator[Connection[Any]]:
        """Open a connection beside the pool, for one that listens; an error of the driver becomes a PortError."""
        try:
            with closing(self._connect()) as connection:
                yield connection
        except (self._psycopg.Error, UnicodeError) as error:
            raise failure(self.name, error) from error

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction: committed at the end, unless it was, and rolled back when the body raises."""
        with self.connection() as connection:
            transaction = Transaction(connection, self._psycopg.ClientCursor(connection))
            try:
                yield transaction
                transaction.commit()
            except BaseException:
                transaction.roll_back()
                raise

    def close(self) -> None:
        """Close the connections; using the database afterwards is a PortError."""
        self._closed = True
        self._drop_idle()

    def forked(self) -> None:
        """Begin without connections; in a forked child, leave those of the parent alone."""
        _inherited.extend(getattr(self, "_idle", ()))
        self._idle: list[Connection[Any]] = []
        self._lock = Lock()
        self._turns = BoundedSemaphore(self._size)

    def _idle_one(self) -> Connection[Any] | None:
        """An idle connection that is still good: one that has something to say has been ended by the server."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not connection.closed and not _has_news(connection.fileno()):
                return connection
            connection.close()

    def _give_back(self, connection: Connection[Any]) -> None:
        if connection.broken or connection.closed:
            self._drop_idle()
        elif self._closed or connection.info.transaction_status:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connect(self) -> Connection[Any]:
        if self._closed:
            raise PortError(f"The store on {self.name} is closed.", code="store_closed", retry_after=None)
        defaults = {
            "application_name": "maestro", "connect_timeout": max(2, round(self._timeout)),
            "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
            "tcp_user_timeout": round(self._timeout * 2000),
        }  # fmt: skip
        given = self._psycopg.conninfo.conninfo_to_dict(self._conninfo)
        connection = _patient(self._psycopg).connect(
            **(defaults | given), autocommit=True, client_encoding="utf8"
        )
        connection.longest = _LONGEST_WAIT * self._timeout
        try:
            milliseconds = round(self._timeout * 1000)
            version, encoding, *_ = connection.execute(
                _PREPARE, {"wait": f"{milliseconds}ms", "statement": f"{2 * milliseconds}ms"}
            ).fetchone()
            self._require_fit(version, encoding)
        except BaseException:
            connection.close()
            raise
        return connection  # type: ignore[no-any-return]  # the driver was imported late

    def _require_fit(self, version: int, encoding: str) -> None:
        """Refuse a server on which the stores would not be safe."""
        if version < _OLDEST:
            fault, remedy = f"is PostgreSQL {version // 10_000}", f"Use {_OLDEST // 10_000} or newer."
        elif encoding != "UTF8":
            fault, remedy = (
                f"has the encoding {encoding}",
                "Create one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
            )
        else:
            return
        raise PortError(f"{self.name} {fault}.", code="store_unsuited", retry_after=None, remedy=remedy)

    def _migrate(self, connection: Connection[Any]) -> None:
        """Bring the schema to this release's version, one process at a time, all steps or none."""
        known = _migrations()
        if self._version(connection, len(known)) == len(known):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 3))", (self.bare_schema,))
            version = self._version(connection, len(known))
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
            connection.execute(f"SET LOCAL search_path TO {self.schema}")
            if not version:
                connection.execute(
                    "CREATE TABLE schema_versions (version integer PRIMARY KEY, since timestamptz NOT NULL DEFAULT now())"
                )
            for number, step in enumerate(known[version:], version + 1):
                connection.execute(step)
                connection.execute("INSERT INTO schema_versions VALUES (%s)", (number,))

    def _version(self, connection: Connection[Any], known: int) -> int:
        """The schema's version, 0 when it is not there; refuses one that is newer than this code."""
        if connection.execute(_KNOWS_VERSIONS, (self.bare_schema,)).fetchone() is None:
            return 0
        (version,) = connection.execute(_VERSION.format(self.schema)).fetchone()  # type: ignore[misc]  # one row
        if version > known:
            raise PortError(
                f"{self.name}: schema {self.schema} has version {version}; this release knows up to {known}.",
                code="store_newer",
                retry_after=None,
                remedy="Upgrade Maestro, or name another schema.",
            )
        return int(version)


class Transaction:
    """Statements that hold together.

    The first travels with BEGIN and the last, if given to ``commit``, with COMMIT: a journey to the server costs more
    than what is done there, and a tenant's lock is held over all journeys but the first.
    """

    def __init__(self, connection: Connection[Any], cursor: Cursor[Any]) -> None:
        self._connection, self._cursor = connection, cursor
        self._begun = self._ended = False

    def ask(self, statement: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Run a statement; its first row, or None."""
        begin, self._begun = "" if self._begun else "BEGIN; ", True
        self._cursor.execute(f"{begin}{statement}", parameters)
        while self._cursor.nextset():
            pass
        return self._cursor.fetchone() if self._cursor.description else None

    def ask_many(self, statement: str, parameters: list[tuple[Any, ...]]) -> None:
        """Run a statement, which is not the first, for each of them."""
        self._connection.cursor().executemany(statement, parameters)

    def commit(self, statement: str = "", parameters: tuple[Any, ...] = ()) -> None:
        """Run a last statement, if there is one, and end the transaction."""
        if self._begun and not self._ended:
            self.ask(f"{statement}; COMMIT" if statement else "COMMIT", parameters)
        self._ended = True

    def roll_back(self) -> None:
        """Undo what was not committed."""
        if not self._connection.closed and self._connection.info.transaction_status:
            self._connection.execute("ROLLBACK")


def escape(name: str) -> str:
    r"""The name as PostgreSQL can hold it: NUL as ``\0``, the backslash as ``\\``."""
    if "\\" in name or "\0" in name:
        return name.replace("\\", "\\\\").replace("\0", "\\0")
    return name


def unescape(text: str) -> str:
    """The name that was escaped."""
    if "\\" not in text:
        return text
    return "\\".join(part.replace("\\0", "\0") for part in text.split("\\\\"))


def described(conninfo: str) -> str:
    """How messages name a database: never with its password. Raises PortError when the address is malformed."""
    psycopg = driver()
    try:
        given = psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.Error as error:
        raise PortError(
            "The address of the PostgreSQL database is malformed.",
            code="store_unopened",
            retry_after=None,
            remedy="Write postgresql://user@host:port/database, or host=… dbname=….",
        ) from error
    where = ":".join(str(given[key]) for key in ("host", "port") if key in given)
    return f"PostgreSQL {given.get('dbname', 'database')} at {where or 'the default address'}"


def driver() -> Any:
    """Psycopg. Raises PortError ``missing_extra``."""
    try:
        return import_module("psycopg")
    except ImportError as error:
        raise PortError(
            "The driver psycopg is not installed.",
            code="missing_extra",
            retry_after=None,
            remedy="Run: pip install 'maestro-conductor[postgres]'",
        ) from error


@cache
def _patient(psycopg: Any) -> Any:
    """A connection that waits for an answer for a bounded time.

    ``statement_timeout`` is kept by the server, and TCP's timeouts by its kernel: a server whose processes are frozen
    answers nothing and loses no packet. That this wait is over is known here alone.
    """

    class Patient(psycopg.Connection):  # type: ignore[misc]  # the driver was imported late
        longest = math.inf

        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            if timeout is not None or self.longest == math.inf:
                return super().wait(gen, interval, timeout)
            try:
                return super().wait(gen, interval, self.longest)
            except psycopg.errors._WaitTimeout as error:  # noqa: SLF001  # as the driver documents wait()
                self.close()
                raise psycopg.OperationalError(
                    f"it did not answer for {self.longest:g} s; the connection was given up"
                ) from error

    return Patient


def _has_news(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _migrations() -> list[str]:
    """The schema's steps in order; a schema of version n holds the first n of them."""
    folder = files(__package__).joinpath("migrations")
    steps = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
    return [step.read_text("utf-8") for step in steps]


def _after_fork() -> None:
    for database in list(_open):
        database.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
