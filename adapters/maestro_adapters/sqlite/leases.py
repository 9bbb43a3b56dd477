"""Slot leases in a SQLite file, for the processes of one machine.

A lease is a row; nothing else counts. Leases expire by the boot clock, which all processes of the machine read the
same. When the machine restarts, every holder has died with it: the first to open the file under the new boot deletes
all leases and moves the fencing token far ahead, since a power cut may have lost the last transactions (ADR-1104).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import UTC
from typing import Any, Final

from maestro.kernel.errors import PortError
from maestro.kernel.events import Event
from maestro.kernel.instants import require_aware
from maestro.ports.capabilities import Capability, refuse
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
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite.database import Database, from_microseconds, microseconds
from maestro_adapters.sqlite.outbox import SqliteOutbox, keep
from maestro_adapters.sqlite.waiting import SqliteWaitingRoom

__all__ = ["SqliteLeases"]

_TOKEN_STEP: Final = 2**20
"""More tokens than can be given out between two syncs of the log, so a lost tail never makes one come twice."""

_MOST_BITS: Final = 63
"""Of a number in a SQLite file; a token with more is nobody's."""

_SWEEP_AFTER: Final = 256
"""Whoever is given a token divisible by this deletes what has expired, so that leases of crashed holders never pile up.
By the token, not by a count of its own: a store's processes may all be too short-lived to count that far."""

_COLUMNS: Final = "package, expires, token, ttl, acquired_at, expected, revision"
_FIND: Final = f"SELECT {_COLUMNS} FROM leases WHERE tenant = ? AND run = ?"  # noqa: S608
_USAGE: Final = """
    SELECT count(*), total(package = ?1), min(frees), min(frees) FILTER (WHERE package = ?1)
    FROM (
        SELECT package,
            CASE WHEN ends > ?3 THEN ends WHEN ends THEN min(expires, 2 * ?3 - ends) ELSE expires END AS frees
        FROM leases WHERE tenant = ?2 AND expires > ?3)"""
# The whole admission is the condition under which the fencing token moves: one statement, and only what is capped is
# counted. Indexed by whether the tenant and the package are capped. (RETURNING costs more than the SELECT after it.)
_ADMIT: Final = """
    UPDATE fence SET token = token + 1
    WHERE boot = ?
    AND NOT EXISTS (SELECT 1 FROM leases WHERE tenant = ? AND run = ? AND expires > ?)"""
_TENANT_ROOM: Final = """
    AND ? > (SELECT count(*) FROM leases WHERE tenant = ? AND expires > ?)"""
_PACKAGE_ROOM: Final = """
    AND ? > (SELECT count(*) FROM leases WHERE tenant = ? AND expires > ? AND package = ?)"""
_ADMITS: Final = {
    (False, False): _ADMIT,
    (True, False): _ADMIT + _TENANT_ROOM,
    (False, True): _ADMIT + _PACKAGE_ROOM,
    (True, True): _ADMIT + _TENANT_ROOM + _PACKAGE_ROOM,
}
_TOKEN: Final = "SELECT token FROM fence"  # noqa: S105  # a statement
_PUT: Final = "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RENEW: Final = "UPDATE leases SET ttl = ?, expires = ? WHERE tenant = ? AND run = ?"
_RELEASE_HELD: Final = "DELETE FROM leases WHERE tenant = ? AND run = ? AND token = ? AND expires > ?"
_RELEASE: Final = "DELETE FROM leases WHERE tenant = ? AND run = ?"
_HELD: Final = "SELECT tenant, count(*) FROM leases WHERE expires > ? GROUP BY tenant"
_SWEEP: Final = "DELETE FROM leases WHERE expires <= ?"


