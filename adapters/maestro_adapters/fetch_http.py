"""Bundles and metadata over HTTP (``Fetcher``): bounded in bytes, time and place.

The server is not trusted. It cannot send more than is asked for, cannot take longer than it is given (not by a byte a
second either), cannot lead to a host that is not allowed, and sees no credentials but its own.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urljoin, urlsplit

from maestro.kernel.errors import BadInputError, PortError
from maestro.ports.capabilities import Capability
from maestro.ports.fetching import BUNDLE_TYPES, Fetched

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

__all__ = ["HttpFetcher"]

_MOST_REDIRECTS: Final = 4
_PIECE: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LONG_POLL: Final = "application/vnd.openpolicyagent.bundles"
_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
"""Where clouds tell a machine its credentials, beside the link-local 169.254.169.254."""


class HttpFetcher:
    """Files below an address, from it or from one of its mirrors.

    One request at a time; others wait. A request that takes longer than ``seconds`` has its connection closed under it.

    Args:
        address: ``https://host/bundles``, tried first.
        mirrors: addresses with the same files, tried in turn when those before fail.
        hosts: further ``host`` or ``host:port`` that redirects may lead to.
        token: bearer token for ``address``'s own origin, and for no other.
        seconds: for one request, from connecting to the last byte.
        ca: PEM file of authorities to trust instead of the system's.

    Raises:
        BadInputError: an address that is none.
    """

    def __init__(
        self,
        address: str,
        *,
        mirrors: Collection[str] = (),
        hosts: Collection[str] = (),
        token: str = "",
        seconds: float = 30.0,
        ca: str = "",
    ) -> None:
        self._bases = [_base(each) for each in (address, *mirrors)]
        self._own = _origin(self._bases[0])
        self._allowed = {_place(base) for base in self._bases} | {
            _place(f"{scheme}://{host}") for host in hosts for scheme in ("http", "https")
        }
        self._token = token
        self._seconds = seconds
        self._pool, self._watch = _pool(ca)
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``."""
        return frozenset({Capability.BLOCKING})

    def get(
        self,
        path: str,
        *,
        most: int,
        types: frozenset[str] = BUNDLE_TYPES,
        etag: str = "",
        wait: float = 0.0,
    ) -> Fetched:
        """The file at a path, from the first address that gives an answer."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "maestro-edge"}
        if etag:
            headers["If-None-Match"] = etag
        if wait >= 1:
            headers["Prefer"] = f"modes=snapshot;wait={wait:.0f}"
        failed: PortError | None = None
        for base in self._bases:
            try:
                with self._lock, self._watch.within(self._seconds + wait):
                    return self._get(_joined(base, path), headers, types, most, self._seconds + wait)
            except PortError as error:
                failed = failed or error
        assert failed is not None  # noqa: S101 - there is at least one address
        raise failed

    def close(self) -> None:
        """Close kept connections."""
        self._pool.clear()

    def interrupt(self) -> None:
        """End the request under way, from another thread, as when the process is told to stop."""
        self._watch.end()

    def _get(
        self, url: str, headers: Mapping[str, str], types: frozenset[str], most: int, seconds: float
    ) -> Fetched:
        for _ in range(_MOST_REDIRECTS + 1):
            with self._answer(url, headers, seconds) as answer:
                if answer.status not in _REDIRECTS:
                    return self._fetched(url, answer, types, most)
                url = self._redirected(url, answer.headers.get("Location", ""))
        raise _refused(url, "redirects without end")

    @contextmanager
    def _answer(self, url: str, headers: Mapping[str, str], seconds: float) -> Iterator[BaseHTTPResponse]:
        from urllib3.exceptions import HTTPError

        sent = dict(headers)
        if self._token and _origin(url) == self._own:
            sent["Authorization"] = f"Bearer {self._token}"
        try:
            answer = self._pool.request(
                "GET", url, headers=sent, redirect=False, retries=False, timeout=seconds,
                preload_content=False, decode_content=False,
            )  # fmt: skip
            try:
                yield answer
            finally:
                # What was not read to its end must not be taken for the beginning of the next answer.
                answer.close()
        except (HTTPError, OSError, ValueError) as error:
            raise _unreachable(url, self._watch.why(error)) from error

    def _fetched(self, url: str, answer: BaseHTTPResponse, types: frozenset[str], most: int) -> Fetched:
        status, etag = answer.status, answer.headers.get("ETag", "")
        if status == 304:
            return Fetched(etag=etag, long_poll=_media_type(answer) == _LONG_POLL)
        if status in {404, 410}:
            return Fetched(missing=True)
        if status != 200:
            raise _answered(url, status, answer.headers.get("Retry-After", ""))
        kind = _media_type(answer)
        if kind and kind not in types:
            raise _refused(url, f"is of type {kind!r}")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise _refused(url, "is encoded, though identity was asked for")
        body = bytearray()
        while piece := answer.read1(_PIECE, decode_content=False):
            body += piece
            if len(body) > most:
                raise _refused(url, f"is longer than {most} bytes")
        announced = answer.headers.get("Content-Length", "")
        if self._watch.ended or (announced.isdecimal() and int(announced) != len(body)):
            raise _unreachable(url, self._watch.why(EOFError("the answer broke off")))
        return Fetched(bytes(body), etag, long_poll=kind == _LONG_POLL)

    def _redirected(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        parts = urlsplit(target)
        if parts.scheme not in {"http", "https"} or (
            urlsplit(url).scheme == "https" and parts.scheme != "https"
        ):
            raise _refused(url, "redirects to what is no HTTPS address")
        if parts.username is not None or _place(target) not in self._allowed:
            raise _refused(url, f"redirects to {parts.netloc!r}, which is not among the allowed hosts")
        return target


class _Watch:
    """Ends a request that takes too long, by closing its socket: nothing a server does can outlast that."""

    def __init__(self) -> None:
        self.ended = False
        self._ears: set[socket.socket] = set()
        self._lock = threading.Lock()

    def listen(self, connected: socket.socket) -> socket.socket:
        """A second handle of the connection, which stays ours when TLS takes the first one over."""
        ear = connected.dup()
        with self._lock:
            self._ears.add(ear)
        return ear

    def forget(self, ear: socket.socket) -> None:
        """The connection is closed."""
        with self._lock:
            self._ears.discard(ear)
        ear.close()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A request that may take so long."""
        self.ended = False
        timer = threading.Timer(seconds, self.end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def end(self) -> None:
        """Close the connection under whoever reads it."""
        self.ended = True
        with self._lock:
            for ear in self._ears:
                with suppress(OSError):
                    ear.shutdown(socket.SHUT_RDWR)

    def why(self, error: BaseException) -> str:
        """What to say of an error."""
        return "it takes too long" if self.ended else str(error) or type(error).__name__


def _pool(ca: str) -> tuple[PoolManager, _Watch]:
    """A pool whose connections are watched, and never reach an address that no bundle server has."""
    try:
        import urllib3
        from urllib3.connection import HTTPConnection, HTTPSConnection
    except ModuleNotFoundError as error:
        raise PortError(
            "Fetching bundles over HTTP needs urllib3.",
            code="missing_extra",
            retry_after=None,
            remedy="Install maestro-conductor[edge].",
        ) from error
    watch = _Watch()

    class Watched:
        """A connection to a place that may serve bundles; its end can be brought about from another thread."""

        _ear: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            connected: socket.socket = super()._new_conn()  # type: ignore[misc]  # of the class it is mixed into
            try:
                _check_peer(connected)
                self._ear = watch.listen(connected)
            except BaseException:
                connected.close()
                raise
            return connected

        def close(self) -> None:
            super().close()  # type: ignore[misc]  # as above
            if self._ear is not None:
                watch.forget(self._ear)
                self._ear = None

    plain_connection = type("PlainConnection", (Watched, HTTPConnection), {})
    secure_connection = type("SecureConnection", (Watched, HTTPSConnection), {})
    pool = urllib3.PoolManager(num_pools=4, maxsize=1, ca_certs=ca or None)
    plain = type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain_connection})
    secure = type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure_connection})
    pool.pool_classes_by_scheme = {"http": plain, "https": secure}
    return pool, watch


