"""Slot leases on a Redis server (ADR-1110).

Every operation is one Lua script, so the server runs it alone: admission cannot come between count and insert. Leases
of a tenant stand in a sorted set by expiry, those of a package in another; their lengths are the counts, so nothing
drifts. All keys carry one hash tag: on a cluster the store is in one slot.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event
from maestro.kernel.instants import EPOCH, require_aware
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
from maestro_adapters.redis.server import Server
from maestro_adapters.redis.waiting import RedisWaitingRoom

__all__ = ["RedisLeases"]

_MICROSECOND: Final = timedelta(microseconds=1)
_HEAD: Final = struct.Struct(">dddd")
"""Token, expiry, expected end, ttl."""

_PACKED: Final = struct.Struct(">qdI")
"""The holder's wall clock, seconds expected or NaN, length of the package's name."""

_RELEASES: Final = (Release.ABSENT, Release.RELEASED, Release.STALE)


class RedisLeases:
    """A lease store on a Redis server (``LeaseStore``).

    Args:
        server: a URL such as ``redis://host:6379/0`` (``rediss://`` with TLS), or a client of redis-py.
        prefix: how the keys of the store begin; stores with different prefixes do not know one another.
        timeout: seconds to wait for a connection or an answer, with a URL.
        clock: for tests alone: leases expire by it and not by the server's clock. All users of one prefix need the
            same.

    Raises:
        PortError: redis-py is missing (extra ``[redis]``), or the server cannot be reached or is unfit.
    """

    def __init__(
        self, server: Any, *, prefix: str = "maestro", timeout: float = 5.0, clock: BootClock | None = None
    ) -> None:
        self._prefix = f"{{{prefix}}}:".encode()
        self._meta, self._tenants = self._prefix + b"meta", self._prefix + b"tenants"
        self._clock = clock
        self._server = Server(server, timeout)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``, ``SHARED``, ``WAIT``; no ``EVENTS``, for no event could be made within a script.

        How durable it is when the *server* dies is the server's matter (``appendonly yes``).
        """
        return frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED, Capability.WAIT})

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        """Take a slot; see ``LeaseStore.acquire``."""
        self._check(announce)
        lasts = _microseconds(claim.ttl, "ttl")
        takes = _microseconds(claim.expected, "expected") if claim.expected else 0
        at = require_aware(claim.at, "at")
        tenant, run, package = _bytes(claim.tenant), _bytes(claim.run), _bytes(claim.package)
        state, now, *rest = self._server.run(
            "acquire",
            (self._meta, self._tenants, *self._books(tenant), self._packages(tenant) + package),
            self._now(),
            run,
            lasts,
            takes,
            "" if caps.tenant is None else caps.tenant,
            "" if caps.package is None else caps.package,
            _packed(claim, at, package),
            tenant,
            package,
        )
        if state == 0:
            return Full(_usage(now, rest))
        if state == 1:
            held = _lease(claim.tenant, claim.run, now, rest[0])
            if held.package != claim.package:
                raise run_package_conflict(held, claim.package)
            return held
        return Lease(
            claim.tenant, claim.run, claim.package, rest[0], claim.ttl, claim.ttl, at, claim.expected,
            claim.revision, True, now / 1e6,
        )  # fmt: skip

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        """Hold it for ``ttl`` seconds from now; see ``LeaseStore.renew``."""
        self._check(announce)
        lasts, name = _microseconds(ttl, "ttl"), _bytes(tenant)
        answer = self._server.run(
            "renew",
            (self._meta, self._tenants, *self._books(name)),
            self._now(),
            _bytes(run),
            token,
            lasts,
            struct.pack(">d", ttl),
            name,
            self._packages(name),
        )
        return None if answer is None else _lease(tenant, run, *answer)

    def release(
        self, tenant: str, run: str, token: int, announce: Callable[[Lease], Event] | None = None
    ) -> Release:
        """Give the slot back; see ``LeaseStore.release``."""
        self._check(announce)
        name = _bytes(tenant)
        keys = (self._meta, *self._books(name))
        answer = self._server.run("release", keys, self._now(), _bytes(run), token, self._packages(name))
        return _RELEASES[answer]

    def find(self, tenant: str, run: str) -> Lease | None:
        """The run's unexpired lease."""
        runs, _ = self._books(_bytes(tenant))
        answer = self._server.run("find", (self._meta, runs), self._now(), _bytes(run))
        return None if answer is None else _lease(tenant, run, *answer)

    def usage(self, tenant: str, package: str) -> Usage:
        """Unexpired leases of the tenant and of its package."""
        name, of = _bytes(tenant), _bytes(package)
        keys = (self._meta, *self._books(name), self._packages(name) + of)
        _, now, *rest = self._server.run("usage", keys, self._now(), of)
        return _usage(now, rest)

    def held(self) -> dict[str, int]:
        """Unexpired leases by tenant."""
        keys = (self._meta, self._tenants)
        found = self._server.run("held", keys, self._now(), self._prefix + b"slots:")
        return {name.decode(): count for name, count in zip(found[::2], found[1::2], strict=True)}

    def waiting_room(self) -> RedisWaitingRoom:
        """Where callers of all processes on this server wait for a slot."""
        return RedisWaitingRoom(self._server, self._prefix, self._now)

    def close(self) -> None:
        """Close the connections; the leases stay. A client that was handed in stays open."""
        self._server.close()

    def _check(self, announce: Callable[[Lease], Event] | None) -> None:
        if announce is not None:
            raise refuse(Capability.EVENTS, self)

    def _now(self) -> str:
        """The test's clock in microseconds, or nothing for the server's own."""
        return "" if self._clock is None else str(self._clock.nanoseconds() // 1000)

    def _books(self, tenant: bytes) -> tuple[bytes, bytes]:
        """The keys of the tenant's leases by run, and of its runs by expiry."""
        return self._prefix + b"runs:" + tenant, self._prefix + b"slots:" + tenant

    def _packages(self, tenant: bytes) -> bytes:
        """How the keys of the tenant's packages begin; with its length, since names may contain any character."""
        return b"%bpackage:%d:%b:" % (self._prefix, len(tenant), tenant)


def _microseconds(seconds: float, field: str) -> int:
    """Whole microseconds, rounded up: the server's clock has no smaller ones."""
    return -(-lease_nanoseconds(seconds, field) // 1000)


def _bytes(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError as error:
        raise BadInputError("cannot be written in UTF-8.", field="name", value=ascii(name)) from error


def _packed(claim: Claim, at: datetime, package: bytes) -> bytes:
    """The part of a lease that scripts hand through, but for the package."""
    expected = math.nan if claim.expected is None else claim.expected
    said = _PACKED.pack((at - EPOCH) // _MICROSECOND, expected, len(package))
    return struct.pack(">d", claim.ttl) + said + package + _bytes(claim.revision)


def _lease(tenant: str, run: str, now: int, value: bytes) -> Lease:
    token, expires, _, ttl = _HEAD.unpack_from(value)
    at, expected, size = _PACKED.unpack_from(value, _HEAD.size)
    package = _HEAD.size + _PACKED.size
    revision = package + size
    return Lease(
        tenant, run, value[package:revision].decode(), int(token), ttl, (expires - now) / 1e6,
        EPOCH + at * _MICROSECOND, None if math.isnan(expected) else expected, value[revision:].decode(),
        False, now / 1e6,
    )  # fmt: skip


def _usage(now: int, counts: list[int]) -> Usage:
    tenant, package, tenant_frees, package_frees = counts
    return Usage(
        tenant=tenant,
        package=package,
        tenant_frees_in=(tenant_frees - now) / 1e6 if tenant_frees else None,
        package_frees_in=(package_frees - now) / 1e6 if package_frees else None,
    )
