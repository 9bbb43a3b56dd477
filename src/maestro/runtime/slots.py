"""A slot that is held: a context around the run, renewed in the background, given back at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from maestro.kernel.errors import PortError
from maestro.limits.decision import Decision
from maestro.ports.leases import Lease, Release

if TYPE_CHECKING:
    from maestro.runtime.blocking import BlockingLimits
    from maestro.runtime.limits import Limits

__all__ = ["AsyncSlot", "Slot"]


class Slot:
    """An admitted run. ``with slot:`` renews it until the block ends, then releases it.

    A denied run gets a Decision instead, which is no context manager: forgetting to look at the answer fails before
    the run starts.

    Attributes:
        allowed: always True; a Decision's may be False.
        lease: the lease, or None when the run was admitted by the cached document while the store was down.
    """

    __slots__ = ("__weakref__", "_deadline", "_decide", "_limits", "_lost", "lease")

    allowed: Literal[True] = True

    def __init__(
        self,
        limits: BlockingLimits,
        lease: Lease | None,
        decide: Callable[[], Decision],
    ) -> None:
        self.lease = lease
        self._decide = decide
        self._limits = limits
        # Made when renewal begins: an Event costs as much as taking the slot.
        self._lost: threading.Event | None = None
        self._deadline = 0.0

    @property
    def decision(self) -> Decision:
        """The verdict that admitted it, worded when asked for."""
        return self._decide()

    @property
    def token(self) -> int | None:
        """The fencing token to hand to whatever the run writes to; None without a lease."""
        return None if self.lease is None else self.lease.token

    @property
    def lost(self) -> bool:
        """Whether renewal found the lease gone: another run may hold the slot now, so stop."""
        return self._lost is not None and self._lost.is_set()

    def wait_lost(self, timeout: float | None = None) -> bool:
        """Renew, and block until the lease is lost, at most ``timeout`` seconds; answers ``lost``."""
        return self.start_renewal().wait(timeout)

    def start_renewal(self) -> threading.Event:
        """Renew in the background from now on; ``with`` does it. Answers an event that is set when it is lost."""
        if self._lost is None:
            self._lost = threading.Event()
            if self.lease is not None:
                self._deadline = self._limits.renewer.now() + self.lease.remaining
                self._limits.renewer.add(self, self.lease.ttl, partial(self._renew, self.lease, self._lost))
        return self._lost

    def release(self) -> Release:
        """Stop renewal and give the slot back. Doing it twice is harmless."""
        if self._lost is not None:
            self._limits.renewer.remove(self)
        if self.lease is None:
            return Release.ABSENT
        return self._limits.release(tenant=self.lease.tenant, run=self.lease.run, token=self.lease.token)

    def __enter__(self) -> Self:
        self.start_renewal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _renew(self, lease: Lease, lost: threading.Event) -> bool:
        """One renewal by the background thread. A store that does not answer is asked again until the ttl is over."""
        try:
            answer = self._limits.renew(tenant=lease.tenant, run=lease.run, token=lease.token, ttl=lease.ttl)
        except PortError:
            goes_on = self._limits.renewer.now() < self._deadline
        else:
            goes_on = isinstance(answer, Lease)
            self._deadline = self._limits.renewer.now() + lease.ttl
        if not goes_on:
            lost.set()
        return goes_on


class AsyncSlot:
    """An admitted run for asyncio: ``async with slot:``. Renewal runs in a thread, whatever the event loop does.

    Attributes:
        allowed: always True.
    """

    allowed: Literal[True] = True

    def __init__(self, limits: Limits, slot: Slot) -> None:
        self._limits = limits
        self._slot = slot

    @property
    def lease(self) -> Lease | None:
        """The lease, or None when admitted by the cached document while the store was down."""
        return self._slot.lease

    @property
    def decision(self) -> Decision:
        """The verdict that admitted it."""
        return self._slot.decision

    @property
    def token(self) -> int | None:
        """The fencing token; None without a lease."""
        return self._slot.token

    @property
    def lost(self) -> bool:
        """Whether renewal found the lease gone."""
        return self._slot.lost

    async def release(self) -> Release:
        """Stop renewal and give the slot back. Doing it twice is harmless."""
        return await self._limits.call(self._slot.release)

    async def __aenter__(self) -> Self:
        self._slot.start_renewal()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()
