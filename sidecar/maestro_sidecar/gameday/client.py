"""Asking a sidecar over HTTP, as a runner would: one kept connection a thread, loopback only."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

__all__ = ["Answer", "Client"]

_SECONDS = 15.0


@attrs.frozen
class Answer:
    """What came back; status 0 when nothing did."""

    status: int
    headers: Mapping[str, str] = attrs.Factory(dict)
    document: Any = None

    @property
    def retry_after(self) -> str | None:
        """``Retry-After``."""
        return self.headers.get("retry-after")


class Client:
    """Asks one sidecar. Thread-safe.

    Args:
        port: of the sidecar on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._mine = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request; a connection that was lost is an answer too."""
        head = dict(headers or {})
        if body is not None:
            head["Content-Type"] = "application/json"
        data = None if body is None else msgspec.json.encode(body)
        connection: http.client.HTTPConnection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
            self._mine.connection = connection
            self._all.append(connection)
        try:
            connection.request(method, path, data, head)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return Answer(0)
        told = {name.lower(): value for name, value in response.getheaders()}
        is_json = "json" in told.get("content-type", "")
        document = msgspec.json.decode(text) if is_json and text else text.decode()
        return Answer(response.status, told, document)

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._all:
            connection.close()

    def acquire(self, tenant: str, package: str, run: str, ttl: float) -> Answer:
        """Ask for a slot."""
        body = {"tenant": tenant, "package": package, "run": run, "ttlSeconds": ttl}
        return self.ask("POST", "/api/limits/runs", body)

    def release(self, tenant: str, held: Answer) -> Answer:
        """Give back the slot that an answer brought."""
        path = f"/api/limits/runs/{held.document['run']}?tenant={tenant}"
        return self.ask("DELETE", path, headers={"If-Match": held.headers["etag"]})
