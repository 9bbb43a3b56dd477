"""A service with Maestro in it: asyncio, everything in memory. Renewal runs beside the event loop, never in it."""

import asyncio

from maestro.limits.decision import Decision
from maestro.runtime import Limits
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases


async def handle(limits: Limits, run: str) -> str:
    """One request: it runs at once, or its caller learns when to come back."""
    answer = await limits.acquire(run=run, tenant="acme", package="reports/daily", expected=0.2)
    if isinstance(answer, Decision):
        return f"{run}: try again in {answer.retry_after} s. {answer.explanation}"
    async with answer as slot:
        await asyncio.sleep(0.2)  # the work
        return f"{run}: {'lost its slot' if slot.lost else 'done'}"


async def main() -> None:
    """Five requests at once, of which two may run."""
    async with Limits(InProcessLeases(), SystemClock(), InProcessDocuments()) as limits:
        await limits.put({"tenant": "acme", "maxConcurrent": 2}, by="examples/embed")
        for line in await asyncio.gather(*(handle(limits, f"request-{number}") for number in range(5))):
            print(line)


if __name__ == "__main__":
    asyncio.run(main())
