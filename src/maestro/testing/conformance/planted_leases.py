"""Lease stores with planted bugs, and a sound one of small steps that each of them breaks in one."""

# ruff: noqa: D102  # the steps and the port's methods say by their names what they do

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Signal
from threading import RLock
from typing import Any

import attrs

from maestro.kernel.events import Event
from maestro.kernel.instants import require_aware
from maestro.ports.capabilities import Capability
from maestro.ports.leases import (
    Caps,
    Claim,
    Full,
    Lease,
    Release,
    Usage,
    frees_at,
    lease_nanoseconds,
    run_package_conflict,
)
from maestro.testing.clock import VirtualClock
from maestro.testing.model import ModelEventLog

__all__ = ["PLANTED_LEASE_BUGS", "SoundLeases"]

_CAPABILITIES = frozenset({Capability.BLOCKING, Capability.IN_MEMORY, Capability.EVENTS})


@attrs.define
class _Row:
    """A lease as these stores keep it."""

    claim: Claim
    token: int
    ttl: float
    acquired: int
    expires: int


class SoundLeases:
    """A right lease store of small steps, with events."""

    capabilities = _CAPABILITIES

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.lock = RLock()
        self.rows: dict[tuple[str, str], _Row] = {}
        self.last_token = 0
        self.outbox = ModelEventLog()

    # The steps that the planted bugs break.

    def now(self) -> int:
        return self.clock.nanoseconds()

    def key(self, tenant: str, run: str) -> tuple[str, str]:
        return (tenant, run)

    def alive(self, row: _Row) -> bool:
        return row.expires > self.now()

    def counted(self, rows: Sequence[_Row]) -> int:
        return len([row for row in rows if self.alive(row)])

    def of_tenant(self, tenant: str) -> list[_Row]:
        return [row for row in self.rows.values() if row.claim.tenant == tenant]

    def of_package(self, tenant: str, package: str) -> list[_Row]:
        return [row for row in self.of_tenant(tenant) if row.claim.package == package]

    def next_token(self) -> int:
        self.last_token += 1
        return self.last_token

    def span(self, ttl: float) -> int:
        return lease_nanoseconds(ttl, "ttl")

    def admission(self) -> Any:
        return self.lock

    def between_check_and_act(self) -> None:
        pass

    def again(self, row: _Row, claim: Claim) -> Lease:
        if row.claim.package != claim.package:
            raise run_package_conflict(self.lease(row), claim.package)
        return self.lease(row)

    def delete(self, row: _Row) -> None:
        del self.rows[self.key(row.claim.tenant, row.claim.run)]

    def tell(self, announce: Callable[[Lease], Event] | None, lease: Lease) -> None:
        if announce is not None:
            self.outbox.append([announce(lease)])

    def stale(self, row: _Row, token: int) -> bool:
        return row.token != token

    # The port.

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        span, claim = self.span(claim.ttl), _in_utc(claim)
        with self.admission():
            row = self.rows.get(self.key(claim.tenant, claim.run))
            if row is not None and self.alive(row):
                return self.again(row, claim)
            if not self.room(claim, caps):
                return Full(self.usage(claim.tenant, claim.package))
            self.between_check_and_act()
            row = _Row(claim, self.next_token(), claim.ttl, self.now(), self.now() + span)
            self.tell(announce, self.lease(row, created=True))
            self.rows[self.key(claim.tenant, claim.run)] = row
            return self.lease(row, created=True)

    def room(self, claim: Claim, caps: Caps) -> bool:
        if caps.tenant is not None and self.counted(self.of_tenant(claim.tenant)) >= caps.tenant:
            return False
        if caps.package is None:
            return True
        return self.counted(self.of_package(claim.tenant, claim.package)) < caps.package

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        span = self.span(ttl)
        with self.lock:
            row = self.rows.get(self.key(tenant, run))
            if row is None or not self.alive(row) or self.stale(row, token):
                return None
            renewed = attrs.evolve(row, ttl=ttl, expires=self.now() + span)
            self.tell(announce, self.lease(renewed))
            self.rows[self.key(tenant, run)] = renewed
            return self.lease(renewed)

    def release(
        self, tenant: str, run: str, token: int, announce: Callable[[Lease], Event] | None = None
    ) -> Release:
        with self.lock:
            row = self.rows.get(self.key(tenant, run))
            if row is None or not self.alive(row):
                return Release.ABSENT
            if self.stale(row, token):
                return Release.STALE
            self.tell(announce, self.lease(row))
            self.delete(row)
            return Release.RELEASED

    def find(self, tenant: str, run: str) -> Lease | None:
        with self.lock:
            row = self.rows.get(self.key(tenant, run))
            return self.lease(row) if row is not None and self.alive(row) else None

    def usage(self, tenant: str, package: str) -> Usage:
        with self.lock:
            of_tenant, of_package = self.of_tenant(tenant), self.of_package(tenant, package)
            return Usage(
                self.counted(of_tenant),
                self.counted(of_package),
                self.frees(of_tenant),
                self.frees(of_package),
            )

    def held(self) -> dict[str, int]:
        with self.lock:
            tenants = {row.claim.tenant for row in self.rows.values()}
            counts = {tenant: self.counted(self.of_tenant(tenant)) for tenant in tenants}
            return {tenant: count for tenant, count in counts.items() if count}

    def frees(self, rows: Sequence[_Row]) -> float | None:
        now = self.now()
        moments = []
        for row in [row for row in rows if self.alive(row)]:
            takes = round((row.claim.expected or 0) * 1e9)
            moments.append(frees_at(now, row.expires, row.acquired + takes if takes else 0))
        return (min(moments) - now) / 1e9 if moments else None

    def lease(self, row: _Row, *, created: bool = False) -> Lease:
        now, claim = self.now(), row.claim
        return Lease(
            claim.tenant, claim.run, claim.package, row.token, row.ttl, (row.expires - now) / 1e9, claim.at,
            claim.expected, claim.revision, created, now / 1e9,
        )  # fmt: skip


