"""What operators and their tools ask for: liveness, readiness, metrics, the API's own description."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec

from maestro.kernel.errors import PortError
from maestro_sidecar.context import Context
from maestro_sidecar.endpoint import Operation
from maestro_sidecar.messages import Answer, Request, json_answer
from maestro_sidecar.refusals import RefusedError

__all__ = ["OPERATIONS"]

_READY_SECONDS = 2.0
_NO_STORE = (b"cache-control", b"no-store")


class Status(msgspec.Struct, frozen=True):
    """How the sidecar is."""

    status: str


async def livez(request: Request, _context: Context) -> Answer:
    """The process answers."""
    request.query(())
    return json_answer(200, Status("alive"), _NO_STORE)


async def readyz(request: Request, context: Context) -> Answer:
    """The stores answer and take a write, and nothing is being stopped."""
    request.query(())
    if context.gate.draining:
        raise RefusedError("draining", retry_after=1)
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await context.background.run(context.readiness.require)
    except TimeoutError as error:
        raise PortError(f"The store did not answer within {_READY_SECONDS:g} s.") from error
    return json_answer(200, Status("ready"), _NO_STORE)


async def metrics(request: Request, context: Context) -> Answer:
    """The figures for Prometheus, rendered in a thread: some are asked of the store."""
    request.identity.require("operator", "runner")
    accept = request.text_header(b"accept") or ""
    text, media_type = await context.background.run(partial(context.metrics.exposition, accept))
    return Answer(200, text, ((b"content-type", media_type.encode()), _NO_STORE))


async def openapi(request: Request, _context: Context) -> Answer:
    """This API's description; its module is loaded when first asked for, to keep the start lean."""
    from maestro_sidecar.openapi import document_text

    request.query(())
    return json_answer(200, document_text().encode())


OPERATIONS = (
    Operation("GET", "/livez", "livez", livez, "The process answers.", answers={200: Status}),
    Operation(
        "GET",
        "/readyz",
        "readyz",
        readyz,
        "The stores answer and take a write, and the sidecar is not stopping.",
        answers={200: Status},
        problems={
            503: (
                "draining",
                "port_failed",
                "store_full",
                "store_read_only",
                "store_busy",
                "store_unreachable",
            )
        },
    ),
    Operation(
        "GET",
        "/metrics",
        "metrics",
        metrics,
        "Prometheus metrics.",
        scopes="operator, runner",
        answers={200: str},
    ),
    Operation(
        "GET",
        "/openapi.json",
        "openapi",
        openapi,
        "This document.",
        scopes="any",
        answers={200: dict[str, Any]},
    ),
)
