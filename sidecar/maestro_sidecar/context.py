"""What every request handler is given: the limits, the clock, the settings, and where waiting may be done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, TypeVar

import attrs

from maestro.runtime.blocking import BlockingLimits
from maestro.runtime.contracts import ContractRegistry
from maestro_adapters.clock import SystemClock
from maestro_sidecar.audit_trail import AuditTrail
from maestro_sidecar.auth import Authenticator
from maestro_sidecar.logs import Log
from maestro_sidecar.metrics import Metrics
from maestro_sidecar.readiness import Readiness
from maestro_sidecar.retention import Retention
from maestro_sidecar.settings import Settings
from maestro_sidecar.stored_flags import StoredFlags
from maestro_sidecar.tracing import Tracing
from maestro_sidecar.violations import ViolationWatch

if TYPE_CHECKING:
    from opentelemetry.trace import Span

if TYPE_CHECKING:
    from maestro_sidecar.edge_service import EdgeService

__all__ = ["Context", "Gate", "Workers"]

T = TypeVar("T")

_ENTERED_SECONDS = 5.0
"""What a change waits for its entry in the audit log."""


@attrs.define
class Gate:
    """Counts the requests under way, and closes when the sidecar stops.

    Attributes:
        most: more than this many at once are refused.
        active: requests under way.
        waiting: those of them that wait for a slot.
        draining: whether new ones are refused because the sidecar stops.
    """

    most: int
    active: int = 0
    waiting: int = 0
    draining: bool = False


class Workers:
    """Threads for calls that may wait for a disk or another process, so that the event loop never does.

    Args:
        straight: the stores never wait, so call them where the caller stands.
        most: threads at most. A SQLite file takes one writer at a time; more would only queue at its lock.
    """

    def __init__(self, *, straight: bool, most: int = 2) -> None:
        self._pool = None if straight else ThreadPoolExecutor(most, "maestro-store")

    async def run(self, function: Callable[[], T]) -> T:
        """The function's answer."""
        if self._pool is None:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    def close(self) -> None:
        """Wait for what is under way, then let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()


@attrs.frozen
class Context:
    """The parts of one sidecar.

    Attributes:
        settings: as read.
        clock: wall clock and boot clock.
        flags: as set.
        reading: limits that answer decisions on the event loop; its connection is never held by a writer.
        writing: limits for everything else, called through ``workers``.
        workers: where waiting is done.
        background: threads for scrapes and the replay, which must not stand in a run's way.
        authenticator: who asks.
        gate: requests under way.
        metrics: counters.
        log: structured log.
        violations: the standing replay.
        contracts: the registry of contracts.
        audit: the node's audit log; ``audit.log.append`` is the door to it.
        retention: forgets old events.
        readiness: whether the stores take what they are asked to keep.
        tracing: spans of sampled requests; None when it is off.
        edge: edge policy; None for none.
        closing: undoes the wiring, last part first.
    """

    settings: Settings
    clock: SystemClock
    flags: StoredFlags
    reading: BlockingLimits
    writing: BlockingLimits
    workers: Workers
    background: Workers
    authenticator: Authenticator
    gate: Gate
    metrics: Metrics
    log: Log
    violations: ViolationWatch
    contracts: ContractRegistry
    audit: AuditTrail
    tracing: Tracing | None
    readiness: Readiness
    retention: Retention
    edge: EdgeService | None
    closing: tuple[Callable[[], object], ...]

    async def accounted(self) -> None:
        """Enter what was just changed in the audit log, so that whoever is answered next may rely on it.

        Behind a long backlog, as after the first start on an old store, it is entered in its turn instead.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENTERED_SECONDS):
                await self.background.run(self.audit.follow)

    def step(self, span: Span | None, name: str) -> AbstractContextManager[Span | None]:
        """A step of a traced request; nothing for one that is not."""
        return nullcontext() if span is None or self.tracing is None else self.tracing.within(span, name)

    def close(self) -> None:
        """Stop threads, close stores."""
        for close in reversed(self.closing):
            close()
