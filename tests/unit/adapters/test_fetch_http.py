"""Fetching over HTTP: whatever a server does, bytes, time and place are bounded."""

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from maestro import BadInputError, PortError
from maestro.ports.fetching import METADATA_TYPES
from maestro_adapters.fetch_http import HttpFetcher

PATIENCE = 30
TLS = Path(__file__).parents[2] / "sidecar" / "tls"


class Server:
    """Answers each connection by a script: bytes to send, or a function of the socket."""

    def __init__(self, *scripts, tls=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.heads = []
        self._scripts = list(scripts)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self):
        while self._scripts:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with suppress(OSError), self._secured(connection) as connection:
                connection.settimeout(PATIENCE)
                script = self._scripts.pop(0)
                head = b""
                while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                    head += piece
                if head:
                    self.heads.append(head.decode())
                if callable(script):
                    script(connection, self._stop)
                else:
                    connection.sendall(script)

    def _secured(self, connection):
        if self._tls is None:
            return connection
        with connection:
            return self._tls.wrap_socket(connection, server_side=True)

    def close(self):
        self._stop.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(PATIENCE)


@contextmanager
def serving(*scripts):
    server = Server(*scripts)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def fetching(address, **options):
    fetcher = HttpFetcher(address, **options)
    try:
        yield fetcher
    finally:
        fetcher.close()


def answer(body=b"", status="200 OK", **headers):
    lines = {"Content-Length": len(body), **{name.replace("_", "-"): text for name, text in headers.items()}}
    head = "".join(f"{name}: {text}\r\n" for name, text in lines.items() if text is not None)
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n{head}\r\n".encode() + body


def one(script, path="b.tar.gz", most=1000, options=None, **asked):
    with serving(script) as server, fetching(server.url, **(options or {})) as fetcher:
        return fetcher.get(path, most=most, **asked), server


def refusal(script, **asked):
    with pytest.raises(PortError) as caught:
        one(script, **asked)
    return caught.value


def test_a_file_comes_with_its_etag():
    got, server = one(answer(b"x" * 1000, Content_Type="application/gzip", ETag='"1"'))
    assert (got.body, got.etag, got.unchanged, got.missing) == (b"x" * 1000, '"1"', False, False)
    assert server.heads[0].startswith("GET /b.tar.gz HTTP/1.1")
    assert "Authorization" not in server.heads[0]


def test_an_unchanged_file_is_not_sent_again():
    got, server = one(answer(status="304 Not Modified", ETag='"1"'), etag='"1"')
    assert got.unchanged
    assert 'If-None-Match: "1"' in server.heads[0]


def test_the_source_itself_is_the_empty_path_and_missing_is_an_answer():
    got, server = one(answer(status="404 Not Found"), path="")
    assert got.missing
    assert not got.unchanged
    assert server.heads[0].startswith("GET / HTTP/1.1")


def test_a_server_may_hold_the_request():
    got, server = one(answer(b"x", Content_Type="application/vnd.openpolicyagent.bundles"), wait=10)
    assert got.long_poll
    assert "Prefer: modes=snapshot;wait=10" in server.heads[0]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (answer(b"<html>", Content_Type="text/html"), "of type 'text/html'"),
        (answer(b"x" * 1001), "longer than 1000 bytes"),
        (answer(b"x", Content_Encoding="gzip"), "encoded"),
        (answer(status="302 Found", Location="http://127.0.0.2:1/x"), "not among the allowed hosts"),
        (answer(status="302 Found", Location="http://user@127.0.0.1/x"), "not among the allowed hosts"),
        (answer(status="302 Found", Location="file:///etc/passwd"), "no HTTPS address"),
    ],
)
def test_what_is_no_such_file_is_refused(script, says):
    error = refusal(script)
    assert error.code == "source_refused"
    assert says in str(error)


