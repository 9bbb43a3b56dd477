"""Slot leases on PostgreSQL (ADR-1110).

A lease is a row; nothing else counts. Whoever changes leases of a tenant first takes the tenant's lock, then reads the
server's clock, then counts: all in one function of the schema, so that an operation is one round trip and admission
cannot come between count and insert. Tenants do not wait for one another.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from maestro.kernel.events import Event
from maestro.kernel.instants import EPOCH, require_aware
from maestro.ports.capabilities import Capability
from maestro.ports.clock import BootClock
from maestro.ports.leases import (
    Caps,
    Claim,
    Full,
    Lease,
    Release,
    Usage,
    lease_nanoseconds,
    run_package_conflict,
)
from maestro_adapters.postgres.database import Database, escape, unescape
from maestro_adapters.postgres.outbox import PostgresOutbox, keep
from maestro_adapters.postgres.waiting import PostgresWaitingRoom

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["PostgresLeases"]

_MICROSECOND: Final = timedelta(microseconds=1)
_GREATEST: Final = 2**63 - 1

_LEASE: Final = "package, expires, lasts, token, ttl, acquired_at, expected, revision"
_HELD: Final = ", ".join(f"(held).{column}" for column in _LEASE.split(", "))
_COUNTS: Final = "in_tenant, in_package, tenant_frees, package_frees"

_ACQUIRE: Final = (
    f"SELECT now, state, {_COUNTS}, {_HELD} "  # noqa: S608
    "FROM {schema}.acquire(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_RENEW: Final = f"SELECT now, {_HELD} FROM {{schema}}.renew(%s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
_RELEASE: Final = f"SELECT now, state, {_HELD} FROM {{schema}}.release(%s, %s, %s, %s, %s)"  # noqa: S608
_FIND: Final = (
    f"SELECT now, {_LEASE} FROM {{schema}}.store_clock(%s) AS now "  # noqa: S608
    "JOIN {schema}.leases ON tenant = %s AND run = %s AND expires > now"
)
_USAGE: Final = f"SELECT now, {_COUNTS} FROM {{schema}}.store_clock(%s) AS now, {{schema}}.usage(%s, %s, now)"  # noqa: S608
_ALL_HELD: Final = "SELECT tenant, count(*) FROM {schema}.store_clock(%s) AS now JOIN {schema}.leases ON expires > now GROUP BY tenant"

_RELEASES: Final = (Release.ABSENT, Release.RELEASED, Release.STALE)


_CAPABILITIES: Final = frozenset(
    {Capability.BLOCKING, Capability.DURABLE, Capability.SHARED, Capability.EVENTS, Capability.WAIT}
)


class PostgresLeases:
    """A lease store on PostgreSQL (``LeaseStore``).

    Args:
        database: where it is, such as ``postgresql://user@host/database``, or the database that another store of this
            process has opened.
        clock: for tests alone: leases expire by it and not by the server's clock. All users of one schema need the
            same.

    Raises:
        PortError: psycopg is missing (extra ``[postgres]``), or the database cannot be used, with remedy.
    """

    def __init__(self, database: str | Database, *, clock: BootClock | None = None) -> None:
        self._own = isinstance(database, str)
        self._database = Database(database) if isinstance(database, str) else database
        self._clock = clock
        self._statements = {
            text: text.format(schema=self._database.schema)
            for text in (_ACQUIRE, _RENEW, _RELEASE, _FIND, _USAGE, _ALL_HELD)
        }
        self.outbox = PostgresOutbox(self._database)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``, ``SHARED``, ``EVENTS``, ``WAIT``."""
        return _CAPABILITIES

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        """Take a slot; see ``LeaseStore.acquire``."""
        at = require_aware(claim.at, "at")
        asked = (
            escape(claim.tenant),
            escape(claim.run),
            escape(claim.package),
            _microseconds(claim.ttl, "ttl"),
            _microseconds(claim.expected, "expected") if claim.expected else "0",
            _whole(caps.tenant),
            _whole(caps.package),
            float(claim.ttl),
            str((at - EPOCH) // _MICROSECOND),
            _float(claim.expected),
            escape(claim.revision),
            announce is not None,
            self._now(),
        )

        def read(row: tuple[Any, ...]) -> Lease | None:
            return _lease(claim.tenant, claim.run, row[0], row[6:], created=True) if row[1] == 2 else None

        row, created = self._change(_ACQUIRE, asked, read, announce)
        if created is not None:
            return created
        now, state, *rest = row
        if state == 0:
            return Full(_usage(now, rest[:4]))
        held = _lease(claim.tenant, claim.run, now, rest[4:])
        if held.package != claim.package:
            raise run_package_conflict(held, claim.package)
        return held

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        """Hold it for ``ttl`` seconds from now; see ``LeaseStore.renew``."""
        asked = (
            escape(tenant), escape(run), _whole(token), _microseconds(ttl, "ttl"), float(ttl), announce is not None, self._now(),
        )  # fmt: skip

        def read(row: tuple[Any, ...]) -> Lease | None:
            return None if row[1] is None else _lease(tenant, run, row[0], row[1:])

        return self._change(_RENEW, asked, read, announce)[1]

    def release(
        self, tenant: str, run: str, token: int, announce: Callable[[Lease], Event] | None = None
    ) -> Release:
        """Give the slot back; see ``LeaseStore.release``."""
        asked = (escape(tenant), escape(run), _whole(token), announce is not None, self._now())

        def read(row: tuple[Any, ...]) -> Lease | None:
            return _lease(tenant, run, row[0], row[2:]) if row[1] == 1 else None

        return _RELEASES[self._change(_RELEASE, asked, read, announce)[0][1]]

    def find(self, tenant: str, run: str) -> Lease | None:
        """The run's unexpired lease."""
        asked = (self._now(), escape(tenant), escape(run))
        with self._database.connection() as connection:
            row = connection.execute(self._statements[_FIND], asked).fetchone()
        return None if row is None else _lease(tenant, run, row[0], row[1:])

    def usage(self, tenant: str, package: str) -> Usage:
        """Unexpired leases of the tenant and of its package."""
        with self._database.connection() as connection:
            now, *counts = self._ask(connection, _USAGE, (self._now(), escape(tenant), escape(package)))
        return _usage(now, counts)

    def held(self) -> dict[str, int]:
        """Unexpired leases by tenant."""
        with self._database.connection() as connection:
            rows = connection.execute(self._statements[_ALL_HELD], (self._now(),)).fetchall()
        return {unescape(tenant): count for tenant, count in rows}

    def waiting_room(self) -> PostgresWaitingRoom:
        """Where callers of all processes on this server wait for a slot."""
        return PostgresWaitingRoom(self._database)

    def close(self) -> None:
        """Close the connections, unless the database was handed in; the leases stay."""
        if self._own:
            self._database.close()

    def _change(
        self,
        statement: str,
        asked: tuple[Any, ...],
        read: Callable[[tuple[Any, ...]], Lease | None],
        announce: Callable[[Lease], Event] | None,
    ) -> tuple[tuple[Any, ...], Lease | None]:
        """Call a function of the schema; the row it answers, and the lease that was changed, if one was.

        The function is a transaction by itself; only an event makes it two statements.
        """
        if announce is None:
            with self._database.connection() as connection:
                row = self._ask(connection, statement, asked)
            return row, read(row)
        with self._database.transaction() as transaction:
            row = transaction.ask(self._statements[statement], asked)
            changed = read(row)
            if changed is not None:
                keep(transaction.commit, self._database.schema, announce(changed), row[0])
        return row, changed

    def _ask(self, connection: Connection[Any], statement: str, asked: tuple[Any, ...]) -> tuple[Any, ...]:
        """The one row that a statement of this module answers."""
        return connection.execute(self._statements[statement], asked).fetchone()  # type: ignore[return-value]  # one row

    def _now(self) -> str | None:
        """The test's clock in microseconds, or nothing for the server's own."""
        return None if self._clock is None else str(self._clock.nanoseconds() // 1000)


def _microseconds(seconds: float, field: str) -> str:
    """Whole microseconds, rounded up: the server's clock has no smaller ones. Numbers go as text, of any size."""
    return str(-(-lease_nanoseconds(seconds, field) // 1000))


def _whole(number: int | None) -> str | None:
    """A cap or a token; none that the server gives is beyond its whole numbers, nor is any count."""
    return None if number is None else str(max(-_GREATEST, min(number, _GREATEST)))


def _float(number: float | None) -> float | None:
    return None if number is None else float(number)


def _lease(tenant: str, run: str, now: int, row: Any, *, created: bool = False) -> Lease:
    package, expires, lasts, token, ttl, acquired_at, expected, revision = row
    return Lease(
        tenant, run, unescape(package), token, ttl, min(expires - now, lasts) / 1e6,
        EPOCH + acquired_at * _MICROSECOND, expected, unescape(revision), created, now / 1e6,
    )  # fmt: skip


def _usage(now: int, counts: Any) -> Usage:
    tenant, package, tenant_frees, package_frees = counts
    return Usage(
        tenant=tenant,
        package=package,
        tenant_frees_in=None if tenant_frees is None else (tenant_frees - now) / 1e6,
        package_frees_in=None if package_frees is None else (package_frees - now) / 1e6,
    )
