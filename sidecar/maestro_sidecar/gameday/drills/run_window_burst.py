"""A burst outside the run window: all of it is denied with the right advice; then the window opens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from maestro.kernel.instants import format_instant
from maestro.ops.promises import closed_fault, wait_fault
from maestro_sidecar.gameday.client import Client
from maestro_sidecar.gameday.common import PACKAGE, Holders, at_once, mark_answer, proof
from maestro_sidecar.gameday.sidecars import Sidecar
from maestro_sidecar.gameday.stage import Stage, current

__all__ = [
    "burst",
    "follow_advice",
    "needs",
    "open_windows",
    "prepare",
    "prove_burst",
    "shut_windows",
    "traffic",
]

ZONES = {"phoenix": "America/Phoenix", "kolkata": "Asia/Kolkata", "zulu": "UTC"}
"""Tenants and zones; none of them changes its offset, so the wall clock of the drill is never in doubt."""
SHUT = "windows shut"
_EDGE_SECONDS = 1.0
"""A client may be this late after the instant of opening."""


@attrs.define
class Parts:
    """One sidecar, and when its windows open."""

    sidecars: tuple[Sidecar, ...]
    opens: datetime
    sent: int = 0
    late: int = 0


def needs(_configuration: Mapping[str, Any]) -> None:
    """Nothing but this package."""


def prepare(stage: Stage, configuration: Mapping[str, Any]) -> Parts:
    """Start the sidecar, with windows that are open and a cap a tenant."""
    parts = Parts((Sidecar(stage),), stage.now())
    for tenant in ZONES:
        parts.sidecars[0].put("windows", {"tenant": tenant})
        parts.sidecars[0].put("package-caps", {"tenant": tenant, "maxConcurrent": configuration["cap"]})
    return parts


def shut_windows(configuration: Mapping[str, Any]) -> str:
    """Give each tenant a window of an hour by its own wall clock, that opens some seconds from now."""
    stage, parts = current(), current().parts
    opens = stage.now() + timedelta(seconds=configuration["opensIn"])
    parts.opens = opens.replace(microsecond=0) + timedelta(seconds=1)
    for tenant, zone in ZONES.items():
        start = parts.opens.astimezone(ZoneInfo(zone))
        window = {"start": f"{start:%H:%M:%S}", "end": f"{start + timedelta(hours=1):%H:%M:%S}"}
        document = {"tenant": tenant, "timezone": zone, "allowedWindows": [window]}
        parts.sidecars[0].put("windows", document)
    stage.fault_begins(SHUT)
    return f"open at {format_instant(parts.opens)}"


def burst(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for many slots outside the window; each deny must tell the very second of opening."""
    stage, parts = current(), current().parts
    tenants, client = list(ZONES), parts.sidecars[0].client

    def ask(number: int) -> None:
        answer = client.acquire(tenants[number % len(tenants)], PACKAGE, f"burst-{number}", 5)
        mark_answer(stage, answer)
        if stage.now() >= parts.opens:
            stage.count("burst requests answered too late to count")
            return
        fault = closed_fault(answer.status, answer.retry_after, answer.document, parts.opens)
        if fault:
            stage.fault(f"burst-{number}: {fault}", violation=answer.status in {200, 201})
        else:
            stage.count("burst requests denied with the right advice")

    before = stage.seconds()
    at_once(ask, configuration["requests"])
    seconds = stage.seconds() - before
    stage.figures["burst requests a second"] = round(configuration["requests"] / seconds)
    return {"requests": configuration["requests"], "seconds": round(seconds, 3)}


def prove_burst(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the burst came while the windows were shut, by the sidecar's own counters of requests."""
    stage, parts = current(), current().parts
    late = stage.figures.get("burst requests answered too late to count", 0)
    shut = parts.sidecars[0].client.ask("GET", f"/api/limits/windows?tenant={next(iter(ZONES))}").document
    answered = parts.sidecars[0].metric("mc_http_requests_total", 'route="/api/limits/runs"')
    injected = late == 0 and answered >= configuration["requests"] and bool(shut.get("allowedWindows"))
    why = f"{late} of {configuration['requests']} requests came after the opening, or the windows were never shut"
    return proof(injected=injected, why=why, answered=answered, late=late)


def follow_advice() -> dict[str, Any]:
    """Denied a second before the opening, admitted at it; and who waits as advised is let in at once."""
    stage, parts = current(), current().parts
    client = parts.sidecars[0].client
    for tenant in ZONES:
        for second, allowed in ((-1, False), (0, True)):
            ts = format_instant(parts.opens + timedelta(seconds=second))
            asked = {"tenant": tenant, "package": PACKAGE, "ts": ts}
            verdict = client.ask("POST", "/api/limits/decisions", asked).document
            if verdict["allowed"] is not allowed:
                stage.fault(f"{tenant} at {ts}: allowed is {verdict['allowed']}")
            if not allowed and (fault := wait_fault("1", verdict, 1)):
                stage.fault(f"{tenant} at {ts}: {fault}")
    stage.pause((parts.opens - stage.now()).total_seconds())
    stage.fault_ends(SHUT)
    waited = {}
    for tenant in ZONES:
        if not stage.wait_until(lambda name=tenant: _enters(stage, name), _EDGE_SECONDS):  # type: ignore[misc]  # mypy infers no lambda with a default
            stage.fault(f"{tenant} was not let in within {_EDGE_SECONDS:g} s of the opening")
        waited[tenant] = round((stage.now() - parts.opens).total_seconds(), 3)
    stage.figures["let in after the opening, seconds"] = max(waited.values())
    return waited


def traffic(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Normal traffic within the window, more than the cap takes at once: all get in, never more than the cap."""
    stage, parts = current(), current().parts
    holders = Holders(stage, configuration["cap"])
    tenants, client = list(ZONES), parts.sidecars[0].client

    def run(number: int) -> None:
        tenant = tenants[number % len(tenants)]

        def admitted() -> bool:
            answer = holders.run(client, tenant, f"normal-{number}", 0.02)
            if answer.status == 429 and answer.document["code"] != "tenant_cap":
                stage.fault(f"normal-{number}: denied for {answer.document['code']} within the window")
            return answer.status == 201

        if stage.wait_until(admitted, 30, 0.05):
            stage.count("normal runs admitted")
        else:
            stage.fault(f"normal-{number} was never admitted")

    at_once(run, configuration["runs"], 3 * (configuration["cap"] + 2))
    stage.figures["most runs of a tenant at once"] = holders.most
    stage.figures["cap of a tenant"] = configuration["cap"]
    return {"admitted": stage.figures.get("normal runs admitted", 0), "most": holders.most}


def open_windows() -> None:
    """Take the windows away again."""
    stage = current()
    stage.fault_ends(SHUT)
    for tenant in ZONES:
        stage.parts.sidecars[0].put("windows", {"tenant": tenant})


def _enters(stage: Stage, tenant: str) -> bool:
    client: Client = stage.parts.sidecars[0].client
    held = client.acquire(tenant, PACKAGE, f"first-{tenant}", 30)
    mark_answer(stage, held)
    return held.status == 201 and client.release(tenant, held).status == 204