@pytest.mark.parametrize(
    "script",
    [
        answer(status="503 Busy", Retry_After="7"),
        b"not http at all\r\n\r\n",
        b"",
        answer(b"short", Content_Length=50),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
def test_a_failing_server_is_asked_again_later(script):
    error = refusal(script)
    assert error.code == "source_unreachable"
    assert error.retry_after == (7 if b"503" in script else 1)


def test_a_listener_that_is_gone_is_unreachable():
    with serving() as server:
        address = server.url
    with fetching(address) as fetcher, pytest.raises(PortError) as caught:
        fetcher.get("x", most=10)
    assert caught.value.code == "source_unreachable"


def drip(*, head):
    """One byte after the other, each in time, without end."""

    def script(connection, stop):
        if not head:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
        while not stop.wait(0.02):
            connection.sendall(b"x")

    return script


@pytest.mark.parametrize("head", [True, False])
def test_a_byte_at_a_time_does_not_hold_us(head):
    error = refusal(drip(head=head), options={"seconds": 0.3})
    assert error.code == "source_unreachable"
    assert "too long" in str(error)


def test_an_endless_body_is_read_to_the_limit_only():
    def endless(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stop.is_set():
            connection.sendall(b"x" * 65536)

    assert refusal(endless, most=1_000_000).code == "source_refused"


def test_redirects_are_followed_to_allowed_hosts_and_end():
    with serving(answer(b"found")) as target:
        there = target.url.removeprefix("http://")
        to = answer(status="302 Found", Location=f"{target.url}/real")
        with serving(to) as first, fetching(first.url, hosts=[there], token="secret") as fetcher:
            assert fetcher.get("x", most=10).body == b"found"
    assert "Authorization: Bearer secret" in first.heads[0]
    assert "secret" not in target.heads[0]
    loop = answer(status="301 Moved", Location="/again")
    with (
        serving(*[loop] * 9) as server,
        fetching(server.url) as fetcher,
        pytest.raises(PortError, match="without end"),
    ):
        fetcher.get("x", most=10)


def test_mirrors_are_tried_in_turn_without_the_token():
    with (
        serving(answer(status="500 Broken")) as first,
        serving(answer(b"mirror")) as second,
        fetching(first.url, mirrors=[second.url], token="secret") as fetcher,
    ):
        assert fetcher.get("x", most=10).body == b"mirror"
    assert "secret" in first.heads[0]
    assert "secret" not in second.heads[0]


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "100.100.100.200", "[::ffff:169.254.169.254]"]
)
def test_metadata_and_link_local_addresses_are_refused_by_their_peer(host, monkeypatch):
    class Peer(socket.socket):
        def getpeername(self):
            return (host.strip("[]"), 80)

    def connected(*_, **__):
        return Peer(socket.AF_INET, socket.SOCK_STREAM)

    monkeypatch.setattr("urllib3.util.connection.create_connection", connected)
    with (
        fetching("http://innocent.example") as fetcher,
        pytest.raises(PortError, match="no bundle may come") as caught,
    ):
        fetcher.get("x", most=10)
    assert caught.value.code == "source_refused"


@pytest.mark.parametrize("trusted", [True, False])
def test_https_is_verified_by_the_given_authority(trusted):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    server = Server(answer(b"secret"), tls=context)
    address = f"https://localhost:{server.listener.getsockname()[1]}"
    try:
        with fetching(address, ca=str(TLS / "cert.pem") if trusted else "") as fetcher:
            if trusted:
                assert fetcher.get("x", most=10).body == b"secret"
            else:
                with pytest.raises(PortError, match="cannot be fetched"):
                    fetcher.get("x", most=10)
    finally:
        server.close()


def test_a_request_can_be_ended_from_another_thread():
    held = threading.Event()

    def hold(connection, stop):
        held.set()
        stop.wait(PATIENCE)

    with serving(hold) as server, fetching(server.url, seconds=PATIENCE) as fetcher:
        ender = threading.Thread(target=lambda: (held.wait(PATIENCE), fetcher.interrupt()))
        ender.start()
        with pytest.raises(PortError, match="too long"):
            fetcher.get("x", most=10)
        ender.join(PATIENCE)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ftp://host",
        "http://",
        "http://u:p@host",
        "http://h?q=1",
        "http://h:0",
        "http://h:99999",
        "http://[x",
    ],
)
def test_what_is_no_address_is_said_to_be(address):
    with pytest.raises(BadInputError) as caught:
        HttpFetcher(address)
    assert caught.value.field == "edge.source.url"


def test_metadata_may_be_json():
    got, _ = one(answer(b"{}", Content_Type="application/json; charset=utf-8"), types=METADATA_TYPES)
    assert got.body == b"{}"