class SqliteLeases:
    """A lease store in a SQLite file (``LeaseStore``).

    Args:
        path: the file, made when missing; ``SqliteDocuments`` and ``SqliteOutbox`` may use the same.
        clock: the boot clock by which leases expire; the system's when None. All users of one file need the same.
        events: whether ``announce`` is taken; the events are read from ``outbox``.

    Raises:
        PortError: the file cannot be used, with path and remedy.
    """

    def __init__(
        self, path: str | os.PathLike[str], clock: BootClock | None = None, *, events: bool = True
    ) -> None:
        clock = SystemClock() if clock is None else clock
        self._nanoseconds = clock.nanoseconds
        self._clock = clock
        self._boot = clock.boot_id()
        self._capabilities = frozenset(
            {Capability.BLOCKING, Capability.DURABLE, Capability.SHARED, Capability.WAIT}
            | ({Capability.EVENTS} if events else set())
        )
        self._database = Database(path)
        self.outbox = SqliteOutbox(self._database) if events else None
        self._begin_boot()

    @property
    def database(self) -> Database:
        """The open file, for ``SqliteDocuments`` and ``SqliteOutbox`` that are to share it."""
        return self._database

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``, ``SHARED``, ``WAIT``, and ``EVENTS`` unless switched off."""
        return self._capabilities

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        """Take a slot; see ``LeaseStore.acquire``."""
        self._check(announce)
        tenant, run, package, ttl = claim.tenant, claim.run, claim.package, claim.ttl
        lasts = lease_nanoseconds(ttl, "ttl")
        takes = lease_nanoseconds(claim.expected, "expected") if claim.expected else 0
        at = claim.at if claim.at.tzinfo is UTC else require_aware(claim.at, "at")
        with self._database.writing() as cursor:
            now = self._nanoseconds()
            token = self._admit(cursor, claim, caps, now)
            if token is None:
                return self._not_admitted(cursor, claim, now)
            lease = Lease(
                tenant, run, package, token, ttl, ttl, at, claim.expected, claim.revision, True, now / 1e9
            )
            ends = now + takes if takes else 0
            cursor.execute(
                _PUT,
                (
                    tenant,
                    run,
                    package,
                    now + lasts,
                    ends,
                    token,
                    ttl,
                    microseconds(at),
                    claim.expected,
                    claim.revision,
                ),
            )
            if announce is not None:
                keep(cursor, announce(lease))
            if token % _SWEEP_AFTER == 0:
                cursor.execute(_SWEEP, (now,))
        return lease

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        """Hold it for ``ttl`` seconds from now; see ``LeaseStore.renew``."""
        self._check(announce)
        lasts = lease_nanoseconds(ttl, "ttl")
        with self._database.writing() as cursor:
            now = self._nanoseconds()
            row = cursor.execute(_FIND, (tenant, run)).fetchone()
            if row is None or row[1] <= now or row[2] != token:
                return None
            cursor.execute(_RENEW, (ttl, now + lasts, tenant, run))
            package, _, _, _, *rest = row
            lease = _lease(tenant, run, (package, now + lasts, token, ttl, *rest), now)
            if announce is not None:
                keep(cursor, announce(lease))
        return lease

    def release(
        self, tenant: str, run: str, token: int, announce: Callable[[Lease], Event] | None = None
    ) -> Release:
        """Give the slot back; see ``LeaseStore.release``."""
        self._check(announce)
        with self._database.writing() as cursor:
            now = self._nanoseconds()
            if announce is None:
                return _release(cursor, (tenant, run), token, now)
            row = cursor.execute(_FIND, (tenant, run)).fetchone()
            found = _found(row, token, now)
            if found is Release.RELEASED:
                cursor.execute(_RELEASE, (tenant, run))
                keep(cursor, announce(_lease(tenant, run, row, now)))
        return found

    def find(self, tenant: str, run: str) -> Lease | None:
        """The run's unexpired lease."""
        with self._database.reading() as cursor:
            row = cursor.execute(_FIND, (tenant, run)).fetchone()
            now = self._nanoseconds()
        return None if row is None or row[1] <= now else _lease(tenant, run, row, now)

    def usage(self, tenant: str, package: str) -> Usage:
        """Unexpired leases of the tenant and of its package."""
        # The clock is read within the snapshot: an earlier reading would count a lease that has expired beside the
        # one that was given its slot since.
        with self._database.snapshot() as cursor:
            return _usage(cursor, tenant, package, self._nanoseconds())

    def held(self) -> dict[str, int]:
        """Unexpired leases by tenant."""
        with self._database.snapshot() as cursor:
            return dict(cursor.execute(_HELD, (self._nanoseconds(),)).fetchall())

    def waiting_room(self) -> SqliteWaitingRoom:
        """Where callers of all processes on this file wait for a slot."""
        return SqliteWaitingRoom(self._database, self._clock)

    def close(self) -> None:
        """Close the file; the leases stay."""
        self._database.close()

    def _check(self, announce: Callable[[Lease], Event] | None) -> None:
        if announce is not None and self.outbox is None:
            raise refuse(Capability.EVENTS, self)

    def _begin_boot(self) -> None:
        """Make the file's leases those of this boot."""
        with self._database.reading() as cursor:
            row = cursor.execute("SELECT boot FROM fence").fetchone()
        if row is not None and row[0] == self._boot:
            return
        with self._database.durably() as cursor:
            row = cursor.execute("SELECT boot, token FROM fence").fetchone()
            if row is None:
                cursor.execute("INSERT INTO fence VALUES (?, 0)", (self._boot,))
            elif row[0] != self._boot:
                cursor.execute("DELETE FROM leases")
                cursor.execute("UPDATE fence SET boot = ?, token = ?", (self._boot, row[1] + _TOKEN_STEP))

    def _admit(self, cursor: sqlite3.Cursor, claim: Claim, caps: Caps, now: int) -> int | None:
        """The next fencing token when the claim may have a slot."""
        tenant = claim.tenant
        asked: tuple[object, ...] = (self._boot, tenant, claim.run, now)
        if caps.tenant is not None:
            asked += (caps.tenant, tenant, now)
        if caps.package is not None:
            asked += (caps.package, tenant, now, claim.package)
        cursor.execute(_ADMITS[caps.tenant is not None, caps.package is not None], asked)
        return int(cursor.execute(_TOKEN).fetchone()[0]) if cursor.rowcount else None

    def _not_admitted(self, cursor: sqlite3.Cursor, claim: Claim, now: int) -> Lease | Full:
        """Why there was no token: the run holds a slot, there is no room, or the file is another boot's."""
        self._require_boot(cursor)
        row = cursor.execute(_FIND, (claim.tenant, claim.run)).fetchone()
        if row is None or row[1] <= now:
            return Full(_usage(cursor, claim.tenant, claim.package, now))
        held = _lease(claim.tenant, claim.run, row, now)
        if held.package != claim.package:
            raise run_package_conflict(held, claim.package)
        return held

    def _require_boot(self, cursor: sqlite3.Cursor) -> None:
        if cursor.execute("SELECT boot FROM fence").fetchone()[0] != self._boot:
            raise PortError(
                f"{self._database.path} has been taken over by another boot or machine.",
                code="store_other_boot",
                retry_after=None,
                remedy="Keep the file on a disk of one machine; share slots between machines through a server.",
            )


