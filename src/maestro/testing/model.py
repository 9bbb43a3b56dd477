"""Reference models of the ports: a list and a loop, as plain as the contract, slow and in one thread.

The conformance kit runs them in lock-step with a store. They share no code with any adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import attrs

from maestro.kernel.events import Event
from maestro.ports.clock import BootClock
from maestro.ports.documents import StoredDocument, version_conflict
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

__all__ = ["ModelDocuments", "ModelEventLog", "ModelLeases"]


@attrs.define
class _Entry:
    """One lease, expired or not."""

    claim: Claim
    token: int
    ttl: float
    acquired: int
    expires: int


class ModelLeases:
    """What a lease store must answer. ``events`` are those announced, in order."""

    def __init__(self, clock: BootClock) -> None:
        self._clock = clock
        self._entries: list[_Entry] = []
        self._token = 0
        self.events: list[Event] = []

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        """``LeaseStore.acquire``."""
        now = self._clock.nanoseconds()
        span = lease_nanoseconds(claim.ttl, "ttl")
        entry = self._entry(claim.tenant, claim.run)
        if entry is not None:
            if entry.claim.package != claim.package:
                raise run_package_conflict(self._lease(entry), claim.package)
            return self._lease(entry)
        usage = self.usage(claim.tenant, claim.package)
        if caps.tenant is not None and usage.tenant >= caps.tenant:
            return Full(usage)
        if caps.package is not None and usage.package >= caps.package:
            return Full(usage)
        entry = _Entry(claim, self._token + 1, claim.ttl, now, now + span)
        lease = self._lease(entry, created=True)
        self._announce(announce, lease)
        self._token += 1
        self._entries.append(entry)
        return lease

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        """``LeaseStore.renew``."""
        entry = self._entry(tenant, run)
        if entry is None or entry.token != token:
            return None
        renewed = attrs.evolve(
            entry, ttl=ttl, expires=self._clock.nanoseconds() + lease_nanoseconds(ttl, "ttl")
        )
        lease = self._lease(renewed)
        self._announce(announce, lease)
        self._entries[self._entries.index(entry)] = renewed
        return lease

    def release(
        self, tenant: str, run: str, token: int, announce: Callable[[Lease], Event] | None = None
    ) -> Release:
        """``LeaseStore.release``."""
        entry = self._entry(tenant, run)
        if entry is None:
            return Release.ABSENT
        if entry.token != token:
            return Release.STALE
        self._announce(announce, self._lease(entry))
        self._entries.remove(entry)
        return Release.RELEASED

    def find(self, tenant: str, run: str) -> Lease | None:
        """``LeaseStore.find``."""
        entry = self._entry(tenant, run)
        return None if entry is None else self._lease(entry)

    def usage(self, tenant: str, package: str) -> Usage:
        """``LeaseStore.usage``."""
        of_tenant = [entry for entry in self.live() if entry.claim.tenant == tenant]
        of_package = [entry for entry in of_tenant if entry.claim.package == package]
        return Usage(len(of_tenant), len(of_package), self._frees_in(of_tenant), self._frees_in(of_package))

    def held(self) -> dict[str, int]:
        """``LeaseStore.held``."""
        tenants = [entry.claim.tenant for entry in self.live()]
        return {tenant: tenants.count(tenant) for tenant in tenants}

    def live(self) -> list[_Entry]:
        """The leases that have not expired, oldest first."""
        now = self._clock.nanoseconds()
        return [entry for entry in self._entries if entry.expires > now]

    def expiries(self) -> list[int]:
        """The instants at which leases expire, expired ones included."""
        return sorted({entry.expires for entry in self._entries})

    def forget(self) -> None:
        """All holders have died with the machine; the fencing tokens go on."""
        self._entries.clear()

    def _entry(self, tenant: str, run: str) -> _Entry | None:
        for entry in self.live():
            if entry.claim.tenant == tenant and entry.claim.run == run:
                return entry
        return None

    def _frees_in(self, entries: list[_Entry]) -> float | None:
        now = self._clock.nanoseconds()
        moments = []
        for entry in entries:
            if not entry.claim.expected:
                moments.append(entry.expires)
                continue
            ends = entry.acquired + round(entry.claim.expected * 1e9)
            late = now - ends
            moments.append(ends if late < 0 else min(now + late, entry.expires))
        return min((moment - now) / 1e9 for moment in moments) if moments else None

    def _announce(self, announce: Callable[[Lease], Event] | None, lease: Lease) -> None:
        if announce is not None:
            self.events.append(announce(lease))

    def _lease(self, entry: _Entry, *, created: bool = False) -> Lease:
        now = self._clock.nanoseconds()
        claim = entry.claim
        return Lease(
            tenant=claim.tenant,
            run=claim.run,
            package=claim.package,
            token=entry.token,
            ttl=entry.ttl,
            remaining=(entry.expires - now) / 1e9,
            acquired_at=claim.at.astimezone(UTC),
            expected=claim.expected,
            revision=claim.revision,
            created=created,
            counted_at=now / 1e9,
        )


class ModelDocuments:
    """What a document store must answer. ``events`` are those announced, in order."""

    def __init__(self) -> None:
        self._stored: list[StoredDocument] = []
        self.events: list[Event] = []

    def get(self, kind: str, tenant: str, version: int | None = None) -> StoredDocument | None:
        """``DocumentStore.get``."""
        for document in self.history(kind, tenant, len(self._stored)):
            if version is None or document.version == version:
                return document
        return None

    def put(
        self,
        kind: str,
        tenant: str,
        body: bytes,
        *,
        expected: int | None,
        changed_by: str,
        changed_at: datetime,
        announce: Callable[[StoredDocument], Event] | None = None,
    ) -> StoredDocument:
        """``DocumentStore.put``."""
        newest = len(self.history(kind, tenant, len(self._stored)))
        if expected is not None and expected != newest:
            raise version_conflict(kind, tenant, expected, newest)
        document = StoredDocument(kind, tenant, newest + 1, body, changed_by, changed_at.astimezone(UTC))
        if announce is not None:
            self.events.append(announce(document))
        self._stored.append(document)
        return document

    def history(self, kind: str, tenant: str, limit: int = 100) -> Sequence[StoredDocument]:
        """``DocumentStore.history``."""
        of_it = [document for document in self._stored if (document.kind, document.tenant) == (kind, tenant)]
        return list(reversed(of_it))[:limit]


class ModelEventLog:
    """What an event log must answer; its positions are 1, 2, 3 and so on."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, Event]] = []
        self._last = 0
        self._consumers: dict[str, tuple[int, bytes | None]] = {}

    def append(self, events: Iterable[Event]) -> None:
        """``EventSink.append``."""
        for event in list(events):
            if all((kept.source, kept.id) != (event.source, event.id) for _, kept in self._kept):
                self._last += 1
                self._kept.append((self._last, event))

    def read(self, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, Event]]:
        """``EventLog.read``."""
        return [kept for kept in self._kept if kept[0] > after][:limit]

    def acknowledge(self, consumer: str, position: int, state: bytes | None = None) -> None:
        """``EventLog.acknowledge``."""
        if position >= self.acknowledged(consumer):
            self._consumers[consumer] = (position, state)

    def acknowledged(self, consumer: str) -> int:
        """``EventLog.acknowledged``."""
        return self.resume(consumer)[0]

    def resume(self, consumer: str) -> tuple[int, bytes | None]:
        """``EventLog.resume``."""
        return self._consumers.get(consumer, (0, None))

    def forget(self, positions: Sequence[int]) -> None:
        """``EventLog.forget``."""
        self._kept = [kept for kept in self._kept if kept[0] not in positions or kept is self._kept[-1]]
