"""A central OPA server, asked over one kept-alive connection: the way back when decisions in process are not wanted.

An answer that cannot be had is a `PortError`, and so is an undefined one: to whoever reads a set of denies, nothing
at all would look like "allowed".
"""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from threading import Lock
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import msgspec

from maestro.kernel.errors import BadInputError, PortError
from maestro.ports.policy import UNDEFINED, RulePath

__all__ = ["OpaClient"]

_MOST_BYTES = 64 * 1024 * 1024
"""No answer of a policy is longer; what is must not fill our memory."""

_TOO_BUSY = frozenset({429, 502, 503, 504})


class OpaClient:
    """One connection to an OPA server, opened with the first question; safe to share between threads.

    Args:
        address: ``http://host:port`` or ``https://host:port``, with a path if OPA stands behind one.
        token: sent as a bearer token, if OPA asks for one.
        timeout: seconds to wait for the server, each time we have to.

    Raises:
        BadInputError: the address is none.
    """

    def __init__(self, address: str, *, token: str | None = None, timeout: float = 5.0) -> None:
        self._address = address
        self._connection, self._base = _connection(address, timeout)
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._lock = Lock()

    def evaluate(self, path: str, document: object) -> Any:
        """The value of a rule, for example ``mc/limits/decision``, for an input document.

        Raises:
            PortError: ``opa_unreachable``, ``opa_refused``, or ``opa_undefined``: the rule has no value for this input,
                or OPA has no such rule.
        """
        return self.ask(tuple(path.strip("/").split("/")), document)

    def ask(self, path: RulePath, document: object) -> Any:
        """As ``evaluate``, of a path in steps; ``UNDEFINED`` asks without an input."""
        body = b"{}" if document is UNDEFINED else b'{"input":' + msgspec.json.encode(document) + b"}"
        answer = self._ask("POST", "/".join(("/v1/data", *(quote(step, safe="") for step in path))), body)
        if "result" not in answer:
            raise PortError(
                f"OPA at {self._address} has no value for {'/'.join(path)}.",
                retry_after=None,
                code="opa_undefined",
                remedy="Load the policies and the data, and name the rule as in mc/limits/decision.",
            )
        return answer["result"]

    def put_policy(self, name: str, text: str) -> None:
        """Load a Rego module, or replace the one of that name.

        Raises:
            PortError: as ``evaluate``; ``opa_refused`` tells what OPA's compiler said.
        """
        self._ask("PUT", f"/v1/policies/{quote(name, safe='')}", text.encode(), content_type="text/plain")

    def put_data(self, path: str, value: object) -> None:
        """Set the document at a path, for example ``mc/intervals``.

        Raises:
            PortError: as ``evaluate``.
        """
        self._ask("PUT", f"/v1/data/{_quoted(path)}", msgspec.json.encode(value))

    def check(self) -> None:
        """Return if the server answers and its bundles, if it has any, are active; else raise PortError."""
        self._ask("GET", "/health?bundles", None)

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(
        self, method: str, path: str, body: bytes | None, *, content_type: str = "application/json"
    ) -> dict[str, Any]:
        headers = {**self._headers, "Content-Type": content_type}
        with self._lock:
            status, text = self._send(method, self._base + path, body, headers)
        if not 200 <= status < 300:
            raise self._refusal(status, text)
        try:
            answer = msgspec.json.decode(text or b"{}")
        except msgspec.DecodeError as error:
            raise self._unreachable("sent no JSON") from error
        if not isinstance(answer, dict):
            raise self._unreachable("sent JSON that is no object")
        return answer

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """Ask, and once more if a kept connection turns out to be gone: all that we ask may be asked twice."""
        kept = self._connection.sock is not None
        try:
            return self._exchange(method, path, body, headers)
        except TimeoutError as error:
            raise self._unreachable("did not answer in time") from error
        except (OSError, HTTPException) as error:
            if not kept:
                raise self._unreachable(
                    f"could not be asked: {str(error) or type(error).__name__}"
                ) from error
        return self._send(method, path, body, headers)

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            text = response.read(_MOST_BYTES + 1)
            if len(text) <= _MOST_BYTES and response.length:
                raise IncompleteRead(text, response.length)  # noqa: TRY301 - as read() would without a limit
        except BaseException:
            # Half an exchange must not be taken for the beginning of the next.
            self._connection.close()
            raise
        if len(text) > _MOST_BYTES:
            self._connection.close()
            raise self._unreachable(f"sent more than {_MOST_BYTES} bytes")
        return response.status, text

    def _refusal(self, status: int, text: bytes) -> PortError:
        busy = status in _TOO_BUSY
        return PortError(
            f"OPA at {self._address} answered {status}: {_said(text)}",
            retry_after=1.0 if busy else None,
            code="opa_refused",
            remedy="" if busy else "Look at the policies, the token and OPA's log.",
        )

    def _unreachable(self, what: str) -> PortError:
        return PortError(
            f"OPA at {self._address} {what}.",
            code="opa_unreachable",
            remedy="See that it runs and that the address is right.",
        )


def _connection(address: str, timeout: float) -> tuple[HTTPConnection, str]:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise BadInputError(
            "is not the address of an OPA server.",
            field="address",
            value=address,
            remedy="Write http://host:port or https://host:port.",
        )
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(host, port, timeout=timeout), parts.path.rstrip("/")


def _quoted(path: str) -> str:
    return "/".join(quote(step, safe="") for step in path.strip("/").split("/"))


def _said(text: bytes) -> str:
    """What OPA's error body says, the compiler's first complaint with its place included."""
    try:
        body = msgspec.json.decode(text)
        message = str(body["message"])
        first = (body.get("errors") or [{}])[0]
        place = first.get("location", {})
        detail = f" {place.get('file', '')}:{place.get('row', '')}: {first['message']}" if first else ""
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        return text[:200].decode("utf-8", "replace") or "nothing"
    return message + detail
