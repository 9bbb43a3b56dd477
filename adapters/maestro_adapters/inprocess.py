"""Stores that live and die with the process: leases, documents, events. Thread-safe, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from threading import Lock

from maestro.kernel.events import Event
from maestro.kernel.instants import require_aware
from maestro.ports.capabilities import Capability, refuse
from maestro.ports.clock import BootClock
from maestro.ports.documents import StoredDocument, version_conflict
from maestro.ports.events import EventSink
from maestro.ports.leases import (
    MAX_SECONDS,
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
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess_waiting import InProcessWaitingRoom

__all__ = ["InProcessDocuments", "InProcessLeases", "InProcessOutbox"]

_SWEEP_AFTER = 1024
"""At least this many creations lie between two sweeps of the whole store."""

# Reading a member off the enum class costs as much as taking the lock (Python 3.11).
_RELEASED, _ABSENT, _STALE = Release.RELEASED, Release.ABSENT, Release.STALE

_Record = tuple[int, int, Lease]
"""When it expires, when the run is expected to end (0: not said), and the lease as it was granted."""


def _capabilities(outbox: EventSink | None) -> frozenset[Capability]:
    """What a store of this module can: with a waiting outbox it waits, without one it keeps no events."""
    own = {Capability.BLOCKING}
    if outbox is None or Capability.IN_MEMORY in outbox.capabilities:
        own.add(Capability.IN_MEMORY)
    if outbox is not None:
        own.add(Capability.EVENTS)
    return frozenset(own)


class _Book:
    """The leases of one tenant. Counts are lengths of what is held, so they cannot drift from it."""

    __slots__ = ("earliest", "packages", "runs")

    def __init__(self) -> None:
        self.runs: dict[str, _Record] = {}
        self.packages: dict[str, set[str]] = {}
        self.earliest = 0
        """No lease expires before this instant; a cap that is reached earlier is reached for certain."""

    def put(self, run: str, package: str, record: _Record) -> None:
        """Add a lease, or replace the one of the same run and package."""
        expires = record[0]
        runs = self.runs
        if expires < self.earliest or not runs:
            self.earliest = expires
        runs[run] = record
        same = self.packages.get(package)
        if same is None:
            self.packages[package] = {run}
        else:
            same.add(run)

    def drop(self, lease: Lease) -> None:
        """Remove a lease that is held."""
        del self.runs[lease.run]
        self.packages[lease.package].discard(lease.run)

    def purge(self, now: int) -> None:
        """Remove what has expired, looking only when something can have."""
        if now < self.earliest and self.runs:
            return
        for expires, _, lease in list(self.runs.values()):
            if expires <= now:
                self.drop(lease)
        for package in [package for package, runs in self.packages.items() if not runs]:
            del self.packages[package]
        self.earliest = min((record[0] for record in self.runs.values()), default=0)

    def count(self, package: str) -> int:
        """Leases of the package, expired ones included until the next purge."""
        same = self.packages.get(package)
        return len(same) if same is not None else 0

    def reached(self, package: str, caps: Caps) -> bool:
        """Whether a cap leaves no room, expired leases included until the next purge."""
        cap = caps.tenant
        if cap is not None and len(self.runs) >= cap:
            return True
        cap = caps.package
        if cap is None:
            return False
        same = self.packages.get(package)
        return cap <= (len(same) if same is not None else 0)

    def usage(self, package: str, now: int) -> Usage:
        """Unexpired leases and when one of them may free."""
        self.purge(now)
        tenant_frees = package_frees = 0
        for expires, ends, lease in self.runs.values():
            frees = frees_at(now, expires, ends)
            if not tenant_frees or frees < tenant_frees:
                tenant_frees = frees
            if lease.package == package and (not package_frees or frees < package_frees):
                package_frees = frees
        return Usage(
            tenant=len(self.runs),
            package=self.count(package),
            tenant_frees_in=(tenant_frees - now) / 1e9 if tenant_frees else None,
            package_frees_in=(package_frees - now) / 1e9 if package_frees else None,
        )


class InProcessLeases:
    """A lease store in this process's memory (``LeaseStore``).

    Args:
        clock: the boot clock by which leases expire; the system's when None.
        outbox: where announced events are kept; without one, ``announce`` is refused. An event is appended before
            the change it tells becomes visible, under the same lock: if the outbox fails, nothing has changed.
    """

    def __init__(self, clock: BootClock | None = None, outbox: EventSink | None = None) -> None:
        clock = SystemClock() if clock is None else clock
        self._nanoseconds = clock.nanoseconds
        self._room = InProcessWaitingRoom(clock)
        self._lock = Lock()
        self._books: dict[str, _Book] = {}
        self._token = 0
        self._until_sweep = _SWEEP_AFTER
        self._capabilities = _capabilities(outbox) | {Capability.WAIT}
        self.outbox = outbox

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``WAIT``, ``IN_MEMORY`` unless the outbox waits, ``EVENTS`` with an outbox."""
        return self._capabilities

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        """Take a slot; see ``LeaseStore.acquire``."""
        tenant, run, package, ttl, at = claim.tenant, claim.run, claim.package, claim.ttl, claim.at
        expected = claim.expected
        lasts = (round(ttl * 1e9) or 1) if 0 < ttl <= MAX_SECONDS else lease_nanoseconds(ttl, "ttl")
        takes = lease_nanoseconds(expected, "expected") if expected else 0
        if at.tzinfo is not UTC:
            at = require_aware(at, "at")
        with self._lock:
            now = self._nanoseconds()
            book = self._books.get(tenant)
            if book is None:
                book = self._books[tenant] = _Book()
            record = book.runs.get(run)
            if record is not None:
                if record[0] > now:
                    return _again(record, package, now)
                book.drop(record[2])
            if book.reached(package, caps):
                book.purge(now)
                if book.reached(package, caps):
                    return Full(book.usage(package, now))
            token = self._token + 1
            lease = Lease(
                tenant, run, package, token, ttl, ttl, at, expected, claim.revision, True, now / 1e9
            )
            if announce is not None:
                self._tell(announce, lease)
            self._token = token
            book.put(run, package, (now + lasts, now + takes if takes else 0, lease))
            self._until_sweep -= 1
            if not self._until_sweep:
                self._sweep(now)
            return lease

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        """Hold it for ``ttl`` seconds from now; see ``LeaseStore.renew``."""
        lasts = lease_nanoseconds(ttl, "ttl")
        with self._lock:
            now = self._nanoseconds()
            book = self._books.get(tenant)
            record = None if book is None else book.runs.get(run)
            if book is None or record is None or record[0] <= now or record[2].token != token:
                return None
            lease = _granted(record[2], ttl, ttl, now)
            if announce is not None:
                self._tell(announce, lease)
            book.put(run, lease.package, (now + lasts, record[1], lease))
            return lease

    def release(
        self, tenant: str, run: str, token: int, announce: Callable[[Lease], Event] | None = None
    ) -> Release:
        """Give the slot back; see ``LeaseStore.release``."""
        with self._lock:
            book = self._books.get(tenant)
            if book is None or (record := book.runs.get(run)) is None:
                return _ABSENT
            expires, _, lease = record
            now = self._nanoseconds()
            if expires <= now:
                book.drop(lease)
                return _ABSENT
            if lease.token != token:
                return _STALE
            if announce is not None:
                self._tell(announce, _told(record, now))
            book.drop(lease)
            return _RELEASED

    def find(self, tenant: str, run: str) -> Lease | None:
        """The run's unexpired lease."""
        with self._lock:
            book = self._books.get(tenant)
            record = None if book is None else book.runs.get(run)
            if record is None:
                return None
            now = self._nanoseconds()
            return _told(record, now) if record[0] > now else None

    def usage(self, tenant: str, package: str) -> Usage:
        """Unexpired leases of the tenant and of its package."""
        with self._lock:
            book = self._books.get(tenant)
            return Usage() if book is None else book.usage(package, self._nanoseconds())

    def held(self) -> dict[str, int]:
        """Unexpired leases by tenant."""
        with self._lock:
            self._sweep(self._nanoseconds())
            return {tenant: len(book.runs) for tenant, book in self._books.items()}

    def waiting_room(self) -> InProcessWaitingRoom:
        """Where callers of this process wait for a slot."""
        return self._room

    def close(self) -> None:
        """Nothing to let go of; the leases are gone when the store is."""

    def _tell(self, announce: Callable[[Lease], Event], lease: Lease) -> None:
        if self.outbox is None:
            raise refuse(Capability.EVENTS, self)
        self.outbox.append((announce(lease),))

    def _sweep(self, now: int) -> None:
        """Forget expired leases and empty books, so that crashed holders never pile up.

        The next sweep is due when the store could have doubled, which spreads the cost over the creations between.
        """
        for tenant, book in list(self._books.items()):
            book.purge(now)
            if not book.runs:
                del self._books[tenant]
        self._until_sweep = max(_SWEEP_AFTER, sum(len(book.runs) for book in self._books.values()))


