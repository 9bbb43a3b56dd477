"""``/v1/data/…`` as OPA serves it, so that clients of a central OPA change only the address (OPA's "Data API").

Straight on ASGI, since these are decisions. What differs from OPA is said in docs/reference/edge.md: bodies are strict
JSON, a token is asked for, and while nothing is trusted the answer is 503 and never 200 without a result.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from maestro.edge.decision_log import Told
from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError, MaestroError, PortError
from maestro.ports.policy import UNDEFINED, RulePath
from maestro.runtime.decisions import Decided
from maestro_sidecar.auth import Identity, check_origin
from maestro_sidecar.context import Context
from maestro_sidecar.edge_service import EdgeService
from maestro_sidecar.messages import Answer, DisconnectedError, Receive, Request, Scope, Send, json_answer
from maestro_sidecar.refusals import RefusedError

__all__ = ["ROOT", "DataApi", "data_problem"]

ROOT: Final = "/v1/data"
_ROUTE: Final = "/v1/data/{path}"
_TRUTHS: Final = frozenset({"pretty", "provenance", "metrics", "instrument", "strict-builtin-errors"})
_NO_STORE: Final = (b"cache-control", b"no-store")
_WARNING: Final = {
    "code": "api_usage_warning",
    "message": "'input' key missing from the request",
}
_CODES: Final[Mapping[int, str]] = {
    400: "invalid_parameter",
    401: "unauthorized",
    403: "unauthorized",
    404: "resource_not_found",
    405: "invalid_operation",
    500: "internal_error",
}


class DataApi:
    """The Data API.

    Args:
        context: parts of the sidecar.
        edge: what decides.
    """

    def __init__(self, context: Context, edge: EdgeService) -> None:
        self._context = context
        self._edge = edge
        self._server = context.settings.server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        started = self._context.clock.nanoseconds()
        server = self._server
        request = Request(scope, receive, most=server.max_body_bytes, seconds=server.request_timeout_seconds)
        try:
            answer = await self._answer(request, started)
        except DisconnectedError:
            return
        except MaestroError as error:
            answer = data_problem(error)
            if answer.status >= 500:
                self._context.log.warning("decision_failed", code=error.code, error=str(error))
        except Exception as error:  # noqa: BLE001 - the last line of defence; the client gets no trace of it
            self._failed(error)
            answer = data_problem(MaestroError("The sidecar failed; the fault is ours.", code="internal"))
        await answer.send(send, (b"x-request-id", request.request_id))
        seconds = (self._context.clock.nanoseconds() - started) / 1e9
        self._context.metrics.answered(_ROUTE, scope["method"], answer.status, seconds)

    def _failed(self, error: Exception) -> None:
        self._context.log.error("internal_error", route=_ROUTE, error=repr(error))

    async def _answer(self, request: Request, started: int) -> Answer:
        method = request.scope["method"]
        if method not in {"GET", "POST"}:
            raise RefusedError("method_not_allowed", headers=((b"allow", b"GET, POST"),))
        if self._context.authenticator.open_to_all and not request.over_socket:
            check_origin(request.header(b"host"), request.header(b"origin"), self._server.host)
        identity = self._context.authenticator.identify(
            request.header(b"authorization"), socket=request.over_socket
        )
        identity.require("operator", "runner")
        path, query = _path(request.scope), _query(request.scope)
        given, warns = _given(
            method, query.pop("input", None), await _body(request) if method == "POST" else b""
        )
        wanted = _wanted(query)
        decide = partial(self._edge.decide, path, given)
        decided = await self._context.background.run(decide) if self._edge.waits else decide()
        return self._told(identity, path, given, decided, (wanted, warns, started))

    def _told(
        self,
        identity: Identity,
        path: RulePath,
        given: Any,
        decided: Decided,
        facts: tuple[frozenset[str], bool, int],
    ) -> Answer:
        wanted, warns, started = facts
        document: dict[str, Any] = {}
        took = self._context.clock.nanoseconds() - started
        if self._edge.log is not None:
            document["decision_id"] = identifier = _decision_id()
            at = self._context.clock.now()
            self._edge.log.tell(
                lambda: Told(
                    decision_id=identifier,
                    path="/".join(path),
                    input=None if given is UNDEFINED else given,
                    result=None if decided.value is UNDEFINED else decided.value,
                    revision=decided.revision,
                    bundle=self._bundle,
                    digest=decided.digest,
                    requested_by=identity.name,
                    at=at,
                    nanoseconds=took,
                )
            )
        if decided.value is not UNDEFINED:
            document["result"] = decided.value
        if warns:
            document["warning"] = _WARNING
        if "provenance" in wanted:
            document["provenance"] = {"bundles": {self._bundle: {"revision": decided.revision}}}
        if "metrics" in wanted:
            document["metrics"] = {"timer_server_handler_ns": took}
        headers = (
            (_NO_STORE, (b"maestro-policy", decided.digest.encode())) if decided.digest else (_NO_STORE,)
        )
        if "pretty" in wanted:
            return json_answer(200, json.dumps(document, indent=2).encode() + b"\n", *headers)
        return json_answer(200, document, *headers)

    @property
    def _bundle(self) -> str:
        source = self._edge.settings.source
        return "bundle" if source is None else source.name


def _path(scope: Scope) -> RulePath:
    """The rule's path; each step is decoded by itself, so that one may hold a slash."""
    raw = scope.get("raw_path") or scope["path"].encode()
    text = raw.partition(b"?")[0].decode("ascii", "replace")
    try:
        steps = [unquote(step, errors="strict") for step in text.removeprefix(ROOT).split("/")]
    except UnicodeDecodeError as error:
        raise BadInputError("is not UTF-8.", field="path", value=text) from error
    return tuple(step for step in steps if step)


