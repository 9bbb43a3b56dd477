"""Run limits for asyncio: the same door; stores that wait are called in threads, memory straight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from maestro.limits.decision import Decision
from maestro.limits.documents import LimitsFile
from maestro.limits.revision import UNRESTRICTED
from maestro.ports.capabilities import Capability
from maestro.ports.clock import Clock
from maestro.ports.documents import DocumentStore, StoredDocument
from maestro.ports.flags import Flags
from maestro.ports.leases import Lease, LeaseStore, Release
from maestro.runtime.blocking import DEFAULT_TTL, BlockingLimits
from maestro.runtime.slots import AsyncSlot, Slot
from maestro.runtime.waiting import Wait

__all__ = ["Limits"]

T = TypeVar("T")


class Limits:
    """Decides, admits, renews and releases runs without blocking the event loop.

    Arguments are those of ``BlockingLimits``; so are the errors.
    """

    def __init__(
        self,
        leases: LeaseStore,
        clock: Clock,
        documents: DocumentStore,
        *,
        flags: Flags | None = None,
        defaults: LimitsFile = UNRESTRICTED,
    ) -> None:
        self.blocking = BlockingLimits(leases, clock, documents, flags=flags, defaults=defaults)
        self._straight = Capability.IN_MEMORY in leases.capabilities & documents.capabilities

    async def decide(
        self,
        *,
        tenant: str,
        package: str,
        at: datetime | None = None,
        expected: timedelta | float | None = None,
    ) -> Decision:
        """Explain without taking; see ``BlockingLimits.decide``."""
        return await self.call(
            partial(self.blocking.decide, tenant=tenant, package=package, at=at, expected=expected)
        )

    async def acquire(
        self,
        *,
        run: str,
        tenant: str,
        package: str,
        ttl: timedelta | float = DEFAULT_TTL,
        expected: timedelta | float | None = None,
        wait: timedelta | float = 0.0,
    ) -> AsyncSlot | Decision:
        """Take a slot for a run, or learn why not; see ``BlockingLimits.acquire``.

        A caller that is cancelled meanwhile holds nothing: a slot that was taken all the same is given back.
        """
        attempt = self.blocking.attempt(run=run, tenant=tenant, package=package, ttl=ttl, expected=expected)
        loop, rung = asyncio.get_running_loop(), asyncio.Event()

        def ring() -> None:
            loop.call_soon_threadsafe(rung.set)

        waiting = self.blocking.waiting((tenant, run, package), attempt, wait, ring)
        step = asyncio.ensure_future(self.call(waiting.step))
        try:
            while isinstance(answer := await asyncio.shield(step), float):
                # Not wait_for: on Python 3.11 it loses a cancellation that meets the ring.
                with suppress(TimeoutError):
                    async with asyncio.timeout(answer):
                        await rung.wait()
                rung.clear()
                step = asyncio.ensure_future(self.call(waiting.step))
        except BaseException:
            step.add_done_callback(lambda step: loop.run_in_executor(None, _abandon, waiting, step))
            raise
        return AsyncSlot(self, answer) if isinstance(answer, Slot) else answer

    async def renew(
        self, *, tenant: str, run: str, token: int, ttl: timedelta | float = DEFAULT_TTL
    ) -> Lease | Decision | None:
        """Hold the slot for ``ttl`` from now; see ``BlockingLimits.renew``."""
        return await self.call(partial(self.blocking.renew, tenant=tenant, run=run, token=token, ttl=ttl))

    async def release(self, *, tenant: str, run: str, token: int) -> Release:
        """Give the slot back; see ``BlockingLimits.release``."""
        return await self.call(partial(self.blocking.release, tenant=tenant, run=run, token=token))

    async def put(
        self, limits: Mapping[str, Any] | LimitsFile, *, by: str
    ) -> tuple[StoredDocument, StoredDocument]:
        """Store both of a tenant's documents; see ``BlockingLimits.put``."""
        return await self.call(partial(self.blocking.put, limits, by=by))

    async def call(self, function: Callable[[], T]) -> T:
        """Run a blocking call of these limits where it may wait."""
        return function() if self._straight else await asyncio.to_thread(function)

    async def close(self) -> None:
        """Stop background renewal; see ``BlockingLimits.close``."""
        await asyncio.to_thread(self.blocking.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _abandon(waiting: Wait, step: asyncio.Future[float | Slot | Decision]) -> None:
    """Undo what a caller that went away had begun."""
    waiting.close()
    answer = None if step.cancelled() or step.exception() is not None else step.result()
    if isinstance(answer, Slot) and answer.lease is not None and answer.lease.created:
        answer.release()
