"""One path and all of its methods: authentication, negotiation, errors, metrics and logs around the handlers."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs

from maestro.formats import problems
from maestro.kernel.errors import MaestroError
from maestro_sidecar.auth import check_origin
from maestro_sidecar.context import Context
from maestro_sidecar.messages import (
    Answer,
    DisconnectedError,
    Receive,
    Request,
    Scope,
    Send,
    accepts_json,
    json_answer,
    problem_answer,
)
from maestro_sidecar.refusals import RefusedError
from maestro_sidecar.tracing import TRACED

__all__ = ["Endpoint", "Handler", "Operation", "Parameter"]

_CLIENT_GONE = 499
"""In spans alone: nobody was there to be answered."""

Handler = Callable[[Request, Context], Awaitable[Answer]]


@attrs.frozen
class Parameter:
    """A parameter of the query, path or head, as the OpenAPI document tells it."""

    name: str
    place: str
    meaning: str
    required: bool = False
    shape: Any = str


@attrs.frozen
class Operation:
    """One method of one path: what does it, and what the OpenAPI document tells about it.

    Attributes:
        method: of HTTP.
        path: pattern.
        name: operation id.
        handler: what answers.
        summary: one line.
        scopes: who may, in words; empty: anybody, without a token.
        body: type of the request's body, None for none.
        body_optional: whether it may be left out.
        parameters: of query, path and head.
        answers: type of the body by status; None for no body, str for text.
        problems: codes by status, beside those that any operation may give.
        tagged: whether a success carries an ETag.
        fault: type of the bodies that tell errors; a problem document when None.
        media_type: of the bodies of this operation.
    """

    method: str
    path: str
    name: str
    handler: Handler
    summary: str
    scopes: str = ""
    body: Any = None
    body_optional: bool = False
    parameters: tuple[Parameter, ...] = ()
    answers: dict[int, Any] = attrs.Factory(dict)
    problems: dict[int, tuple[str, ...]] = attrs.Factory(dict)
    tagged: bool = False
    fault: Any = None
    media_type: str = "application/json"


class Endpoint:
    """An ASGI application for one path.

    Args:
        path: pattern, also the ``route`` of metrics and logs.
        operations: by method; HEAD comes with GET.
        context: parts of the sidecar.
    """

    def __init__(self, path: str, operations: Sequence[Operation], context: Context) -> None:
        self.path = path
        self._context = context
        self._operations = {operation.method: operation for operation in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]
        self._allow = ", ".join(sorted(self._operations)).encode()
        self._server = context.settings.server

    @property
    def most_bytes(self) -> int:
        """Bytes of a request's body at most."""
        return self._server.max_body_bytes

    def refusal(self, error: MaestroError) -> Answer:
        """The answer that tells an error."""
        return problem_answer(error)

    def failure(self, request_id: str) -> Answer:
        """The answer that tells a defect of ours."""
        document = problems.problem(
            500, "internal", "The sidecar failed; the fault is ours.", requestId=request_id,
            remedy="Report it with the request id.",
        )  # fmt: skip
        answer = json_answer(500, document, (b"cache-control", b"no-store"))
        return attrs.evolve(
            answer, headers=((b"content-type", problems.MEDIA_TYPE.encode()), *answer.headers[1:])
        )

    def authorization(self, request: Request) -> bytes | None:
        """The credentials that tell who asks."""
        return request.header(b"authorization")

    def accepts(self, request: Request) -> bool:
        """Whether the client takes what these operations answer."""
        return accepts_json(request.header(b"accept"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        started = self._context.clock.nanoseconds()
        request = Request(
            scope,
            receive,
            most=self.most_bytes,
            seconds=self._server.request_timeout_seconds,
        )
        self._trace(request)
        try:
            answer = await self._answer(request)
        except DisconnectedError:
            self._traced(request, _CLIENT_GONE)
            return
        except MaestroError as error:
            answer = self.refusal(error)
            if answer.status >= 500:
                self._log("request_failed", request, answer, error=str(error), code=error.code)
            elif answer.status in {401, 403}:
                self._log("request_refused", request, answer, code=error.code)
        except Exception as error:  # noqa: BLE001 - the last line of defence; the client gets no trace of it
            answer = self._failed(request, error)
        await answer.send(send, (b"x-request-id", request.request_id))
        self._traced(request, answer.status)
        seconds = (self._context.clock.nanoseconds() - started) / 1e9
        self._context.metrics.answered(self.path, scope["method"], answer.status, seconds)
        if self._context.log.wants("debug"):
            self._log("request", request, answer, milliseconds=round(seconds * 1000, 3))

    async def _answer(self, request: Request) -> Answer:
        operation = self._operations.get(request.scope["method"])
        if operation is None:
            raise RefusedError("method_not_allowed", headers=((b"allow", self._allow),))
        self._check_origin(request)
        if operation.scopes:
            request.identity = self._context.authenticator.identify(
                self.authorization(request), socket=request.over_socket
            )
        if str not in operation.answers.values() and not self.accepts(request):
            raise RefusedError("not_acceptable")
        return await operation.handler(request, self._context)

    def _trace(self, request: Request) -> None:
        """Begin the request's span, if it is traced; the hot route may have decided that already."""
        tracing = self._context.tracing
        if tracing is None:
            return
        parent, traced = request.header(b"traceparent"), request.scope.get(TRACED)
        if tracing.wants(parent) if traced is None else traced:
            request.span = tracing.begin(parent, request.scope["method"], self.path)

    def _traced(self, request: Request, status: int) -> None:
        if self._context.tracing is not None and request.span is not None:
            self._context.tracing.end(request.span, status)

    def _check_origin(self, request: Request) -> None:
        """A Unix socket is out of a browser's reach, and its clients name whatever host they like."""
        if self._context.authenticator.open_to_all and not request.over_socket:
            check_origin(request.header(b"host"), request.header(b"origin"), self._server.host)

    def _failed(self, request: Request, error: Exception) -> Answer:
        request_id = request.request_id.decode()
        frames = [
            f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-5:]
        ]
        answer = self.failure(request_id)
        self._log("internal_error", request, answer, error=repr(error), frames=frames)
        return answer

    def _log(self, event: str, request: Request, answer: Answer, **fields: object) -> None:
        log = self._context.log
        write = log.error if answer.status >= 500 else log.warning if "code" in fields else log.debug
        write(
            event,
            request=request.request_id.decode(),
            method=request.scope["method"],
            route=self.path,
            status=answer.status,
            **fields,
        )


UNMATCHED: Final = "unmatched"
"""The ``route`` of requests to paths that are not there."""
