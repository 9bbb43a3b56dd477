"""A request as handlers read it and an answer as they give it, over bare ASGI."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import attrs
import msgspec

from maestro.formats import problems
from maestro.kernel.errors import BadInputError, MaestroError, PortError
from maestro_sidecar.auth import Identity
from maestro_sidecar.refusals import RefusedError

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = [
    "Answer",
    "DisconnectedError",
    "Request",
    "accepts_json",
    "entity_tags",
    "first_message",
    "is_json",
    "json_answer",
    "problem_answer",
    "quoted",
]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
_RETRY_UNKNOWN = 30
"""``Retry-After`` of a 503 when the store cannot say when it will be back."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_JSON_TYPE = re.compile(rb"application/json *(?:; *charset *= *\"?utf-8\"? *)?", re.IGNORECASE)
_RANGES = re.compile(r"(?:\*/\*|application/\*|application/json|application/problem\+json)")
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_ENCODER = msgspec.json.Encoder()


class DisconnectedError(Exception):
    """The client went away before its request was complete; there is nobody to answer."""


@attrs.frozen
class Answer:
    """A response.

    Attributes:
        status: HTTP status.
        body: its bytes.
        headers: beside Content-Length.
    """

    status: int
    body: bytes = b""
    headers: Headers = ()

    async def send(self, send: Send, *more: tuple[bytes, bytes]) -> None:
        """Send it with more headers."""
        length = () if self.status in {204, 304} else ((b"content-length", b"%d" % len(self.body)),)
        headers = [*self.headers, *length, *more]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_answer(status: int, value: Any, *headers: tuple[bytes, bytes]) -> Answer:
    """A JSON answer; bytes are taken as JSON text."""
    body = value if isinstance(value, bytes) else _ENCODER.encode(value)
    return Answer(status, body, ((b"content-type", JSON), *headers))


def problem_answer(error: MaestroError, **members: Any) -> Answer:
    """The problem document that tells an error, with the headers that go with it."""
    if isinstance(error, RefusedError):
        document = problems.problem(
            error.status, error.code, error.message, remedy=error.remedy, retryAfter=error.retry_after
        )
        headers, retry_after = error.headers, error.retry_after
    else:
        document = problems.problem_of(error)
        headers, retry_after = (), _retry_after(error, document["status"])
        if error.code == "body_too_large":
            headers = ((b"connection", b"close"),)  # the rest of the body is not waited for
    document.update(members)
    if retry_after is not None:
        headers = (*headers, (b"retry-after", b"%d" % retry_after))
    return Answer(
        document["status"],
        _ENCODER.encode(document),
        ((b"content-type", problems.MEDIA_TYPE.encode()), (b"cache-control", b"no-store"), *headers),
    )


def quoted(number: int) -> bytes:
    """A strong entity tag."""
    return b'"%d"' % number


