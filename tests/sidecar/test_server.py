"""The real server, as a process of its own: listeners, drain, crash, bounds."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maestro.kernel.errors import BadInputError, PortError
from maestro_sidecar.server import serve
from maestro_sidecar.settings import parse_settings

SCRIPT = """
import sys, msgspec
from maestro_sidecar.server import serve
from maestro_sidecar.settings import load
sys.exit(serve(load(sys.argv[1]), lambda started: print(msgspec.json.encode(started).decode(), flush=True)))
"""
TLS = Path(__file__).parent / "tls"
DECISION = {"tenant": "acme", "package": "ns/a"}
RUN = {"tenant": "acme", "run": "r-1", "package": "ns/a", "ttlSeconds": 600}


class Live:
    """A sidecar process."""

    def __init__(self, folder, text):
        self.folder = folder
        config = folder / "maestro.toml"
        config.write_text(f'state = "{folder}/state"\n{text}')
        self.stderr = (folder / "stderr").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(config)], stdout=subprocess.PIPE, stderr=self.stderr, text=True
        )
        line = self.process.stdout.readline()
        assert line, (folder / "stderr").read_text()
        self.started = json.loads(line)
        self.address = next(a for a in self.started["addresses"] if a.startswith("http")).rpartition("/")[2]
        self.host, port = self.address.rsplit(":", 1)
        self.port = int(port)

    @property
    def token(self):
        return Path(self.started["tokenFile"]).read_text().strip()

    def connect(self, unix=False):
        if unix:
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(10)
            raw.connect(str(self.folder / "s.sock"))
            return raw
        return socket.create_connection((self.host, self.port), timeout=10)

    def ask(self, method, path, body=None, unix=False, token=True, **headers):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect(unix)
        head = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            head["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            head["Content-Type"] = "application/json"
            body = json.dumps(body)
        with contextlib.closing(connection):
            connection.request(method, path, body, head)
            response = connection.getresponse()
            text = response.read()
        return response.status, response.headers, json.loads(text) if text else None

    def end(self, number=signal.SIGTERM, seconds=20):
        self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds=20):
        code = self.process.wait(seconds)
        self.process.stdout.close()
        self.stderr.close()
        return code

    def events(self):
        return [json.loads(line) for line in (self.folder / "stderr").read_text().splitlines()]


@pytest.fixture
def live(tmp_path):
    running = []

    def start(text=""):
        running.append(Live(tmp_path, text or f'[server]\nport = 0\nsocket = "{tmp_path}/s.sock"\n'))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            # Not killed: coverage of what it did is written at its end.
            assert one.end() == 0


def test_tcp_and_unix_socket_at_once(live, tmp_path):
    sidecar = live()
    assert sidecar.started["addresses"][1] == f"unix:{tmp_path}/s.sock"
    assert (tmp_path / "s.sock").stat().st_mode & 0o777 == 0o600
    for unix in (False, True):
        assert sidecar.ask("GET", "/readyz", unix=unix, token=False)[0] == 200
        assert sidecar.ask("POST", "/api/limits/decisions", DECISION, unix=unix, token=False)[0] == 401
        status, _, verdict = sidecar.ask("POST", "/api/limits/decisions", DECISION, unix=unix)
        assert (status, verdict["allowed"]) == (200, True)
    assert sidecar.end() == 0
    assert not (tmp_path / "s.sock").exists()
    events = [line["event"] for line in sidecar.events()]
    assert [event for event in events if event != "request_refused"] == ["ready", "draining", "stopped"]
    assert sidecar.token not in (tmp_path / "stderr").read_text()


def test_it_stays_small(live):
    sidecar = live()
    sidecar.ask("POST", "/api/limits/decisions", DECISION)
    done = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(sidecar.process.pid)], capture_output=True, text=True, check=True
    )
    # 60 MB is the aim; coverage, which may watch this process, takes some of its own.
    assert int(done.stdout) < (60_000 if "COVERAGE_PROCESS_START" not in os.environ else 90_000)


def slow_decision(sidecar):
    """A request whose body has not come yet, and what is left to send."""
    body = json.dumps(DECISION).encode()
    head = (
        f"POST /api/limits/decisions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sidecar.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = sidecar.connect()
    connection.sendall(head.encode() + body[:5])
    return connection, body[5:]


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_drain_finishes_what_is_under_way_and_refuses_the_rest(live):
    sidecar = live()
    connection, rest = slow_decision(sidecar)
    time.sleep(0.1)
    sidecar.process.send_signal(signal.SIGTERM)
    until(lambda: sidecar.ask("GET", "/readyz", token=False)[0] == 503)
    status, headers, problem = sidecar.ask("POST", "/api/limits/decisions", DECISION)
    assert (status, problem["code"], headers["Retry-After"]) == (503, "draining", "1")
    assert sidecar.ask("GET", "/livez", token=False)[0] == 200
    with connection:
        connection.sendall(rest)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert sidecar.wait() == 0


def test_a_drain_ends_when_its_time_is_over(live):
    sidecar = live("[server]\nport = 0\ndrainSeconds = 0.3\n")
    connection, _ = slow_decision(sidecar)
    time.sleep(0.1)
    with connection:
        assert sidecar.end() == 0
    assert "stopped" in [line["event"] for line in sidecar.events()]


def test_a_second_signal_ends_a_drain_at_once(live):
    sidecar = live("[server]\nport = 0\ndrainSeconds = 60\n")
    connection, _ = slow_decision(sidecar)
    time.sleep(0.1)
    with connection:
        sidecar.process.send_signal(signal.SIGINT)
        until(lambda: sidecar.ask("GET", "/readyz", token=False)[0] == 503)
        assert sidecar.end(signal.SIGINT) == 0


def test_leases_and_documents_survive_a_kill(live):
    sidecar = live()
    sidecar.ask("PUT", "/api/limits/package-caps", {"tenant": "acme", "maxConcurrent": 1})
    status, headers, lease = sidecar.ask("POST", "/api/limits/runs", RUN)
    assert status == 201
    assert sidecar.end(signal.SIGKILL) == -signal.SIGKILL
    token = sidecar.token
    again = live()  # over the socket that the dead one left behind, with the token it made
    assert again.token == token
    status, _, problem = again.ask("POST", "/api/limits/runs", {**RUN, "run": "r-2"})
    assert (status, problem["code"]) == (429, "tenant_cap")
    status, kept, same = again.ask("POST", "/api/limits/runs", RUN, unix=True)
    assert (status, kept["ETag"], same["acquiredAt"]) == (200, headers["ETag"], lease["acquiredAt"])
    where = "/api/limits/runs/r-1?tenant=acme"
    assert again.ask("DELETE", where, If_Match=headers["ETag"])[0] == 204
    assert again.ask("POST", "/api/limits/runs", {**RUN, "run": "r-2"})[0] == 201
    assert again.end() == 0


def test_a_cap_holds_under_many_hands(live):
    sidecar = live()
    sidecar.ask("PUT", "/api/limits/package-caps", {"tenant": "acme", "maxConcurrent": 5})
    with concurrent.futures.ThreadPoolExecutor(8) as hands:
        statuses = list(
            hands.map(
                lambda n: sidecar.ask("POST", "/api/limits/runs", {**RUN, "run": f"r-{n}"}, unix=n % 2 == 0)[
                    0
                ],
                range(40),
            )
        )
    assert sorted(statuses) == [201] * 5 + [429] * 35


def exchange(sidecar, *parts):
    with sidecar.connect() as connection:
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_what_is_not_http_or_too_long_is_told_as_a_problem(live):
    sidecar = live()
    for raw in (b"what is this\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000):
        answer = exchange(sidecar, raw)
        assert answer.startswith(b"HTTP/1.1 400")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "malformed_request"
    chunked = (
        f"POST /api/limits/decisions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sidecar.token}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    answer = exchange(sidecar, chunked, b"11000\r\n" + b" " * 0x11000 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"body_too_large"' in answer
    assert sidecar.ask("GET", "/readyz", token=False)[0] == 200


def test_slow_heads_are_cut_and_slow_bodies_told(live):
    sidecar = live("[server]\nport = 0\nrequestTimeoutSeconds = 0.3\n")
    assert exchange(sidecar, b"GET /livez HTTP/1.1\r\nX-Slow: ") == b""
    assert exchange(sidecar) == b""
    connection, _ = slow_decision(sidecar)
    with connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
    until(lambda: "slow_heads_closed" in [line["event"] for line in sidecar.events()])


def test_connections_are_bounded(live):
    sidecar = live("[server]\nport = 0\nmaxConnections = 3\n")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(sidecar.connect())
        time.sleep(0.1)
        with sidecar.connect() as fourth, contextlib.suppress(ConnectionError):
            fourth.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert fourth.recv(10) == b""
    until(lambda: answers(sidecar))


def answers(sidecar):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return sidecar.ask("GET", "/livez", token=False)[0] == 200
    return False


def test_many_requests_share_a_connection(live):
    sidecar = live()
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    with sidecar.connect() as connection:
        for _ in range(3):
            connection.sendall(one)
            # Head and body come in one piece.
            assert connection.recv(1000).endswith(b'\r\n\r\n{"status":"alive"}')
        connection.sendall(b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000).endswith(b"\r\n\r\n")
        connection.sendall(one + one)
        until(lambda: connection.recv(4000, socket.MSG_PEEK).count(b"HTTP/1.1 200") == 2)


def test_a_client_that_asks_first_is_told_to_continue(live):
    sidecar = live()
    body = json.dumps(DECISION).encode()
    head = (
        f"POST /api/limits/decisions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sidecar.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with sidecar.connect() as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_mutual_tls(live):
    cert, key = TLS / "cert.pem", TLS / "key.pem"
    sidecar = live(
        f'[server]\nport = 0\n[server.tls]\ncert = "{cert}"\nkey = "{key}"\nclientCa = "{cert}"\n[store]\nkind = "memory"\n'
    )
    assert sidecar.started["addresses"][0].startswith("https://")
    assert sidecar.started["store"] == "memory"
    trusting = ssl.create_default_context(cafile=cert)

    def ask():
        connection = http.client.HTTPSConnection(sidecar.host, sidecar.port, context=trusting, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            return connection.getresponse().status

    with pytest.raises(OSError, match=r".*"):
        ask()
    trusting.load_cert_chain(cert, key)
    assert ask() == 200


# ---- what keeps it from starting ----


def settings(tmp_path, **server):
    return parse_settings(
        {"state": str(tmp_path), "store": {"kind": "memory"}, "server": {"port": 0, **server}}
    )


def test_an_address_in_use_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortError, match="Cannot listen"):
        serve(settings(tmp_path, port=taken.getsockname()[1]))


def test_a_socket_in_use_or_a_file_in_the_way_is_told_and_left_alone(tmp_path):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        with pytest.raises(PortError, match="in use"):
            serve(settings(tmp_path, host="", socket=str(path)))
        assert path.exists()
    path.unlink()
    path.write_text("mine")
    with pytest.raises(PortError, match="no socket"):
        serve(settings(tmp_path, host="", socket=str(path)))
    assert path.read_text() == "mine"


def test_certificates_that_cannot_be_read_are_told(tmp_path):
    with pytest.raises(BadInputError, match=r"server\.tls"):
        serve(settings(tmp_path, tls={"cert": "none.pem", "key": "none.pem"}))


def test_a_store_that_is_no_store_is_told(tmp_path):
    (tmp_path / "x.db").write_text("this is not a database, but it is long enough to look at" * 100)
    raw = {"state": str(tmp_path), "store": {"path": str(tmp_path / "x.db")}}
    with pytest.raises(PortError, match=r"x\.db"):
        serve(parse_settings(raw))


def test_a_host_that_is_none_is_told(tmp_path):
    with pytest.raises(PortError, match="Cannot listen"):
        serve(settings(tmp_path, host="256.256.256.256"))
