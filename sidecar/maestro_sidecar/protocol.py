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

__all__ = ["BoundedProtocol", "Sweeper"]

HEAD_LIMIT: Final = 32 * 1024
"""Bytes of a request's line and headers."""

_CODE: Final = "malformed_request"
_STATUS, _MEANING, _REMEDY = HTTP_CODES[_CODE]


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``Sweeper`` closes those whose request head takes too long."""

    most_connections = 1024
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        joined = _OneWrite(transport)
        self._flush = joined.flush
        super().connection_made(cast("asyncio.Transport", joined))
        if len(self.connections) > self.most_connections:
            transport.abort()

    @property
    def awaits_head(self) -> bool:
        """Whether a request's head is under way: no request is, and no keep-alive timer runs."""
        cycle: Any = self.cycle
        return self.timeout_keep_alive_task is None and (cycle is None or cycle.response_complete)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head that is not complete; the parser keeps them without bound."""
        super().data_received(data)
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT and not self.transport.is_closing():
                self.send_400_response("The head is too large.")
        else:
            self._head_bytes = 0

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


class Sweeper:
    """Closes connections whose head does not come; looking at them now and then costs requests nothing.

    Args:
        seconds: that a head may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[BoundedProtocol, tuple[object, float]] = {}

    def sweep(self, connections: set[Any], now: float) -> int:
        """Look once; how many were closed."""
        closed = 0
        since: dict[BoundedProtocol, tuple[object, float]] = {}
        for connection in connections:
            if connection.awaits_head:
                # The same last request as before: it is the same head that is waited for.
                last, began = self._since.get(connection, (None, now))
                began = began if last is connection.cycle else now
                since[connection] = (connection.cycle, began)
                if now - began > self._seconds:
                    connection.transport.abort()
                    closed += 1
        self._since = since
        return closed
