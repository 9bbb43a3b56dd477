"""What the experiments of several drills name: is it ready, does normal traffic pass, was anything wrong."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from maestro.limits.replay import Replay
from maestro_sidecar.gameday.client import Answer, Client
from maestro_sidecar.gameday.stage import Stage, current

__all__ = [
    "CALM",
    "PACKAGE",
    "Holders",
    "at_once",
    "faults",
    "mark_answer",
    "normal_traffic",
    "proof",
    "ready",
    "violations",
]

CALM = "calm"
"""A tenant that nothing is done to: its traffic is what normal looks like."""
PACKAGE = "drill/etl"


def ready() -> bool:
    """Whether every sidecar says that it is ready."""
    return all(sidecar.ready() == 200 for sidecar in current().parts.sidecars)


def normal_traffic() -> bool:
    """Whether a run of a tenant without limits is admitted, and gives its slot back."""
    stage = current()
    for sidecar in stage.parts.sidecars:
        stage.count("calm runs")
        held = sidecar.client.acquire(CALM, PACKAGE, f"calm-{stage.figures['calm runs']}", 30)
        mark_answer(stage, held)
        if held.status != 201 or sidecar.client.release(CALM, held).status != 204:
            return False
    return True


def faults() -> int:
    """How many answers or counts were not as promised."""
    return len(current().faults)


def violations() -> int:
    """How many admissions a replay of the event log denies: the drill's own reading of the store, after the fact."""
    stage = current()
    found = admitted = 0
    for sidecar in stage.parts.sidecars:
        replay = Replay()
        for event in sidecar.events():
            replay.feed(event)
        found += replay.violated
        admitted += replay.admitted
        for violation in replay.violations:
            words = f"replay: {violation.tenant}/{violation.run}: {violation.explanation}"
            if words not in stage.faults:
                stage.fault(words, violation=True)
    stage.figures["admissions replayed"] = admitted
    stage.figures["violations by replay"] = found
    return found


def proof(*, injected: bool, why: str, **seen: Any) -> dict[str, Any]:
    """The answer of a probe that proves the fault."""
    return {"injected": injected, **({} if injected else {"why": why}), **seen}


def mark_answer(stage: Stage, answer: Answer) -> None:
    """Enter an answer to an acquire into the timeline."""
    if answer.status in {200, 201}:
        stage.mark("admitted")
    elif answer.status in {403, 429}:
        stage.mark("denied")
    else:
        stage.mark("unavailable")


def at_once(work: Callable[[int], object], count: int, threads: int = 8) -> None:
    """Do a piece of work so many times, several at once. The first exception is raised when all have ended."""
    with ThreadPoolExecutor(threads, "drill") as pool:
        for done in [pool.submit(work, number) for number in range(count)]:
            done.result()


class Holders:
    """Who runs now, counted by the drill itself and not by the store: never more than the cap.

    Args:
        stage: where a breach is told.
        cap: of each tenant.

    Attributes:
        most: the most of a tenant at once so far.
        runs: how many there were.
        points: seconds from the start, and how many of the tenant whose run began or ended.
    """

    def __init__(self, stage: Stage, cap: int) -> None:
        self._stage = stage
        self._cap = cap
        self._live: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.most = self.runs = 0
        self.points: list[tuple[float, int]] = []

    def run(self, client: Client, tenant: str, run: str, seconds: float) -> Answer:
        """Take a slot, work, give it back; the answer to the first."""
        held = client.acquire(tenant, PACKAGE, run, 30)
        mark_answer(self._stage, held)
        if held.status != 201:
            return held
        self.begins(tenant)
        self._stage.pause(seconds)
        self.ends(tenant)
        client.release(tenant, held)
        return held

    def begins(self, tenant: str) -> None:
        """A run that got its slot is at work."""
        self.runs += 1
        self._change(tenant, 1)

    def ends(self, tenant: str) -> None:
        """It is over; its slot is given back after this, never before."""
        self._change(tenant, -1)

    def _change(self, tenant: str, by: int) -> None:
        with self._lock:
            self._live[tenant] += by
            live = self._live[tenant]
            self.most = max(self.most, live)
            self.points.append((self._stage.seconds(), live))
        if by > 0 and live > self._cap:
            self._stage.fault(f"{live} runs of {tenant} at once under a cap of {self._cap}", violation=True)
