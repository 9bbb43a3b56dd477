"""Slot leases: who holds a slot, until when by the store's own clock, under which fencing token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from maestro.kernel.errors import BadInputError, ConflictError
from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability

__all__ = [
    "MAX_SECONDS",
    "Caps",
    "Claim",
    "Full",
    "Lease",
    "LeaseStore",
    "Release",
    "Usage",
    "frees_at",
    "lease_nanoseconds",
    "run_package_conflict",
]

MAX_SECONDS = 31_536_000.0
"""The longest ``ttl`` and ``expected``, 365 days: beyond it a typing error is likelier than a purpose."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a run asks for.

    Attributes:
        tenant: whose run.
        run: its id, unique within the tenant.
        package: what it runs.
        ttl: seconds the slot is held without renewal; greater than 0, at most ``MAX_SECONDS``.
        at: the caller's wall clock; written down, never counted by.
        expected: seconds the run is expected to take, counted from its acquisition, at most ``MAX_SECONDS``, or
            None; used for estimates only.
        revision: revision of the limits that admitted it.
    """

    tenant: str
    run: str
    package: str
    ttl: float
    at: datetime
    expected: float | None = None
    revision: str = ""


class Caps(msgspec.Struct, frozen=True, gc=False):
    """How many unexpired leases there may be: of the tenant, and of the claim's package. None: no cap."""

    tenant: int | None = None
    package: int | None = None


class Lease(msgspec.Struct, frozen=True, gc=False):
    """A slot that is held.

    Attributes:
        tenant: whose run.
        run: its id.
        package: what it runs.
        token: the fencing token; every new lease of a store has a greater one than all before it.
        ttl: seconds granted at the last acquire or renewal.
        remaining: seconds left at the moment of the answer, by the store's clock.
        acquired_at: the holder's wall clock when it was acquired, aware UTC.
        expected: as claimed.
        revision: as claimed.
        created: whether this very call created it (False when the same run asked again, and on renewals).
        counted_at: reading of the store's clock at the answer, in seconds since some instant of its own; a replay
            orders expiries by it, because wall clocks step.
    """

    tenant: str
    run: str
    package: str
    token: int
    ttl: float
    remaining: float
    acquired_at: datetime
    expected: float | None = None
    revision: str = ""
    created: bool = False
    counted_at: float = 0.0


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Unexpired leases now.

    Attributes:
        tenant: of the tenant.
        package: of the tenant's runs of the package.
        tenant_frees_in: estimated seconds until one of the tenant's slots frees, None when it holds none: the
            earliest of each lease's expected end. A run that is late is expected to take as long again as it is late
            by now, and none longer than its lease, which is all that is known of one without an expected end.
        package_frees_in: the same for the package.
    """

    tenant: int = 0
    package: int = 0
    tenant_frees_in: float | None = None
    package_frees_in: float | None = None


class Full(msgspec.Struct, frozen=True, gc=False):
    """No slot: at least one cap is reached. ``usage`` is what was counted in the same transaction."""

    usage: Usage


class Release(StrEnum):
    """What a release found."""

    RELEASED = "released"
    ABSENT = "absent"
    """No lease of that run: released before, expired, or never held. Harmless."""
    STALE = "stale"
    """The run is held under another token; that lease stays."""


class LeaseStore(Protocol):
    """Keeps leases.

    Contract:

    - Leases are keyed by (tenant, run), compared byte for byte.
    - Admission is atomic with the count: never more unexpired leases than a cap given with the claim, however many
      callers, processes or crashes. Lowering a cap ends no lease.
    - Expiry is by the store's own clock: a lease is expired from the instant at which ``remaining`` reaches 0. An
      expired lease counts nowhere, cannot be renewed, and its run may be claimed anew under a greater token.
    - ``acquire`` of a run that holds an unexpired lease answers that lease, same token, expiry unchanged, whatever
      the caps are; with another package it raises ConflictError ``run_package_conflict``.
    - ``announce``, where given, makes an event that is kept in the transaction that creates, renews or releases;
      it needs ``Capability.EVENTS``. It is not called when nothing changed, and must not call the store. What it
      raises reaches the caller, and nothing has changed.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this store promises."""
        ...

    def acquire(
        self, claim: Claim, caps: Caps, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | Full:
        """Take a slot.

        Raises:
            BadInputError: ``ttl`` or ``expected`` is out of range, or ``at`` is naive; nothing was changed.
            ConflictError: ``run_package_conflict``, the run holds a slot for another package.
            PortError: the store failed, or lacks ``Capability.EVENTS`` and was given ``announce``.
        """
        ...

    def renew(
        self, tenant: str, run: str, token: int, ttl: float, announce: Callable[[Lease], Event] | None = None
    ) -> Lease | None:
        """Hold it for ``ttl`` seconds from now; None when it expired, was released or has another token."""
        ...

    def release(
        self, tenant: str, run: str, token: int, announce: Callable[[Lease], Event] | None = None
    ) -> Release:
        """Give the slot back. Doing it twice is harmless."""
        ...

    def find(self, tenant: str, run: str) -> Lease | None:
        """The run's unexpired lease."""
        ...

    def usage(self, tenant: str, package: str) -> Usage:
        """Unexpired leases of the tenant and of its package."""
        ...

    def held(self) -> dict[str, int]:
        """Unexpired leases by tenant; tenants without any are absent."""
        ...

    def close(self) -> None:
        """Let go of connections and files. Leases stay where the store is durable."""
        ...


def lease_nanoseconds(seconds: float, field: str) -> int:
    """A ttl or an expected duration as whole nanoseconds, so that all stores agree on the instant of expiry.

    Raises:
        BadInputError: not greater than 0, not finite, or greater than ``MAX_SECONDS``.
    """
    if not 0 < seconds <= MAX_SECONDS:
        raise BadInputError(
            "is out of range.",
            field=field,
            value=seconds,
            remedy=f"Use more than 0, at most {MAX_SECONDS:.0f} s.",
        )
    return round(seconds * 1e9) or 1


def frees_at(now: int, expires: int, ends: int) -> int:
    """When a lease that is held may free, as ``Usage`` estimates it; all three by one clock, ``ends`` 0 for unknown."""
    if ends > now:
        return ends
    return min(expires, 2 * now - ends) if ends else expires


def run_package_conflict(held: Lease, package: str) -> ConflictError:
    """The error for a run that asks again with another package than the one it holds a slot for."""
    return ConflictError(
        f"Run {held.run!r} of {held.tenant!r} holds a slot for package {held.package!r}, not {package!r}.",
        code="run_package_conflict",
        remedy="Use another run id, or release the slot first.",
    )
