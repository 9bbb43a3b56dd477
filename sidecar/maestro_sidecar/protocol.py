"""uvicorn's HTTP protocol with bounds on what it leaves open, and with one write for each response.

uvicorn bounds neither a request's head nor the time it takes nor the number of connections, and it writes a
response's head and body apart, which costs the client a second wake-up.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from maestro.formats import problems
from maestro_sidecar.refusals import HTTP_CODES

__all__ = ["BoundedProtocol", "sweep"]

HEAD_LIMIT: Final = 32 * 1024
"""Bytes of a request's line and headers."""

_CODE: Final = "malformed_request"
_STATUS, _MEANING, _REMEDY = HTTP_CODES[_CODE]


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``sweep`` closes those whose request head takes too long.

    Attributes:
        waiting_since: the loop's time at which the head under way began, 0 between heads.
    """

    most_connections = 1024

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.waiting_since = 0.0
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        joined = _OneWrite(transport)
        self._flush = joined.flush
        super().connection_made(cast("asyncio.Transport", joined))
        self.waiting_since = self.loop.time()
        if len(self.connections) > self.most_connections:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Count a head's bytes before the parser keeps them."""
        if self.waiting_since:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.waiting_since and self._head_bytes > HEAD_LIMIT:
            self.send_400_response("The head is too large.")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        if not self.waiting_since:
            self.waiting_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self.waiting_since = 0.0
        self._head_bytes = 0
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """A response is over; one to HEAD has written its head only."""
        self._flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Tell the client in the form of all problems."""
        document = problems.problem(_STATUS, _CODE, msg or _MEANING, remedy=_REMEDY)
        body = msgspec.json.encode(document)
        head = (
            f"HTTP/1.1 {_STATUS} Bad Request\r\ncontent-type: {problems.MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


class _OneWrite:
    """A transport that holds a response's head until its body is written, which in this package is at once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._write = transport.write
        self._held = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Hold a head, write anything else together with what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._write(held + data)
        elif data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n") and data[9:10] != b"1":
            self._held = data
        else:
            self._write(data)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._write(held)

    def close(self) -> None:
        """Write what is held, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def sweep(connections: set[Any], now: float, seconds: float) -> int:
    """Close the connections whose head has been under way for longer; how many there were."""
    late = [one for one in connections if one.waiting_since and now - one.waiting_since > seconds]
    for connection in late:
        connection.transport.abort()
    return len(late)
