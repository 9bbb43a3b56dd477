"""The hot route: ``POST /api/limits/decisions`` for the usual request, straight on ASGI.

It answers what it can answer without looking twice (a token seen before, JSON as everybody sends it, a sound body),
and hands anything else, unread or with what it read, to the ordinary endpoint: that alone knows how to refuse, so
both cannot come to differ. tests/sidecar compares them.
"""

from __future__ import annotations

from maestro.kernel.errors import MaestroError
from maestro.limits.request import parse_request
from maestro_sidecar.auth import Identity, check_origin
from maestro_sidecar.context import Context
from maestro_sidecar.endpoint import Endpoint
from maestro_sidecar.messages import Message, Receive, Scope, Send, accepts_json, first_message, is_json
from maestro_sidecar.refusals import RefusedError
from maestro_sidecar.runs import DECISIONS, judged
from maestro_sidecar.tracing import TRACED

__all__ = ["HotDecisions"]

_UNUSUAL = frozenset({b"content-encoding", b"origin", b"x-request-id"})
_READ = _UNUSUAL | {b"accept", b"authorization", b"content-type", b"host", b"traceparent"}
_CONTENT_TYPE = (b"content-type", b"application/json")


class HotDecisions:
    """Decides, or lets the ordinary endpoint do it.

    Args:
        context: parts of the sidecar.
        ordinary: the endpoint of the same path.
    """

    def __init__(self, context: Context, ordinary: Endpoint) -> None:
        self._context = context
        self._ordinary = ordinary
        self._authenticator = context.authenticator
        self._tracing = context.tracing
        self._nanoseconds = context.clock.nanoseconds
        self._observe = context.metrics.decision_seconds.observe
        self._answered = context.metrics.answered
        self._most = context.settings.server.max_body_bytes
        self._seconds = context.settings.server.request_timeout_seconds
        # With debug logs every request is told, and a store on a server is waited for, which the ordinary endpoint does.
        self._off = context.log.wants("debug") or context.settings.store.waits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = self._nanoseconds()
        identity = self._usual(scope)
        if identity is None:
            await self._ordinary(scope, receive, send)
            return
        try:
            message = await first_message(receive, self._seconds)
        except TimeoutError:
            await self._ordinary(scope, _late, send)
            return
        read = self._nanoseconds()
        body = None
        if message["type"] == "http.request" and not message.get("more_body", False):
            body = self._judge(message.get("body", b""), identity)
        if body is None:
            await self._ordinary(scope, _again(message, receive), send)
            return
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [_CONTENT_TYPE, (b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})
        ended = self._nanoseconds()
        self._observe((ended - read) / 1e9)
        self._answered(DECISIONS, "POST", 200, (ended - started) / 1e9)

    def _usual(self, scope: Scope) -> Identity | None:
        """Who asks, if nothing about the request's head is unusual."""
        if scope["query_string"] or self._off:
            return None
        heads: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _READ:
                if name in heads:
                    return None
                heads[name] = value
        if not (is_json(heads.get(b"content-type")) and accepts_json(heads.get(b"accept"))):
            return None
        if not _UNUSUAL.isdisjoint(heads) or self._traced(scope, heads.get(b"traceparent")):
            return None
        server = scope.get("server")
        socket = server is not None and server[1] is None
        if self._authenticator.open_to_all and not socket and not self._local(heads):
            return None
        return self._authenticator.seen(heads.get(b"authorization"), socket=socket)

    def _traced(self, scope: Scope, traceparent: bytes | None) -> bool:
        """Whether the request is one of the few whose spans the ordinary endpoint keeps."""
        if self._tracing is None:
            return False
        scope[TRACED] = traced = self._tracing.wants(traceparent)
        return traced

    def _local(self, heads: dict[bytes, bytes]) -> bool:
        try:
            check_origin(heads.get(b"host"), None, self._context.settings.server.host)
        except RefusedError:
            return False
        return True

    def _judge(self, body: bytes, identity: Identity) -> bytes | None:
        if len(body) > self._most:
            return None
        try:
            return judged(parse_request(body), identity, self._context)
        except MaestroError:
            return None


async def _late() -> Message:
    """What the ordinary endpoint is to make of a body that did not come."""
    raise TimeoutError


def _again(message: Message, receive: Receive) -> Receive:
    """A ``receive`` that first gives back what was read."""
    given = [message]

    async def replayed() -> Message:
        return given.pop() if given else await receive()

    return replayed
