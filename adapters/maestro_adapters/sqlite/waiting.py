"""A waiting room in a SQLite file, for the processes of one machine.

There is nothing to ring: a release is a commit, and SQLite tells each connection by ``PRAGMA data_version`` that
another one has committed. A thread looks at it a hundred times a second, which costs some microseconds each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from threading import Event
from typing import Final

from maestro.ports.clock import BootClock
from maestro.ports.waiting import Waiter
from maestro_adapters.listening import listen
from maestro_adapters.sqlite.database import Database

__all__ = ["SqliteWaitingRoom"]

_LOOK_SECONDS: Final = 0.01
_JOIN: Final = (
    "INSERT INTO waiters (tenant, run, package, boot, expires) VALUES (?, ?, ?, ?, ?) RETURNING ticket"
)
_STAY: Final = (
    "INSERT OR REPLACE INTO waiters (ticket, tenant, run, package, boot, expires) VALUES (?, ?, ?, ?, ?, ?)"
)
_LEAVE: Final = "DELETE FROM waiters WHERE ticket = ?"
_FORGET: Final = "DELETE FROM waiters WHERE boot <> ? OR expires <= ?"
_QUEUE: Final = """
    SELECT ticket, run, package FROM waiters WHERE tenant = ? AND boot = ? AND expires > ? ORDER BY ticket"""


class SqliteWaitingRoom:
    """Implements ``WaitingRoom``.

    Args:
        database: the file in which tickets are kept.
        clock: the boot clock by which they run out.
    """

    def __init__(self, database: Database, clock: BootClock) -> None:
        self._database = database
        self._nanoseconds = clock.nanoseconds
        self._boot = clock.boot_id()

    def join(self, tenant: str, run: str, package: str, lasts: float) -> Waiter:
        """Take a ticket, and forget those whose time is over."""
        with self._database.writing() as cursor:
            now = self._nanoseconds()
            cursor.execute(_FORGET, (self._boot, now))
            values = (tenant, run, package, self._boot, now + round(lasts * 1e9))
            (ticket,) = cursor.execute(_JOIN, values).fetchone()
        return Waiter(ticket, tenant, run, package)

    def stay(self, waiters: Sequence[Waiter], lasts: float) -> None:
        """Keep the tickets for ``lasts`` seconds from now."""
        with self._database.writing() as cursor:
            until = self._nanoseconds() + round(lasts * 1e9)
            cursor.executemany(
                _STAY, [(w.ticket, w.tenant, w.run, w.package, self._boot, until) for w in waiters]
            )

    def leave(self, waiter: Waiter) -> None:
        """Give the ticket back."""
        with self._database.writing() as cursor:
            cursor.execute(_LEAVE, (waiter.ticket,))

    def queue(self, tenant: str) -> Sequence[Waiter]:
        """Those of the tenant who wait, first come first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(_QUEUE, (tenant, self._boot, self._nanoseconds())).fetchall()
        return tuple(Waiter(ticket, tenant, run, package) for ticket, run, package in rows)

    def ring(self, tenant: str) -> None:
        """Nothing to do: the commit that freed something has rung."""

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None]:
        """Call ``heard("")`` soon after every commit of any process, from a thread of its own."""
        return listen(partial(self._watch, heard))

    def _watch(self, heard: Callable[[str], None], over: Event) -> None:
        # A connection of its own: data_version tells of the commits of others.
        with closing(Database(self._database.path)) as database:
            seen = None
            while not over.wait(_LOOK_SECONDS):
                with database.reading() as cursor:
                    (version,) = cursor.execute("PRAGMA data_version").fetchone()
                if version != seen:
                    seen = version
                    heard("")
