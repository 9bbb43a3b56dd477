"""Run limits for threads: the door of an app, and what the sidecar and ``Limits`` stand on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

import msgspec

from maestro.kernel.errors import BadInputError, PortError
from maestro.kernel.events import Event
from maestro.kernel.instants import epoch_seconds, require_aware
from maestro.kernel.names import require_claim, require_package, require_tenant
from maestro.limits import events
from maestro.limits.decide import admits, already_held, caps_for, decide, unavailable
from maestro.limits.decision import Decision, Source
from maestro.limits.documents import (
    LimitsFile,
    PackageCapsDocument,
    WindowsDocument,
    encode_document,
    limits_from,
    split_limits,
)
from maestro.limits.policy import LimitsPolicy, compile_policy
from maestro.limits.request import in_judged_years
from maestro.limits.revision import UNRESTRICTED
from maestro.ports.capabilities import Capability
from maestro.ports.clock import Clock
from maestro.ports.documents import DocumentStore, StoredDocument
from maestro.ports.flags import Flags, FlagSnapshot
from maestro.ports.leases import MAX_SECONDS, Claim, Lease, LeaseStore, Release, Usage, run_package_conflict
from maestro.ports.waiting import Waits
from maestro.runtime.policies import Policies
from maestro.runtime.renewal import Renewer
from maestro.runtime.slots import Slot
from maestro.runtime.waiting import Bell, Wait, WaitingHall

__all__ = ["BlockingLimits"]

DEFAULT_TTL = timedelta(seconds=30)
LONGEST_TTL = timedelta(days=1)
_LONGEST_SECONDS = LONGEST_TTL.total_seconds()
_ALL_ON = FlagSnapshot()


class BlockingLimits:
    """Decides, admits, renews and releases runs. Thread-safe as far as its ports are.

    Args:
        leases: where slots are held; must declare ``Capability.BLOCKING``.
        clock: the wall clock that windows follow.
        documents: the tenants' documents.
        flags: switches; without, all are on.
        defaults: limits of tenants without documents; shipped unrestricted.
        policies: those of other limits on the same documents, to share what is compiled and last known.
    """

    def __init__(
        self,
        leases: LeaseStore,
        clock: Clock,
        documents: DocumentStore,
        *,
        flags: Flags | None = None,
        defaults: LimitsFile = UNRESTRICTED,
        policies: Policies | None = None,
    ) -> None:
        self.leases = leases
        self.documents = documents
        self.renewer = Renewer()
        self._clock = clock
        self._flags = flags
        self._defaults = defaults
        self.policies = policies or Policies(documents, defaults)
        self._announce = Capability.EVENTS in leases.capabilities
        self._hall = (
            WaitingHall(cast("Waits", leases).waiting_room(), leases, self.policies, self.renewer)
            if Capability.WAIT in leases.capabilities
            else None
        )
        self._announce_documents = Capability.EVENTS in documents.capabilities

    def decide(
        self,
        *,
        tenant: str,
        package: str,
        at: datetime | None = None,
        expected: timedelta | float | None = None,
    ) -> Decision:
        """Explain without taking: the verdict now, or at another instant with the usage of now.

        Raises:
            BadInputError: a malformed name or instant.
        """
        require_tenant(tenant)
        require_package(package)
        now = self._clock.now() if at is None else in_judged_years(require_aware(at, "at"), "at")
        return self.judge(tenant, package, now, _seconds(expected))

    def judge(self, tenant: str, package: str, now: datetime, expected: float | None) -> Decision:
        """``decide`` for callers whose input is already checked; a store that is down makes a deny."""
        enforce = self._snapshot().enabled("run_windows_caps")
        try:
            policy = self.policies.current(tenant)
            usage = self.leases.usage(tenant, package)
        except PortError as error:
            return self._without_store(tenant, package, now, expected, error)
        return decide(policy, package, now, expected=expected, usage=usage, enforce=enforce)

    def acquire(
        self,
        *,
        run: str,
        tenant: str,
        package: str,
        ttl: timedelta | float = DEFAULT_TTL,
        expected: timedelta | float | None = None,
        wait: timedelta | float = 0.0,
    ) -> Slot | Decision:
        """Take a slot for a run, or learn why not.

        The same run again gets the slot it already holds, even where a new run would be denied.

        Args:
            run: its id, unique within the tenant.
            tenant: whose run.
            package: what it runs.
            ttl: seconds (or a timedelta) the slot is held without renewal, up to a day. After a crash the slot is
                back within this time.
            expected: how long the run will take; judged where runs must fit, and used for estimates.
            wait: how long to wait for a slot at most. Those who wait for a tenant's slots are served in the order
                they came, within milliseconds of a release; a window that opens in time is waited for too. A
                decision that ends a wait in vain tells the position reached.

        Raises:
            BadInputError: a malformed name or ttl.
            ConflictError: ``run_package_conflict``, the run holds a slot for another package.
        """
        asked = _checked(run, tenant, package, ttl, expected)
        if not wait:
            return self._attempt(*asked)
        attempt = partial(self._attempt, *asked)
        rung = threading.Event()
        waiting = self.waiting((tenant, run, package), attempt, wait, rung.set)
        try:
            while isinstance(answer := waiting.step(), float):
                rung.wait(answer)
                rung.clear()
        finally:
            waiting.close()
        return answer

    def attempt(
        self,
        *,
        run: str,
        tenant: str,
        package: str,
        ttl: timedelta | float = DEFAULT_TTL,
        expected: timedelta | float | None = None,
    ) -> Callable[[], Slot | Decision]:
        """``acquire`` without waiting, checked once to be called as often as needed. Raises BadInputError."""
        return partial(self._attempt, *_checked(run, tenant, package, ttl, expected))

    def waiting(
        self,
        claimed: tuple[str, str, str],
        attempt: Callable[[], Slot | Decision],
        wait: timedelta | float,
        bell: Bell,
    ) -> Wait:
        """The steps of a wait for (tenant, run, package), for callers that have their own way of pausing."""
        seconds = _seconds(wait, "wait") or 0.0
        hall = self._hall if seconds else None
        return Wait(hall, claimed, attempt, seconds=seconds, now=self.renewer.now, bell=bell)

    def _attempt(
        self, run: str, tenant: str, package: str, ttl_seconds: float, expected_seconds: float | None
    ) -> Slot | Decision:
        now = self._clock.now()
        enforce = self._flags is None or self._snapshot().enabled("run_windows_caps")
        try:
            policy = self.policies.current(tenant)
            claim = Claim(tenant, run, package, ttl_seconds, now, expected_seconds, policy.revision)
            if enforce and not admits(policy, now, expected_seconds):
                return self._denied_by_calendar(policy, claim)
            return self._take(policy, claim, enforce=enforce)
        except PortError as error:
            decision = self._without_store(tenant, package, now, expected_seconds, error)
            return Slot(self, None, lambda: decision) if decision.allowed else decision

    def renew(
        self, *, tenant: str, run: str, token: int, ttl: timedelta | float = DEFAULT_TTL
    ) -> Lease | Decision | None:
        """Hold the slot for ``ttl`` from now.

        Returns:
            The lease; None when it is lost (expired, released, another token); a Decision when the run's time is
            over because its tenant's runs must fit into the open time (``onWindowEnd: must_fit``).

        Raises:
            PortError: the store did not answer; the lease holds on until its ttl ends.
        """
        now = self._clock.now()
        policy = self.policies.current(tenant)
        if self._must_have_ended(policy, now):
            lease = self.leases.find(tenant, run)
            if lease is not None and lease.token == token:
                return decide(policy, lease.package, now)
        return self.leases.renew(tenant, run, token, _ttl(ttl), self._renewed if self._announce else None)

    def release(self, *, tenant: str, run: str, token: int) -> Release:
        """Give the slot back; see ``Release`` for what may be found. Raises PortError."""
        found = self.leases.release(tenant, run, token, self._released if self._announce else None)
        if self._hall is not None:
            self._hall.freed(tenant)
        return found

    def put(
        self, limits: Mapping[str, Any] | LimitsFile, *, by: str
    ) -> tuple[StoredDocument, StoredDocument]:
        """Store both of a tenant's documents from one object, as a limits file spells it (its usage is left out).

        Raises:
            BadInputError: names the field, the value and the remedy; nothing was stored.
        """
        windows, caps = split_limits(limits if isinstance(limits, LimitsFile) else limits_from(limits))
        return self.put_document("windows", windows, by=by), self.put_document("package-caps", caps, by=by)

    def put_document(
        self,
        kind: str,
        document: WindowsDocument | PackageCapsDocument,
        *,
        by: str,
        expected: int | None = None,
    ) -> StoredDocument:
        """Store the next version of one document, which must have been read by ``maestro.limits.documents``.

        Raises:
            BadInputError: a zone or time that does not exist; nothing was stored.
            ConflictError: ``version_conflict``, ``expected`` is not the newest version.
        """
        if isinstance(document, WindowsDocument):
            compile_policy(document.tenant, document, None, source="document", revision="")
        stored = self.documents.put(
            kind,
            document.tenant,
            encode_document(document),
            expected=expected,
            changed_by=by,
            changed_at=self._clock.now(),
            announce=events.document_changed if self._announce_documents else None,
        )
        if self._hall is not None:
            self._hall.freed(document.tenant)  # a cap may have been raised
        return stored

    def declared_defaults(self) -> Event:
        """The event that tells the default limits, for the log's owner to keep once at start."""
        return events.default_declared(
            self.policies.default_revision, encode_document(self._defaults), self._clock.now()
        )

    def close(self) -> None:
        """Stop background work. The stores are their owner's to close; leases run out by themselves."""
        if self._hall is not None:
            self._hall.close()
        self.renewer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, policy: LimitsPolicy, claim: Claim, *, enforce: bool) -> Slot | Decision:
        announce = partial(_admitted, claim.at, policy.source, enforce) if self._announce else None
        answer = self.leases.acquire(claim, caps_for(policy, claim.package, enforce=enforce), announce)
        if isinstance(answer, Lease):
            if not answer.created:
                return self._again(policy, claim, answer)
            usage = None if enforce else self.leases.usage(claim.tenant, claim.package)
            return Slot(self, answer, partial(_verdict, policy, claim, usage, enforce=enforce))
        return _verdict(policy, claim, answer.usage, enforce=enforce)

    def _denied_by_calendar(self, policy: LimitsPolicy, claim: Claim) -> Slot | Decision:
        """A run that asks again for the slot it holds gets it; else tell caps beside the calendar's denies."""
        lease = self.leases.find(claim.tenant, claim.run)
        if lease is not None:
            if lease.package != claim.package:
                raise run_package_conflict(lease, claim.package)
            return self._again(policy, claim, lease)
        return _verdict(policy, claim, self.leases.usage(claim.tenant, claim.package), enforce=True)

    def _again(self, policy: LimitsPolicy, claim: Claim, lease: Lease) -> Slot:
        return Slot(self, lease, partial(already_held, policy, claim.run, claim.at))

    def _must_have_ended(self, policy: LimitsPolicy, now: datetime) -> bool:
        return (
            policy.must_fit
            and self._snapshot().enabled("run_windows_caps")
            and policy.schedule.open_until(epoch_seconds(now)) is None
        )

    def _without_store(
        self, tenant: str, package: str, now: datetime, expected: float | None, error: PortError
    ) -> Decision:
        """Fail closed, but for a tenant without caps that chose to be judged by its last known document."""
        known = self.policies.last_known(tenant)
        if known is None or not known.open_when_unavailable:
            return unavailable(tenant, now, error.retry_after)
        enforce = self._snapshot().enabled("run_windows_caps")
        cached = decide(known, package, now, expected=expected, enforce=enforce)
        return msgspec.structs.replace(cached, source="cached")

    def _snapshot(self) -> FlagSnapshot:
        return _ALL_ON if self._flags is None else self._flags.snapshot()

    def _renewed(self, lease: Lease) -> Event:
        return events.renewed(lease, self._clock.now())

    def _released(self, lease: Lease) -> Event:
        return events.released(lease, self._clock.now())


