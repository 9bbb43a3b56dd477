"""``/api/edge/…`` for operators, and ``/health`` as OPA answers it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct

from maestro.edge.record import Held, Incident, Pin, Record, Refused
from maestro.formats import strict_json
from maestro.kernel.errors import ConflictError
from maestro_sidecar.context import Context
from maestro_sidecar.endpoint import Operation, Parameter
from maestro_sidecar.messages import Answer, Request, json_answer
from maestro_sidecar.refusals import RefusedError

if TYPE_CHECKING:
    from maestro.runtime.edge import EdgeNode

__all__ = ["OPERATIONS", "EdgeStatus", "status_of"]

_NO_STORE = (b"cache-control", b"no-store")
_HEALTH_PARAMETERS = ("bundles", "plugins", "exclude-plugin")


class ClockFacts(Struct, rename="camel", frozen=True):
    """Trusted time, and how the wall clock stands to it."""

    trusted: datetime
    behind_seconds: float
    ahead_seconds: float


class SourceFacts(Struct, rename="camel", frozen=True):
    """How the source is: ``ordering: none`` and ``freshness: transport`` mean less protection."""

    ordering: str
    freshness: str
    last_poll: datetime | None
    failures: int
    trouble: str
    suppressed: bool
    penalty: float
    returns_at: datetime | None


class EdgeStatus(Struct, rename="camel", frozen=True):
    """How an edge is."""

    node: str
    state: str
    deciding: bool
    central: bool
    serving: Held | None = None
    candidate: Held | None = None
    earlier: tuple[Held, ...] = ()
    refused: tuple[Refused, ...] = ()
    high_water_revision: str = ""
    high_water_digest: str = ""
    pin: Pin | None = None
    incident: Incident | None = None
    swaps: int = 0
    untold: int = 0
    halted: str = ""
    clock: ClockFacts | None = None
    source: SourceFacts | None = None


class Pinning(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Which bundle is to decide, by its digest or revision."""

    bundle: Annotated[str, Meta(min_length=1, max_length=200)]


def status_of(context: Context) -> EdgeStatus:
    """How the edge of this sidecar is."""
    edge = context.edge
    if edge is None:
        raise RefusedError("not_found", "This sidecar has no edge policy.", remedy="Configure [edge].")
    node = edge.node
    if node is None:
        return EdgeStatus(edge.settings.node, "", deciding=edge.healthy(), central=True)
    record, now = node.record, node.clock.now()
    return EdgeStatus(
        node=node.name,
        state=record.state.value,
        deciding=edge.healthy(),
        central=edge.asks_central,
        serving=record.serving,
        candidate=record.candidate,
        earlier=record.earlier,
        refused=record.refused,
        high_water_revision="" if record.high is None else record.high.revision,
        high_water_digest="" if record.high is None else record.high.digest,
        pin=record.pin,
        incident=record.incident,
        swaps=record.swaps,
        untold=len(record.notes),
        halted=node.halted,
        clock=ClockFacts(now, **{_SNAKE[name]: value for name, value in node.clock.facts().items()}),
        source=_source(node, record, now),
    )


_SNAKE = {"behindSeconds": "behind_seconds", "aheadSeconds": "ahead_seconds"}


def _source(node: EdgeNode, record: Record, now: datetime) -> SourceFacts:
    damping = record.damping.decayed(now, node.rules.damping)
    free = damping.lets_return(now, node.rules.damping)
    return SourceFacts(
        ordering=node.source_rules.ordering,
        freshness=node.source_rules.freshness,
        last_poll=node.last_poll,
        failures=node.failures,
        trouble=node.trouble,
        suppressed=damping.suppressed,
        penalty=round(damping.penalty, 1),
        returns_at=None if free else damping.returns_at(now, node.rules.damping),
    )


async def status(request: Request, context: Context) -> Answer:
    """How the edge is."""
    request.identity.require("operator", "runner")
    request.query(())
    return json_answer(200, await context.background.run(partial(status_of, context)), _NO_STORE)


