"""Decisions without taking, and runs' slots: take, renew, release."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from maestro.formats import problems, strict_json
from maestro.kernel.errors import BadInputError, ConflictError
from maestro.kernel.names import require_package, require_run, require_tenant
from maestro.limits.decision import Decision, encode_decision
from maestro.limits.reasons import DenyReason
from maestro.limits.request import DecisionRequest, parse_request
from maestro.ports.leases import MAX_SECONDS, Lease, Release
from maestro.runtime.blocking import DEFAULT_TTL, LONGEST_TTL
from maestro.runtime.slots import Slot
from maestro_sidecar.auth import Identity
from maestro_sidecar.context import Context
from maestro_sidecar.endpoint import Operation, Parameter
from maestro_sidecar.messages import Answer, Request, entity_tags, json_answer, quoted
from maestro_sidecar.refusals import RefusedError
from maestro_sidecar.waiting import patiently

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["DECISIONS", "OPERATIONS", "judged"]

DECISIONS = "/api/limits/decisions"
_UNKNOWN_RETRY = 30
"""``Retry-After`` of limits_unavailable when the store cannot say when it will be back."""
LONGEST_WAIT = 60.0
"""Seconds; less than what proxies and clients commonly allow an answer to take."""
_TOKEN = re.compile(r"[1-9]\d{0,17}", re.ASCII)
_NO_STORE = (b"cache-control", b"no-store")

Ttl = Annotated[float, Meta(gt=0, le=LONGEST_TTL.total_seconds())]


class RunRequest(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Asks for a slot.

    Attributes:
        run: its id, unique within the tenant; asking again with it gives the same slot.
        package: what it runs.
        tenant: whose run; only needed when the token does not tell.
        ttl_seconds: how long the slot is held without renewal.
        expected_seconds: how long the run will take.
        wait_seconds: how long the answer may wait for a slot, or for a window that opens in time. Those who wait for
            a tenant's slots are served in the order they came.
    """

    run: str
    package: str
    tenant: str | UnsetType = UNSET
    ttl_seconds: Ttl = DEFAULT_TTL.total_seconds()
    expected_seconds: Annotated[float, Meta(ge=0, le=MAX_SECONDS)] | UnsetType = UNSET
    wait_seconds: Annotated[float, Meta(ge=0, le=LONGEST_WAIT)] = 0.0