def _release(cursor: sqlite3.Cursor, key: tuple[str, str], token: int, now: int) -> Release:
    """Release what nobody need be told of: one statement when all is as it should be."""
    if token.bit_length() <= _MOST_BITS and cursor.execute(_RELEASE_HELD, (*key, token, now)).rowcount:
        return Release.RELEASED
    return _found(cursor.execute(_FIND, key).fetchone(), token, now)


def _found(row: tuple[Any, ...] | None, token: int, now: int) -> Release:
    if row is None or row[1] <= now:
        return Release.ABSENT
    return Release.RELEASED if row[2] == token else Release.STALE


def _usage(cursor: sqlite3.Cursor, tenant: str, package: str, now: int) -> Usage:
    row = cursor.execute(_USAGE, (package, tenant, now)).fetchone()
    count, same, frees, same_frees = row
    return Usage(
        tenant=count,
        package=int(same),
        tenant_frees_in=None if frees is None else (frees - now) / 1e9,
        package_frees_in=None if same_frees is None else (same_frees - now) / 1e9,
    )


def _lease(tenant: str, run: str, row: tuple[Any, ...], now: int) -> Lease:
    package, expires, token, ttl, acquired_at, expected, revision = row
    return Lease(
        tenant, run, package, token, ttl, (expires - now) / 1e9, from_microseconds(acquired_at),
        expected, revision, False, now / 1e9,
    )  # fmt: skip
