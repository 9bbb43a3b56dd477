"""Waiting for a slot over HTTP: as long as was asked, while the client is there and the sidecar is not stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from maestro.limits.decision import Decision
from maestro.runtime.slots import Slot
from maestro_sidecar.context import Context, Gate
from maestro_sidecar.messages import DisconnectedError, Request

__all__ = ["patiently"]

_LOOK_SECONDS = 0.25
"""How often a waiter looks whether the sidecar stops."""


async def patiently(
    request: Request,
    context: Context,
    claimed: tuple[str, str, str],
    attempt: Callable[[], Slot | Decision],
    seconds: float,
) -> Slot | Decision:
    """Wait for a slot; see ``BlockingLimits.acquire``. No thread is held while nothing can be done.

    With as many waiting as may, and while the sidecar stops, the first answer is the last.

    Args:
        request: whose client waits; its body has been read.
        context: parts of the sidecar.
        claimed: tenant, run, package.
        attempt: takes the slot, or says why not.
        seconds: how long to wait at most.

    Raises:
        DisconnectedError: the client went away; it holds nothing.
    """
    gate = context.gate
    if gate.waiting >= context.settings.server.max_waiting:
        return await context.workers.run(attempt)
    rung, loop = asyncio.Event(), asyncio.get_running_loop()

    def bell() -> None:
        loop.call_soon_threadsafe(rung.set)

    waiting = context.writing.waiting(claimed, attempt, seconds, bell)
    gone = asyncio.ensure_future(request.gone())
    gate.waiting += 1
    try:
        while isinstance(answer := await context.workers.run(waiting.step), float):
            await _pause(answer, rung, gone, gate)
            rung.clear()
            if gone.done():
                raise DisconnectedError
            if gate.draining:
                waiting.hurry()
        if gone.done() and isinstance(answer, Slot):
            await context.workers.run(answer.release)
            raise DisconnectedError
        return answer
    finally:
        gate.waiting -= 1
        gone.cancel()
        await context.workers.run(waiting.close)


async def _pause(seconds: float, rung: asyncio.Event, gone: asyncio.Future[None], gate: Gate) -> None:
    """Until it rings, the client goes, the sidecar stops, or the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    ring = asyncio.ensure_future(_rung(rung))
    try:
        while not (ring.done() or gone.done() or gate.draining) and (left := until - loop.time()) > 0:
            await asyncio.wait(
                {ring, gone}, timeout=min(left, _LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED
            )
    finally:
        ring.cancel()


async def _rung(rung: asyncio.Event) -> None:
    await rung.wait()