class RenewRequest(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Holds the slot for this long from now."""

    ttl_seconds: Ttl = DEFAULT_TTL.total_seconds()


class RunLease(Struct, rename="camel", frozen=True):
    """A slot that is held.

    Attributes:
        tenant: whose run.
        run: its id.
        package: what it runs.
        token: fencing token, also the ETag; null when the run was admitted by the last known document while the
            store is down, so that nothing is held, renewed or released.
        ttl_seconds: granted at the last acquire or renewal.
        remaining_seconds: left at the moment of the answer.
        acquired_at: when it was taken.
        policy_revision: of the limits that admitted it.
        expected_seconds: as asked for.
        decision: the verdict; not on renewal.
    """

    tenant: str
    run: str
    package: str
    token: int | None
    ttl_seconds: float
    remaining_seconds: float
    acquired_at: datetime
    policy_revision: str
    expected_seconds: float | UnsetType = UNSET
    decision: Decision | UnsetType = UNSET


def judged(asked: DecisionRequest, identity: Identity, context: Context, span: Span | None = None) -> bytes:
    """The decision as JSON text. What the hot route and the ordinary one share.

    Raises:
        RefusedError: ``not_allowed``.
    """
    tenant = asked.tenant
    if not identity.everyone and tenant not in identity.tenants:
        identity.require_tenant(tenant, "runner", "operator")
    ts, expected = asked.ts, asked.expected_seconds
    with context.step(span, "limits.decide") as step:
        decision = context.reading.judge(
            tenant,
            asked.package,
            context.clock.now() if ts is UNSET else ts,
            None if expected is UNSET else expected,
        )
        if step is not None:
            _tell(step, tenant, asked.package, decision)
    if decision.denies or decision.shadow_denies:
        context.metrics.count(tenant, decision)
    return encode_decision(decision)


async def decide(request: Request, context: Context) -> Answer:
    """Judge without taking: 200 whatever the verdict."""
    request.query(())
    asked = parse_request(await request.json_body())
    if context.settings.store.waits:
        body = await context.workers.run(partial(judged, asked, request.identity, context, request.span))
    else:
        body = judged(asked, request.identity, context, request.span)
    return json_answer(200, body)


async def acquire(request: Request, context: Context) -> Answer:
    """Take a slot for a run, or learn why not."""
    request.query(())
    asked = strict_json.decode(await request.json_body(), RunRequest)
    require_run(asked.run)
    require_package(asked.package)
    named = None if asked.tenant is UNSET else require_tenant(asked.tenant)
    tenant = request.identity.own_tenant(named, "runner")
    attempt = context.writing.attempt(
        run=asked.run,
        tenant=tenant,
        package=asked.package,
        ttl=asked.ttl_seconds,
        expected=None if asked.expected_seconds is UNSET else asked.expected_seconds,
    )
    with context.step(request.span, "limits.acquire") as step:
        if asked.wait_seconds:
            claimed = (tenant, asked.run, asked.package)
            answer = await patiently(request, context, claimed, attempt, asked.wait_seconds)
        else:
            answer = await context.workers.run(attempt)
        decision = answer.decision if isinstance(answer, Slot) else answer
        if step is not None:
            _tell(step, tenant, asked.package, decision)
    context.metrics.count(tenant, decision)
    if isinstance(answer, Decision):
        return _denied(answer)
    if answer.lease is None:
        return json_answer(200, _without_lease(tenant, asked, decision), _NO_STORE)
    lease = msgspec.structs.replace(_told(answer.lease), decision=decision)
    return _leased(201 if answer.lease.created else 200, lease, answer.lease)


async def renew(request: Request, context: Context) -> Answer:
    """Hold the slot for another while."""
    tenant, run, token = _named(request)
    body = await request.json_body(optional=True)
    asked = strict_json.decode(body, RenewRequest) if body else RenewRequest()
    renewing = partial(context.writing.renew, tenant=tenant, run=run, token=token, ttl=asked.ttl_seconds)
    with context.step(request.span, "limits.renew"):
        answer = await context.workers.run(renewing)
    if answer is None:
        _lost(tenant, run)
    if isinstance(answer, Decision):
        context.metrics.count(tenant, answer)
        return _denied(answer)
    return _leased(200, _told(answer), answer)


async def release(request: Request, context: Context) -> Answer:
    """Give the slot back; twice is harmless."""
    tenant, run, token = _named(request)
    with context.step(request.span, "limits.release"):
        found = await context.workers.run(
            partial(context.writing.release, tenant=tenant, run=run, token=token)
        )
    if found is Release.STALE:
        _lost(tenant, run)
    return Answer(204)


def _tell(step: Span, tenant: str, package: str, decision: Decision) -> None:
    """What somebody who looks at a trace wants to know of the verdict."""
    step.set_attributes(
        {
            "maestro.tenant": tenant,
            "maestro.package": package,
            "maestro.allowed": decision.allowed,
            "maestro.reasons": [str(deny.reason) for deny in decision.denies],
            "maestro.policy_revision": decision.policy_revision,
        }
    )


def _named(request: Request) -> tuple[str, str, int]:
    """Tenant, run and fencing token of a renewal or release."""
    query = request.query(("tenant",))
    run = require_run(request.path_parameters["run"])
    named = require_tenant(query["tenant"]) if "tenant" in query else None
    tenant = request.identity.own_tenant(named, "runner")
    match = request.text_header(b"if-match")
    if match is None:
        raise RefusedError("precondition_required")
    tags = entity_tags(match, "If-Match")
    if tags is None:
        raise BadInputError(
            "must name the lease.",
            field="If-Match",
            value=match,
            remedy="Send the ETag you were given: * would end another holder's lease.",
        )
    tokens = [int(tag) for tag in tags if _TOKEN.fullmatch(tag)]
    if len(tokens) != 1:
        _lost(tenant, run)
    return tenant, run, tokens[0]


def _lost(tenant: str, run: str) -> NoReturn:
    raise ConflictError(
        f"Run {run} of {tenant} does not hold its slot under this token any more.",
        code="lease_lost",
        remedy="Stop the run; acquire anew.",
    )


def _leased(status: int, body: RunLease, lease: Lease) -> Answer:
    return json_answer(status, body, (b"etag", quoted(lease.token)), _NO_STORE)


def _told(lease: Lease) -> RunLease:
    return RunLease(
        lease.tenant,
        lease.run,
        lease.package,
        lease.token,
        lease.ttl,
        lease.remaining,
        lease.acquired_at,
        lease.revision,
        UNSET if lease.expected is None else lease.expected,
    )


def _without_lease(tenant: str, asked: RunRequest, decision: Decision) -> RunLease:
    return RunLease(
        tenant,
        asked.run,
        asked.package,
        None,
        0.0,
        0.0,
        decision.evaluated_at,
        decision.policy_revision,
        asked.expected_seconds,
        decision,
    )


def _denied(decision: Decision) -> Answer:
    """429 when waiting helps, 403 when it does not, 503 when nobody can tell; the decision is in the problem."""
    reasons = [deny.reason for deny in decision.denies]
    retry_after = decision.retry_after
    if DenyReason.LIMITS_UNAVAILABLE in reasons:
        status, retry_after = 503, retry_after or _UNKNOWN_RETRY
    else:
        status = 403 if retry_after is None else 429
    document = problems.problem(status, reasons[0], decision.explanation, remedy=reasons[0].remedy)
    document.update(msgspec.to_builtins(decision))
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), _NO_STORE]
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, retry_after)))
    return Answer(status, msgspec.json.encode(document), tuple(headers))


_DENIED = tuple(
    reason
    for reason in DenyReason
    if reason not in {DenyReason.LIMITS_UNAVAILABLE, DenyReason.POLICY_HORIZON}
)
_RUN = Parameter("run", "path", "The run's id.", required=True)
_WHOSE = Parameter("tenant", "query", "Whose run; only needed when the token does not tell.")
_ETAG = Annotated[str, Meta(pattern='^"[1-9][0-9]{0,17}"$')]
_IF_MATCH = Parameter(
    "If-Match", "header", "The lease's ETag: its fencing token.", required=True, shape=_ETAG
)
_WHO = "tenant:<id> of the tenant, runner"

OPERATIONS = (
    Operation(
        "POST",
        DECISIONS,
        "decide",
        decide,
        "May this run start now (or at ts), and if not, why and when? Takes nothing; 200 whatever the verdict.",
        scopes="tenant:<id> of the tenant, runner, operator",
        body=DecisionRequest,
        answers={200: Decision},
    ),
    Operation(
        "POST",
        "/api/limits/runs",
        "acquire-run",
        acquire,
        "Take a slot for a run. The run's id makes it idempotent: asked again, the same slot is answered (200).",
        scopes=_WHO,
        body=RunRequest,
        parameters=(
            Parameter("Idempotency-Key", "header", "Accepted and not needed: the run's id does its work."),
        ),
        answers={200: RunLease, 201: RunLease},
        problems={
            403: _DENIED,
            409: ("run_package_conflict",),
            429: _DENIED,
            503: ("limits_unavailable",),
        },
        tagged=True,
    ),
    Operation(
        "POST",
        "/api/limits/runs/{run}/renew",
        "renew-run",
        renew,
        "Hold the slot for ttlSeconds from now.",
        scopes=_WHO,
        body=RenewRequest,
        body_optional=True,
        parameters=(_RUN, _WHOSE, _IF_MATCH),
        answers={200: RunLease},
        problems={
            403: ("outside_run_window", "closure"),
            412: ("lease_lost",),
            428: ("precondition_required",),
            429: ("outside_run_window", "closure"),
        },
        tagged=True,
    ),
    Operation(
        "DELETE",
        "/api/limits/runs/{run}",
        "release-run",
        release,
        "Give the slot back. Doing it twice is harmless.",
        scopes=_WHO,
        parameters=(_RUN, _WHOSE, _IF_MATCH),
        answers={204: None},
        problems={412: ("lease_lost",), 428: ("precondition_required",)},
    ),
)