def _again(record: _Record, package: str, now: int) -> Lease:
    """What a run that holds a slot gets when it asks again."""
    if record[2].package != package:
        raise run_package_conflict(record[2], package)
    return _told(record, now)


def _told(record: _Record, now: int) -> Lease:
    """A lease that is held, as it stands now."""
    expires, _, lease = record
    return _granted(lease, lease.ttl, (expires - now) / 1e9, now)


def _granted(lease: Lease, ttl: float, remaining: float, now: int) -> Lease:
    """The lease with another ttl, not created by this call."""
    return Lease(
        lease.tenant, lease.run, lease.package, lease.token, ttl, remaining,
        lease.acquired_at, lease.expected, lease.revision, False, now / 1e9,
    )  # fmt: skip


class InProcessDocuments:
    """A document store in this process's memory (``DocumentStore``).

    Args:
        outbox: where announced events are kept; without one, ``announce`` is refused.
    """

    def __init__(self, outbox: EventSink | None = None) -> None:
        self._lock = Lock()
        self._versions: dict[tuple[str, str], list[StoredDocument]] = {}
        self._generation = 0
        self._capabilities = _capabilities(outbox)
        self.outbox = outbox

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``IN_MEMORY`` unless the outbox waits, ``EVENTS`` with an outbox."""
        return self._capabilities

    def get(self, kind: str, tenant: str, version: int | None = None) -> StoredDocument | None:
        """The newest version, or the one asked for."""
        with self._lock:
            versions = self._versions.get((kind, tenant), ())
            number = len(versions) if version is None else version
            return versions[number - 1] if 0 < number <= len(versions) else None

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
        """Store the next version; see ``DocumentStore.put``."""
        changed_at = require_aware(changed_at, "changed_at")
        with self._lock:
            versions = self._versions.get((kind, tenant), [])
            newest = len(versions)
            if expected is not None and expected != newest:
                raise version_conflict(kind, tenant, expected, newest)
            document = StoredDocument(kind, tenant, newest + 1, bytes(body), changed_by, changed_at)
            if announce is not None:
                if self.outbox is None:
                    raise refuse(Capability.EVENTS, self)
                self.outbox.append((announce(document),))
            versions.append(document)
            self._versions[kind, tenant] = versions
            self._generation += 1
            return document

    def history(self, kind: str, tenant: str, limit: int = 100) -> Sequence[StoredDocument]:
        """The newest versions first, at most ``limit``."""
        with self._lock:
            return tuple(reversed(self._versions.get((kind, tenant), [])))[: max(0, limit)]

    def generation(self) -> int:
        """The number of versions ever stored."""
        return self._generation


class InProcessOutbox:
    """An event log in this process's memory (``EventLog``).

    Args:
        keep: how many events are kept; the oldest goes when one more comes, read or not. What was dropped is no
            longer known, so the same event told again is kept again.
    """

    def __init__(self, keep: int = 100_000) -> None:
        self._lock = Lock()
        self._keep = keep
        self._events: dict[int, Event] = {}
        self._known: set[tuple[str, str]] = set()
        self._last = 0
        self._consumers: dict[str, tuple[int, bytes | None]] = {}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING`` and ``IN_MEMORY``."""
        return frozenset({Capability.BLOCKING, Capability.IN_MEMORY})

    def append(self, events: Iterable[Event]) -> None:
        """Keep the events, all or none."""
        given = tuple(events)
        with self._lock:
            for event in given:
                name = (event.source, event.id)
                if name in self._known:
                    continue
                self._known.add(name)
                self._last += 1
                self._events[self._last] = event
                if len(self._events) > self._keep:
                    self._drop(next(iter(self._events)))

    def read(self, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, Event]]:
        """Up to ``limit`` events with positions greater than ``after``."""
        with self._lock:
            first = max(after + 1, next(iter(self._events), self._last + 1))
            kept = (
                (position, self._events[position])
                for position in range(first, self._last + 1)
                if position in self._events
            )
            return list(islice(kept, max(0, limit)))

    def acknowledge(self, consumer: str, position: int, state: bytes | None = None) -> None:
        """Remember how far the consumer has come; never moves backward."""
        with self._lock:
            if position >= self.acknowledged(consumer):
                self._consumers[consumer] = (position, state)

    def acknowledged(self, consumer: str) -> int:
        """The position the consumer last acknowledged."""
        return self.resume(consumer)[0]

    def resume(self, consumer: str) -> tuple[int, bytes | None]:
        """That position, and the state kept with it."""
        return self._consumers.get(consumer, (0, None))

    def forget(self, positions: Sequence[int]) -> None:
        """Delete these events; the newest stays."""
        with self._lock:
            newest = next(reversed(self._events), 0)
            for position in {*positions} & self._events.keys() - {newest}:
                self._drop(position)

    def _drop(self, position: int) -> None:
        dropped = self._events.pop(position)
        self._known.discard((dropped.source, dropped.id))
