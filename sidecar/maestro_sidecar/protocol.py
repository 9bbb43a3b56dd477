"""uvicorn's HTTP protocol with bounds on what it leaves open: heads that never end, connections without number."""

from __future__ import annotations

import asyncio
from typing import Any, Final

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
        super().connection_made(transport)
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


def sweep(connections: set[Any], now: float, seconds: float) -> int:
    """Close the connections whose head has been under way for longer; how many there were."""
    late = [one for one in connections if one.waiting_since and now - one.waiting_since > seconds]
    for connection in late:
        connection.transport.abort()
    return len(late)