def _in_utc(claim: Claim) -> Claim:
    """The claim with its instant in UTC."""
    at = require_aware(claim.at, "at")
    return Claim(claim.tenant, claim.run, claim.package, claim.ttl, at, claim.expected, claim.revision)


def _like(pattern: str, text: str) -> bool:
    """SQL's LIKE, but for case."""
    parts = ("." if char == "_" else ".*" if char == "%" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


class ExpiryOffByOne(SoundLeases):
    """A lease lives one nanosecond too long."""

    def alive(self, row: _Row) -> bool:
        return row.expires >= self.now()


class CapCountsExpired(SoundLeases):
    """Expired leases take room until somebody sweeps."""

    def room(self, claim: Claim, caps: Caps) -> bool:
        return caps.tenant is None or len(self.of_tenant(claim.tenant)) < caps.tenant


class RenewalDeniedAtCap(SoundLeases):
    """A renewal is judged as if it were one run more."""

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        if self.counted(self.of_tenant(tenant)) >= 2:
            return None
        return super().renew(tenant, run, token, ttl, announce)


class RenewalKeepsOldTtl(SoundLeases):
    """A renewal adds the ttl of the acquisition."""

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        row = self.rows.get((tenant, run))
        return super().renew(tenant, run, token, ttl if row is None else row.claim.ttl, announce)


class TtlCutAtSixtySeconds(SoundLeases):
    """Longer leases end after a minute."""

    def span(self, ttl: float) -> int:
        return min(super().span(ttl), 60 * 10**9)


class TtlInWholeSeconds(SoundLeases):
    """A ttl loses its fraction, as in a store with integer seconds."""

    def span(self, ttl: float) -> int:
        return max(super().span(ttl) // 10**9, 1) * 10**9


class ReleaseDropsThePackage(SoundLeases):
    """A release gives back all slots of the package."""

    def delete(self, row: _Row) -> None:
        for other in self.of_package(row.claim.tenant, row.claim.package):
            super().delete(other)


class ReleaseByLike(SoundLeases):
    """A release takes the run's id for a pattern."""

    def delete(self, row: _Row) -> None:
        pattern = row.claim.run
        for other in self.of_tenant(row.claim.tenant):
            if _like(pattern, other.claim.run):
                super().delete(other)


class KeysFolded(SoundLeases):
    """``A`` and ``a`` are one run, as in a case-insensitive column."""

    def key(self, tenant: str, run: str) -> tuple[str, str]:
        return (tenant.casefold(), run.casefold())


class KeysJoined(SoundLeases):
    """``('a:b', 'c')`` and ``('a', 'b:c')`` are one key, and trailing zeros of a C string are lost."""

    def key(self, tenant: str, run: str) -> tuple[str, str]:
        return (f"{tenant}:{run}".rstrip("\0"), "")


class TokenReused(SoundLeases):
    """Tokens follow the leases that are held, so a released one comes again."""

    def next_token(self) -> int:
        return 1 + max((row.token for row in self.rows.values()), default=0)


class CheckThenAct(SoundLeases):
    """Counting and taking are two transactions."""

    @contextmanager
    def admission(self) -> Iterator[None]:
        yield

    def between_check_and_act(self) -> None:
        Signal().wait(0.0005)


class SameRunTakesASecondSlot(SoundLeases):
    """A run that asks again is judged, and gets a new lease."""

    def again(self, row: _Row, claim: Claim) -> Lease:
        super().again(row, claim)
        token = self.next_token()
        self.rows[self.key(claim.tenant, f"{claim.run}#{token}")] = row
        return self.lease(attrs.evolve(row, token=token), created=True)


class SameRunIsDeniedAtCap(SoundLeases):
    """The caps are asked before the run's own lease is looked for: a lost answer can never be repeated."""

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        with self.lock:
            if not self.room(claim, caps):
                return Full(self.usage(claim.tenant, claim.package))
            return super().acquire(claim, caps, announce)


class SameRunExtends(SoundLeases):
    """Asking again renews."""

    def again(self, row: _Row, claim: Claim) -> Lease:
        super().again(row, claim)
        row.expires = self.now() + self.span(claim.ttl)
        return self.lease(row)


class OtherPackageAccepted(SoundLeases):
    """A run may change its package by asking again."""

    def again(self, row: _Row, claim: Claim) -> Lease:  # noqa: ARG002  # that is the bug
        return self.lease(row)


class ExpiredIsRenewable(SoundLeases):
    """A renewal finds the row and does not look at the clock."""

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        row = self.rows.get((tenant, run))
        if row is not None and row.token == token:
            row.expires = max(row.expires, self.now() + 1)
        return super().renew(tenant, run, token, ttl, announce)


class StaleTokenReleases(SoundLeases):
    """Whoever knows the run's id gives its slot back."""

    def release(
        self, tenant: str, run: str, token: int, announce: Callable[[Lease], Event] | None = None
    ) -> Release:
        row = self.rows.get((tenant, run))
        return super().release(tenant, run, token if row is None else row.token, announce)


class EventOutsideTheTransaction(SoundLeases):
    """The event is made when all is done: if that fails, the change has happened untold."""

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        lease = super().acquire(claim, caps)
        if isinstance(lease, Lease) and lease.created:
            self.tell(announce, lease)
        return lease


class EventToldAgain(SoundLeases):
    """A run that asks again is told of once more."""

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        lease = super().acquire(claim, caps, announce)
        if isinstance(lease, Lease) and not lease.created:
            self.tell(announce, lease)
        return lease


class EventSwallowed(SoundLeases):
    """An event that cannot be made is not missed."""

    def tell(self, announce: Callable[[Lease], Event] | None, lease: Lease) -> None:
        with suppress(Exception):
            super().tell(announce, lease)


class PackageCountedAcrossTenants(SoundLeases):
    """One tenant's runs fill the package of another."""

    def of_package(self, tenant: str, package: str) -> list[_Row]:  # noqa: ARG002  # that is the bug
        return [row for row in self.rows.values() if row.claim.package == package]


class CounterBesideLeases(SoundLeases):
    """A counter goes up and down with acquire and release, and never hears of an expiry (Prefect #21794)."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.counter: dict[str, int] = {}

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        lease = super().acquire(claim, caps, announce)
        if isinstance(lease, Lease) and lease.created:
            self.counter[claim.tenant] = self.counter.get(claim.tenant, 0) + 1
        return lease

    def delete(self, row: _Row) -> None:
        self.counter[row.claim.tenant] -= 1
        super().delete(row)

    def room(self, claim: Claim, caps: Caps) -> bool:
        return caps.tenant is None or self.counter.get(claim.tenant, 0) < caps.tenant


class ExpiresByTheWallClock(SoundLeases):
    """Somebody sets the clock, and leases live or die by it."""

    def now(self) -> int:
        return round((self.clock.now() - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds() * 1e9)


class SaysItIsDurable(SoundLeases):
    """Declares what it cannot do."""

    capabilities = _CAPABILITIES | {Capability.DURABLE}


class SaysItIsShared(SoundLeases):
    """Declares what it cannot do."""

    capabilities = _CAPABILITIES | {Capability.SHARED}


class SharesWithoutSaying(SoundLeases):
    """Outlives its closing without declaring so, and nobody has proved that it does so well."""

    _kept: dict[Path, SharesWithoutSaying] = {}  # noqa: RUF012  # that is the bug

    def __init__(self, clock: VirtualClock, folder: Path) -> None:
        super().__init__(clock)
        self.rows = self._kept.setdefault(folder, self).rows


class TakesEventsWithoutSaying(SoundLeases):
    """Does not declare EVENTS, and drops them in silence."""

    capabilities = _CAPABILITIES - {Capability.EVENTS}

    def tell(self, announce: Callable[[Lease], Event] | None, lease: Lease) -> None:
        pass


PLANTED_LEASE_BUGS: tuple[type[SoundLeases], ...] = (
    ExpiryOffByOne,
    CapCountsExpired,
    RenewalDeniedAtCap,
    RenewalKeepsOldTtl,
    TtlCutAtSixtySeconds,
    TtlInWholeSeconds,
    ReleaseDropsThePackage,
    ReleaseByLike,
    KeysFolded,
    KeysJoined,
    TokenReused,
    CheckThenAct,
    SameRunTakesASecondSlot,
    SameRunIsDeniedAtCap,
    SameRunExtends,
    OtherPackageAccepted,
    ExpiredIsRenewable,
    StaleTokenReleases,
    EventOutsideTheTransaction,
    EventToldAgain,
    EventSwallowed,
    PackageCountedAcrossTenants,
    CounterBesideLeases,
    ExpiresByTheWallClock,
    SaysItIsDurable,
    SaysItIsShared,
    SharesWithoutSaying,
    TakesEventsWithoutSaying,
)