async def refresh(request: Request, context: Context) -> Answer:
    """Ask the source now."""
    request.identity.require("operator", "publisher")
    request.query(())
    pump = None if context.edge is None else context.edge.pump
    if pump is None:
        raise RefusedError("not_found", "This sidecar fetches no bundles.", remedy="Configure [edge.source].")
    pump.refresh()
    return Answer(202, headers=(_NO_STORE,))


async def pin(request: Request, context: Context) -> Answer:
    """Have one of the held bundles decide until the pin is taken away."""
    request.identity.require("operator")
    request.query(())
    wanted = strict_json.decode(await request.json_body(), Pinning)
    return await _changed(context, lambda node: node.pin(wanted.bundle, request.identity.name))


async def unpin(request: Request, context: Context) -> Answer:
    """Let the newest bundle decide again."""
    request.identity.require("operator")
    request.query(())
    return await _changed(context, lambda node: node.unpin(request.identity.name))


async def clock_reset(request: Request, context: Context) -> Answer:
    """Believe the wall clock, though it shows less time than the edge has seen."""
    request.identity.require("operator")
    request.query(())
    return await _changed(context, lambda node: node.reset_clock(request.identity.name))


async def _changed(context: Context, change: Callable[[EdgeNode], None]) -> Answer:
    node = None if context.edge is None else context.edge.node
    if node is None:
        raise ConflictError("This sidecar has no edge of its own.", remedy="Configure [edge.source].")
    await context.background.run(partial(change, node))
    context.log.info("edge_changed", state=node.record.state.value)
    return json_answer(200, await context.background.run(partial(status_of, context)), _NO_STORE)


async def health(request: Request, context: Context) -> Answer:
    """Whether the sidecar answers; with ``?bundles`` whether a bundle decides. As OPA's, and asked without a token."""
    query = request.query(_HEALTH_PARAMETERS)
    asks = "bundles" in query and query["bundles"].lower() in {"", "true", "1"}
    edge = context.edge
    if asks and (edge is None or not await context.background.run(edge.healthy)):
        return json_answer(500, {"error": "no trusted bundle is active"}, _NO_STORE)
    return json_answer(200, dict[str, Any](), _NO_STORE)


OPERATIONS = (
    Operation(
        "GET",
        "/health",
        "health",
        health,
        "As OPA's health: with ?bundles it tells whether a trusted bundle decides.",
        parameters=(
            Parameter("bundles", "query", "Ask for the bundle too."),
            Parameter("plugins", "query", "Taken for compatibility; there are none."),
            Parameter("exclude-plugin", "query", "Taken for compatibility; there are none."),
        ),
        answers={200: dict[str, Any], 500: dict[str, str]},
        problems={400: ("bad_input",)},
    ),
    Operation(
        "GET",
        "/api/edge/status",
        "get-edge-status",
        status,
        "What decides, what waits, what was refused, and until when.",
        scopes="operator, runner",
        answers={200: EdgeStatus},
        problems={404: ("not_found",)},
    ),
    Operation(
        "POST",
        "/api/edge/refresh",
        "refresh-edge",
        refresh,
        "Ask the source now. A hint only: what comes is verified as ever.",
        scopes="operator, publisher",
        answers={202: None},
        problems={404: ("not_found",)},
    ),
    Operation(
        "PUT",
        "/api/edge/pin",
        "put-edge-pin",
        pin,
        "Have one of the held bundles decide until the pin is taken away.",
        scopes="operator",
        body=Pinning,
        answers={200: EdgeStatus},
        problems={409: ("conflict",), 503: ("port_failed",)},
    ),
    Operation(
        "DELETE",
        "/api/edge/pin",
        "delete-edge-pin",
        unpin,
        "Let the newest bundle decide again.",
        scopes="operator",
        answers={200: EdgeStatus},
        problems={409: ("conflict",), 503: ("port_failed",)},
    ),
    Operation(
        "POST",
        "/api/edge/clock-reset",
        "reset-edge-clock",
        clock_reset,
        "Believe the wall clock, though it shows less time than the edge has seen.",
        scopes="operator",
        answers={200: EdgeStatus},
        problems={409: ("conflict",), 503: ("port_failed",)},
    ),
)
