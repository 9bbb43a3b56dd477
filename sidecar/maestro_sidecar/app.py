"""The ASGI application: the gate, the hot decision route, then Starlette's router over one endpoint a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import Route, Router

from maestro_sidecar import audit, documents, edge_routes, operations, runs
from maestro_sidecar import flags as flags_paths
from maestro_sidecar.context import Context
from maestro_sidecar.contracts import operations as contract_operations
from maestro_sidecar.contracts.endpoint import ContractEndpoint
from maestro_sidecar.endpoint import UNMATCHED, Endpoint, Operation
from maestro_sidecar.hot import HotDecisions
from maestro_sidecar.messages import Receive, Request, Scope, Send, problem_answer
from maestro_sidecar.refusals import RefusedError

if TYPE_CHECKING:
    from maestro_sidecar.opa_api import DataApi

__all__ = ["OPERATIONS", "Application"]

OPERATIONS: Final[tuple[Operation, ...]] = (
    *runs.OPERATIONS,
    *documents.OPERATIONS,
    *audit.OPERATIONS,
    *edge_routes.OPERATIONS,
    *contract_operations.OPERATIONS,
    *flags_paths.OPERATIONS,
    *operations.OPERATIONS,
)
"""Every operation of the sidecar: what is routed, and what the OpenAPI document tells."""

_OPA: Final = "/v1/"
_DATA: Final = "/v1/data"
_ALWAYS = frozenset({"/livez", "/readyz", "/metrics"})
"""Answered also when too much is going on or the sidecar is stopping: that is when they are needed."""


class Application:
    """The sidecar as an ASGI application.

    Args:
        context: its parts.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._gate = context.gate
        endpoints = {
            path: _endpoint_of(path)(
                path, [operation for operation in OPERATIONS if operation.path == path], context
            )
            for path in dict.fromkeys(operation.path for operation in OPERATIONS)
        }
        self._router = Router(
            [Route(path, endpoint) for path, endpoint in endpoints.items()],
            redirect_slashes=False,
            default=self._not_found,
        )
        self._hot = HotDecisions(context, endpoints[runs.DECISIONS])
        self._data = _data_api(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _lifespan(scope, receive, send)
            return
        gate = self._gate
        path = scope["path"]
        if (gate.draining or gate.active >= gate.most) and path not in _ALWAYS:
            code = "draining" if gate.draining else "overloaded"
            error = RefusedError(code, retry_after=1, headers=((b"connection", b"close"),))
            await self._refuse(scope, receive, send, error)
            return
        gate.active += 1
        try:
            if path == runs.DECISIONS and scope["method"] == "POST":
                await self._hot(scope, receive, send)
            elif (
                self._data is not None
                and path.startswith(_DATA)
                and path[len(_DATA) : 1 + len(_DATA)] in {"", "/"}
            ):
                await self._data(scope, receive, send)
            else:
                await self._router(_undecoded(scope), receive, send)
        finally:
            gate.active -= 1

    async def _not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._refuse(scope, receive, send, RefusedError("not_found"))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, error: RefusedError) -> None:
        answer = problem_answer(error)
        if scope["path"].startswith(_OPA):
            from maestro_sidecar.opa_api import data_problem

            answer = data_problem(error)
        request = Request(scope, receive, most=0, seconds=0)
        self.context.metrics.answered(UNMATCHED, scope["method"], answer.status, 0.0)
        await answer.send(send, (b"x-request-id", request.request_id))


def _data_api(context: Context) -> DataApi | None:
    """Its module is loaded only where there is an edge, to keep the start lean."""
    if context.edge is None:
        return None
    from maestro_sidecar.opa_api import DataApi

    return DataApi(context, context.edge)


def _endpoint_of(path: str) -> type[Endpoint]:
    return ContractEndpoint if path.startswith(contract_operations.ROOT) else Endpoint


def _undecoded(scope: Scope) -> Scope:
    """Names of subjects may hold slashes, so the registry's paths are taken apart before they are unquoted."""
    if scope["path"].startswith(contract_operations.ROOT) and b"%" in scope.get("raw_path", b""):
        return {**scope, "path": scope["raw_path"].decode("ascii")}
    return scope


async def _lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """For servers other than ours, which want an answer; there is nothing to start that wiring has not started."""
    if scope["type"] != "lifespan":
        await send({"type": "websocket.close", "code": 1008})
        return
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})