def entity_tags(text: str, field: str) -> frozenset[str] | None:
    """The strong tags of an ``If-Match`` or ``If-None-Match`` header; None for ``*``. Weak ones never match.

    Raises:
        BadInputError: not a list of entity tags.
    """
    if text.strip() == "*":
        return None
    tags = [_TAG.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
    strong = [tag for tag in tags if tag is not None]
    if not strong or len(strong) < len(tags):
        raise BadInputError(
            "is not an entity tag.", field=field, value=text, remedy='Send the ETag as it came, as in "7".'
        )
    return frozenset(tag[2] for tag in strong if not tag[1])


def is_json(media_type: bytes | None) -> bool:
    """Whether a ``Content-Type`` is JSON in UTF-8."""
    return media_type == JSON or (
        media_type is not None and _JSON_TYPE.fullmatch(media_type.strip()) is not None
    )


def accepts_json(accept: bytes | None) -> bool:
    """Whether an ``Accept`` header admits JSON; by RFC 9110 section 12.5.1 the most specific range decides."""
    if accept is None or accept in {b"*/*", JSON}:
        return True
    weights: dict[str, bool] = {}
    for part in accept.decode("latin-1").lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if _RANGES.fullmatch(media):
            weights[media] = not any(re.fullmatch(r"q *= *0(\.0*)?", item) for item in parameters)
    for media in ("application/json", "application/*", "*/*"):
        if media in weights:
            return weights[media]
    return not accept.strip() or weights.get("application/problem+json", False)


async def first_message(receive: Receive, seconds: float) -> Message:
    """``receive()`` under a time limit that costs nothing when the message is already there.

    Raises:
        TimeoutError: it did not come.
    """
    waiting = receive().__await__()
    try:
        pause = next(waiting)
    except StopIteration as done:
        message: Message = done.value
        return message
    async with asyncio.timeout(seconds):
        return await _Resumed(waiting, pause)


class _Resumed:
    """Goes on awaiting what has already been started and has paused."""

    __slots__ = ("_pause", "_waiting")

    def __init__(self, waiting: Generator[Any, Any, Message], pause: Any) -> None:
        self._waiting = waiting
        self._pause = pause

    def __await__(self) -> Generator[Any, Any, Message]:
        pause = self._pause
        while True:
            try:
                sent = yield pause
            except BaseException as error:  # noqa: BLE001 - cancellation too belongs to what is awaited
                step = self._throw(error)
            else:
                step = self._send(sent)
            if step[0]:
                message: Message = step[1]
                return message
            pause = step[1]

    def _send(self, sent: Any) -> tuple[bool, Any]:
        try:
            return False, self._waiting.send(sent)
        except StopIteration as done:
            return True, done.value

    def _throw(self, error: BaseException) -> tuple[bool, Any]:
        try:
            return False, self._waiting.throw(error)
        except StopIteration as done:
            return True, done.value


class Request:
    """One request.

    Args:
        scope: of ASGI.
        receive: of ASGI.
        most: bytes of its body.
        seconds: for the body to arrive.

    Attributes:
        scope: of ASGI.
        identity: who asks; set once that is known.
        span: of a traced request, else None.
    """

    identity: Identity
    span: Span | None = None

    def __init__(self, scope: Scope, receive: Receive, *, most: int, seconds: float) -> None:
        self.scope = scope
        self._receive = receive
        self._most = most
        self._seconds = seconds

    @property
    def over_socket(self) -> bool:
        """Whether it came over the Unix socket."""
        server = self.scope.get("server")
        return server is not None and server[1] is None

    @property
    def path_parameters(self) -> Mapping[str, str]:
        """What the route's pattern took from the path."""
        found: Mapping[str, str] = self.scope.get("path_params", {})
        return found

    @property
    def request_id(self) -> bytes:
        """The client's ``X-Request-Id`` if it is a plain word, else a fresh one; the same at each call."""
        made: bytes | None = self.scope.get("maestro.request_id")
        if made is None:
            given = self.header(b"x-request-id") or b""
            made = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8).encode()
            self.scope["maestro.request_id"] = made
        return made

    def header(self, name: bytes) -> bytes | None:
        """The header's value; several are joined by commas (RFC 9110 section 5.3)."""
        values = [value for key, value in self.scope["headers"] if key == name]
        return b", ".join(values) if values else None

    def text_header(self, name: bytes) -> str | None:
        """The header's value as text."""
        value = self.header(name)
        return None if value is None else value.decode("latin-1")

    def query(self, known: Sequence[str]) -> dict[str, str]:
        """The query's parameters.

        Raises:
            RefusedError: ``unknown_parameter``.
            BadInputError: one stands twice, or it is not UTF-8.
        """
        text = self.scope["query_string"].decode("latin-1")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=32)
        except ValueError as error:
            raise BadInputError(
                "is not a query of UTF-8 names and values.", field="query", value=text
            ) from error
        found: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                told = ", ".join(known) or "none"
                raise RefusedError(
                    "unknown_parameter", f"{name[:80]!r} is not a parameter here; known: {told}."
                )
            if name in found:
                raise BadInputError("stands twice in the query.", field=name, remedy="Keep one of them.")
            found[name] = value
        return found

    async def json_body(
        self, *, optional: bool = False, announced_as: Callable[[bytes | None], bool] = is_json
    ) -> bytes:
        """The body's bytes, announced as JSON; empty only where it is optional.

        Args:
            optional: whether it may be left out.
            announced_as: judges the ``Content-Type``.

        Raises:
            RefusedError: ``unsupported_media_type``, ``request_timeout``.
            BadInputError: ``body_too_large``.
            DisconnectedError: the client went away.
        """
        announced = self.header(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > self._most:
            raise self._too_large(int(announced))
        media_type = self.header(b"content-type")
        if not announced_as(media_type) and not (optional and media_type is None):
            raise RefusedError("unsupported_media_type", headers=((b"accept-post", JSON),))
        if self.header(b"content-encoding") not in {None, b"identity"}:
            raise RefusedError(
                "unsupported_media_type", "The body is encoded.", remedy="Send it uncompressed."
            )
        body = await self._body()
        if body and media_type is None:
            raise RefusedError("unsupported_media_type")
        return body

    async def gone(self) -> None:
        """Return when the client has gone away; to be asked when the body has been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _body(self) -> bytes:
        chunks = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise DisconnectedError
                    chunks += message.get("body", b"")
                    if len(chunks) > self._most:
                        raise self._too_large(len(chunks))
                    if not message.get("more_body", False):
                        return bytes(chunks)
        except TimeoutError as error:
            raise RefusedError("request_timeout", headers=((b"connection", b"close"),)) from error

    def _too_large(self, size: int) -> BadInputError:
        return BadInputError(
            f"The body has {size} bytes or more.",
            code="body_too_large",
            remedy=f"Send at most {self._most} bytes.",
        )


def _retry_after(error: MaestroError, status: int) -> int | None:
    if not isinstance(error, PortError) or status != 503:
        return None
    return _RETRY_UNKNOWN if error.retry_after is None else max(1, round(error.retry_after))