def _query(scope: Scope) -> dict[str, str]:
    text = scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=32)
    except ValueError as error:
        raise BadInputError("is not a query of UTF-8 names and values.", field="query", value=text) from error
    return dict(pairs)


def _wanted(query: Mapping[str, str]) -> frozenset[str]:
    """What else is to be told; what OPA knows and this edge has not is said, unless it is turned off anyway."""
    on = {name for name, value in query.items() if value.lower() in {"", "true", "1"}}
    off = {name for name, value in query.items() if value.lower() in {"false", "0", "off"}}
    for name in query.keys() - off:
        if name not in _TRUTHS or name not in on:
            raise BadInputError(
                "is not offered here.",
                field=name,
                value=query[name],
                remedy=f"Leave it out; known: input, {', '.join(sorted(_TRUTHS))}.",
            )
    return frozenset(on)


async def _body(request: Request) -> bytes:
    return await request.json_body(optional=True)


def _given(method: str, in_query: str | None, body: bytes) -> tuple[Any, bool]:
    """The input document, ``UNDEFINED`` for none; and whether OPA would warn that it is missing."""
    if method == "GET":
        return (UNDEFINED if in_query is None else strict_json.loads(in_query.encode())), False
    if not body.strip():
        return UNDEFINED, True
    document = strict_json.loads(body, limit=len(body))
    if not isinstance(document, dict):
        raise BadInputError("is no object.", field="body", remedy='Send {"input": …}.', code="bad_field")
    return document.get("input", UNDEFINED), "input" not in document


def data_problem(error: MaestroError) -> Answer:
    """An error as OPA tells it."""
    status, retry_after = _status(error)
    code = error.code if status in {429, 503} else _CODES.get(status, "invalid_parameter")
    document: dict[str, Any] = {"code": code, "message": error.message}
    if isinstance(error, BadInputError):
        document["message"] = str(error)
    if status not in {429, 503}:
        document["errors"] = [{"code": error.code, "message": str(error)}]
    headers = [_NO_STORE]
    if isinstance(error, RefusedError):
        headers += error.headers
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(retry_after))))
    return Answer(status, msgspec.json.encode(document), ((b"content-type", b"application/json"), *headers))


def _status(error: MaestroError) -> tuple[int, float | None]:
    """A policy that failed is 500, as in OPA; want of one, or of its server, is 503."""
    if isinstance(error, RefusedError):
        return error.status, error.retry_after
    if isinstance(error, BadInputError):
        return (413 if error.code == "body_too_large" else HTTPStatus.BAD_REQUEST), None
    if isinstance(error, PortError) and error.retry_after is not None:
        return HTTPStatus.SERVICE_UNAVAILABLE, error.retry_after
    return HTTPStatus.INTERNAL_SERVER_ERROR, None


def _decision_id() -> str:
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
