"""The store is lost for a while: no run is started, everybody is told when to try again, and it heals by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from maestro.kernel.errors import BadInputError
from maestro.ops.promises import unavailable_fault
from maestro_sidecar.gameday.client import Answer
from maestro_sidecar.gameday.common import CALM, PACKAGE, at_once, mark_answer, proof
from maestro_sidecar.gameday.faults import Cut, DiskFull, Fault, require_disk_fault
from maestro_sidecar.gameday.proxy import FaultProxy
from maestro_sidecar.gameday.servers import lend, require
from maestro_sidecar.gameday.sidecars import Sidecar
from maestro_sidecar.gameday.stage import Stage, current

__all__ = [
    "ask_meanwhile",
    "crash_holders",
    "find_store",
    "lose_store",
    "needs",
    "prepare",
    "prove_loss",
    "recover",
]

TENANT = "capped"
REFUSED = "requests refused with 503 and Retry-After"
STORES = ("sqlite", "redis", "postgres")
_RECOVERY_SECONDS = 5.0
_NOTICE_SECONDS = 5.0
_LEAK_SECONDS = 1.0
"""How much later than its ttl a crashed holder's slot may be back: the promise."""


@attrs.define
class Parts:
    """A sidecar, the fault of its store, and when the slots of crashed holders must be back."""

    sidecars: tuple[Sidecar, ...]
    fault: Fault
    not_before: float = 0.0
    not_after: float = 0.0
    versions: Mapping[str, str] = attrs.Factory(dict)


def needs(configuration: Mapping[str, Any]) -> None:
    """Raises BadInputError when the fault cannot be injected here."""
    if configuration["store"] not in STORES:
        raise BadInputError(
            "is no store of this drill.",
            field="--set store",
            value=configuration["store"],
            remedy=f"Use one of {', '.join(STORES)}.",
        )
    if configuration["store"] == "sqlite":
        require_disk_fault()
    else:
        require(configuration, configuration["store"])


def prepare(stage: Stage, configuration: Mapping[str, Any]) -> Parts:
    """Start the sidecar, with a tenant under a cap."""
    if configuration["store"] == "sqlite":
        sidecar = Sidecar(stage)
        parts = Parts((sidecar,), DiskFull(sidecar.pid))
    else:
        server = lend(stage, configuration, configuration["store"])
        proxy = FaultProxy(server.host, server.port)
        stage.at_end(proxy.close)
        between = server.through(proxy.port)
        stage.secrets[between.address] = f"<{server.kind}>"
        sidecar = Sidecar(stage, servers=(between,))
        parts = Parts((sidecar,), Cut(proxy), versions={server.kind: server.version()})
    stage.at_end(parts.fault.lift)
    sidecar.put("package-caps", {"tenant": TENANT, "maxConcurrent": configuration["cap"]})
    return parts


def crash_holders(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Take every slot of the tenant and forget about it, as holders do that die."""
    stage, parts = current(), current().parts
    ttl, asked = configuration["ttlSeconds"], stage.seconds()
    for number in range(configuration["cap"]):
        answer = parts.sidecars[0].client.acquire(TENANT, PACKAGE, f"crashed-{number}", ttl)
        mark_answer(stage, answer)
        if answer.status != 201:
            stage.fault(f"crashed-{number} was answered {answer.status} below the cap")
    parts.not_before, parts.not_after = asked + ttl, stage.seconds() + ttl + _LEAK_SECONDS
    return {"held": configuration["cap"], "ttlSeconds": ttl}


def lose_store() -> str:
    """Put the fault in."""
    stage = current()
    stage.parts.fault.inject()
    stage.fault_begins(stage.parts.fault.label)
    return str(stage.parts.fault.label)


def ask_meanwhile(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for slots while there is no store: not one run is started, and each is told when to try again."""
    stage, parts = current(), current().parts
    client = parts.sidecars[0].client

    def ask(number: int) -> None:
        tenant = (TENANT, CALM)[number % 2]
        answer = client.acquire(tenant, PACKAGE, f"meanwhile-{number}", 5)
        mark_answer(stage, answer)
        fault = unavailable_fault(answer.status, answer.retry_after, answer.document)
        if tenant == TENANT and answer.status == 429 and answer.document["code"] == "tenant_cap":
            # A full disk can be read: that the cap is full is known, and true.
            stage.count("requests denied by a cap known to be full")
        elif fault:
            stage.fault(f"meanwhile-{number}: {fault}", violation=answer.status in {200, 201})
        else:
            stage.count(REFUSED)

    at_once(ask, configuration["requests"], 4)
    # It writes to find out, once a second at most while all is well.
    stage.wait_until(lambda: parts.sidecars[0].ready() == 503, _NOTICE_SECONDS)
    stage.figures["readyz while the store was lost"] = ready = parts.sidecars[0].ready()
    if ready != 503:
        stage.fault(f"readyz was {ready} while the store took nothing")
    return {"readyz": stage.figures["readyz while the store was lost"]}


def prove_loss() -> dict[str, Any]:
    """Whether the fault is there, by the word of the kernel or the proxy, and not by how the sidecar answers."""
    stage = current()
    seen = stage.parts.fault.proof()
    stage.figures["metrics while the store was lost"] = stage.parts.sidecars[0].scrape().status
    return proof(injected=seen.pop("injected"), why="the store was never lost", **seen)


def find_store() -> None:
    """Take the fault away."""
    stage = current()
    stage.parts.fault.lift()
    stage.fault_ends(stage.parts.fault.label)


def recover(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """It serves again by itself; the cap held meanwhile, and the slots of the crashed are back in time."""
    stage, parts = current(), current().parts
    client, found, cap = parts.sidecars[0].client, stage.seconds(), int(configuration["cap"])

    def served() -> bool:
        answer = client.acquire(CALM, PACKAGE, "again", 30)
        mark_answer(stage, answer)
        return answer.status in {200, 201}

    if not stage.wait_until(served, _RECOVERY_SECONDS):
        stage.fault(f"no run was admitted within {_RECOVERY_SECONDS:g} s after the store was back")
    stage.figures["admitting again after, seconds"] = round(stage.seconds() - found, 3)
    counted = parts.sidecars[0].metric("mc_window_denies_total", 'reason="limits_unavailable"')
    if counted < stage.figures.get(REFUSED, 0):
        stage.fault(f"the sidecar counted {counted} limits_unavailable, fewer than it answered")
    back: list[float] = []

    def freed() -> bool:
        answer = client.acquire(TENANT, PACKAGE, f"successor-{len(back)}", 30)
        _judge_early(stage, answer)
        if answer.status == 201:
            back.append(stage.seconds())
        return len(back) == cap

    stage.wait_until(freed, parts.not_after - stage.seconds())
    if len(back) < cap:
        stage.fault(f"{cap - len(back)} slots of crashed holders were not back in time")
    else:
        late = back[-1] - (parts.not_after - _LEAK_SECONDS)
        stage.figures["slots of crashed holders back after their ttl, seconds"] = round(late, 3)
    return {"slotsBack": len(back)}


def _judge_early(stage: Stage, answer: Answer) -> None:
    """A slot of a crashed holder is nobody else's before its ttl is over."""
    mark_answer(stage, answer)
    early = stage.seconds() < stage.parts.not_before
    if early and answer.status == 201:
        stage.fault("a slot was given away before its lease expired", violation=True)
    elif early:
        stage.count("requests denied by the cap that crashed holders filled")