def _admitted(at: datetime, source: Source, enforced: bool, lease: Lease) -> Event:  # noqa: FBT001 - for partial
    return events.admitted(lease, at, source, enforced=enforced)


def _verdict(policy: LimitsPolicy, claim: Claim, usage: Usage | None, *, enforce: bool) -> Decision:
    return decide(policy, claim.package, claim.at, expected=claim.expected, usage=usage, enforce=enforce)


def _checked(
    run: str, tenant: str, package: str, ttl: timedelta | float, expected: timedelta | float | None
) -> tuple[str, str, str, float, float | None]:
    """What ``_attempt`` takes. Raises BadInputError."""
    require_claim(run, tenant, package)
    return run, tenant, package, _ttl(ttl), None if expected is None else _seconds(expected)


def _seconds(span: timedelta | float | None, field: str = "expectedSeconds") -> float | None:
    if span is None:
        return None
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if not 0 <= seconds <= MAX_SECONDS:
        raise BadInputError(
            f"must be a duration from 0 to {MAX_SECONDS:.0f} seconds.",
            field=field,
            value=repr(span),
            remedy="Leave it out when unknown.",
        )
    return seconds


def _ttl(ttl: timedelta | float) -> float:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise BadInputError(
            "must be more than 0 seconds and at most a day.",
            field="ttlSeconds",
            value=repr(seconds),
            remedy="30 is a good start.",
        )
    return seconds