def _check_peer(connected: socket.socket) -> None:
    """Refuse addresses that no bundle server has. Judged by the peer itself, which no name server can change."""
    address = ipaddress.ip_address(connected.getpeername()[0].partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA:
        raise PortError(
            f"{address} is an address that no bundle may come from.",
            code="source_refused",
            retry_after=None,
            remedy="Link-local and metadata addresses are never asked; correct the source's address.",
        )


def _base(address: str) -> str:
    try:
        parts = urlsplit(address)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        plain = parts.username is None and not parts.query and not parts.fragment
    except ValueError:
        good = plain = False
    if not (good and plain):
        raise BadInputError(
            "is not the address of a bundle source.",
            field="edge.source.url",
            value=address.partition("?")[0],
            remedy="Write https://host/path, without user, query or fragment; credentials go into tokenFile.",
        )
    return address.rstrip("/")


def _joined(base: str, path: str) -> str:
    return f"{base}/{quote(path)}" if path else base


def _origin(url: str) -> tuple[str, str]:
    return urlsplit(url).scheme, _place(url)


def _place(url: str) -> str:
    """``host:port``, the usual port written out."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _media_type(answer: Any) -> str:
    text: str = answer.headers.get("Content-Type", "")
    return text.partition(";")[0].strip().lower()


def _answered(url: str, status: int, retry_after: str) -> PortError:
    wait = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 1.0
    return PortError(
        f"{url} answered {status}.",
        code="source_unreachable",
        retry_after=wait,
        remedy="See the server's log; the edge asks again by itself.",
    )


def _unreachable(url: str, why: str) -> PortError:
    return PortError(
        f"{url} cannot be fetched: {why}.",
        code="source_unreachable",
        remedy="See that the server runs and that the address is right; the edge asks again by itself.",
    )


def _refused(url: str, why: str) -> PortError:
    return PortError(
        f"{url} {why}.", code="source_refused", retry_after=None, remedy="Correct what the server offers."
    )
