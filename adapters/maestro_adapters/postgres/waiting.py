"""A waiting room on PostgreSQL: tickets in a table, rings by NOTIFY."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import Final

from maestro.kernel.errors import PortError
from maestro.ports.waiting import Waiter
from maestro_adapters.listening import HEARS_SECONDS, listen
from maestro_adapters.postgres.database import Database, escape, unescape

__all__ = ["PostgresWaitingRoom"]

_FORGET: Final = "DELETE FROM {schema}.waiters WHERE expires <= clock_timestamp()"
_JOIN: Final = """
    INSERT INTO {schema}.waiters (tenant, run, package, expires)
    VALUES (%s, %s, %s, clock_timestamp() + make_interval(secs => %s)) RETURNING ticket"""
_STAY: Final = """
    INSERT INTO {schema}.waiters OVERRIDING SYSTEM VALUE
    VALUES (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
    ON CONFLICT (ticket) DO UPDATE SET expires = excluded.expires"""
_LEAVE: Final = "DELETE FROM {schema}.waiters WHERE ticket = %s"
_QUEUE: Final = (
    "SELECT ticket, run, package FROM {schema}.waiters "
    "WHERE tenant = %s AND expires > clock_timestamp() ORDER BY ticket"
)
# A release that nobody waits for notifies nobody: NOTIFY makes commits queue up behind one another.
_RING: Final = "SELECT pg_notify(%s, %s) WHERE EXISTS (SELECT FROM {schema}.waiters WHERE tenant = %s)"


class PostgresWaitingRoom:
    """Implements ``WaitingRoom``.

    Args:
        database: where tickets are kept; the server's clock says when they run out.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._channel = f"{database.bare_schema}_waiting"[-63:]

    def join(self, tenant: str, run: str, package: str, lasts: float) -> Waiter:
        """Take a ticket, and forget those whose time is over."""
        with self._database.connection() as connection:
            connection.execute(self._text(_FORGET))
            row = connection.execute(
                self._text(_JOIN), (escape(tenant), escape(run), escape(package), lasts)
            ).fetchone()
        return Waiter(row[0], tenant, run, package)  # type: ignore[index]  # an INSERT … RETURNING has a row

    def stay(self, waiters: Sequence[Waiter], lasts: float) -> None:
        """Keep the tickets for ``lasts`` seconds from now."""
        rows = [(w.ticket, escape(w.tenant), escape(w.run), escape(w.package), lasts) for w in waiters]
        with self._database.connection() as connection:
            connection.cursor().executemany(self._text(_STAY), rows)

    def leave(self, waiter: Waiter) -> None:
        """Give the ticket back."""
        with self._database.connection() as connection:
            connection.execute(self._text(_LEAVE), (waiter.ticket,))

    def queue(self, tenant: str) -> Sequence[Waiter]:
        """Those of the tenant who wait, first come first."""
        with self._database.connection() as connection:
            rows = connection.execute(self._text(_QUEUE), (escape(tenant),)).fetchall()
        return tuple(
            Waiter(ticket, tenant, unescape(run), unescape(package)) for ticket, run, package in rows
        )

    def ring(self, tenant: str) -> None:
        """Notify all listeners, if anybody of the tenant waits."""
        try:
            with self._database.connection() as connection:
                connection.execute(self._text(_RING), (self._channel, escape(tenant), escape(tenant)))
        except PortError:
            return  # the waiters look by themselves

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None]:
        """Call ``heard`` at every ring from now on, from a thread with a connection of its own."""
        return listen(partial(self._listen, heard))

    def _listen(self, heard: Callable[[str], None], over: Event) -> None:
        with self._database.alone() as connection:
            quoted = self._channel.replace('"', '""')
            connection.execute(f'LISTEN "{quoted}"')
            heard("")  # what rang while nobody listened
            while not over.is_set():
                for note in connection.notifies(timeout=HEARS_SECONDS):
                    heard(unescape(note.payload))

    def _text(self, statement: str) -> str:
        return statement.format(schema=self._database.schema)
