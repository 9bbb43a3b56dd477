"""Decisions beside OPA's server with the same rules: in process, and sidecar against server under one load.

OPA has the policies of ``maestro_policy``, their data as a bundle in a store made for reading, a collector that runs
less often, no decision log, and inputs without windows and closures, which it reads from its data. It counts no leases; the sidecar does, and asks for a token, keeps
metrics and explains in words.
"""

import hashlib
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.table import Table
from maestro.limits.decide import decide
from maestro.limits.decision import encode_decision
from maestro.limits.documents import encode_document, limits_from, split_limits
from maestro.limits.policy import compile_file
from maestro.limits.rego_data import compile_intervals
from maestro.limits.request import parse_request
from maestro.ports.leases import Usage
from maestro_policy import rego_sources

HERE = Path(__file__).parent
MAESTRO = str(Path(sys.executable).parent / "maestro")
ZONES = (
    "America/Denver",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "UTC",
)
WEEK = datetime(2026, 3, 23, tzinfo=UTC)  # clocks change in Berlin on its Sunday
TENANTS, REQUESTS = 200, 2_000
DECISION = "/v1/data/mc/limits/decision"


def run(*, quick=False):
    """Two tables, or one that says what is missing."""
    opa = _opa()
    missing = [name for name, found in (("opa", opa), ("go", shutil.which("go"))) if not found]
    if missing:
        needs = f"Not measured: {' and '.join(missing)} not found. `tests/services/install.sh opa` brings OPA; it needs go."
        return [Table("Beside OPA's server", ("",), [], needs)]
    with TemporaryDirectory(prefix="maestro-opa-") as folder:
        work = _Work(Path(folder), opa)
        return [_in_process(work, quick=quick), _under_load(work, quick=quick)]


# ---- the same rules and requests for both ----------------------------------------------------------------


class _Work:
    """Tenants, requests and what either side needs of them, in a folder of its own."""

    def __init__(self, folder, opa):
        self.folder, self.opa = folder, opa
        random = Random(4)
        self.limits = {name: limits_from(_limits(random, name)) for name in (f"t{n}" for n in range(TENANTS))}
        self.policies = {name: compile_file(limits) for name, limits in self.limits.items()}
        self.asked = [_request(random, self.limits) for _ in range(REQUESTS)]
        self.bodies = [json.dumps(asked).encode() for asked in self.asked]
        self.inputs = [json.dumps({"input": self._input(asked)}).encode() for asked in self.asked]
        for name, lines in (("bodies", self.bodies), ("inputs", self.inputs)):
            (folder / name).write_bytes(b"\n".join(lines))
        self.bundle = self._bundle()
        self.load = folder / "load"
        subprocess.run(["go", "build", "-o", self.load, "."], cwd=HERE / "load", check=True)

    def _input(self, asked):
        """What the policies read of the limits. OPA holds no leases, so usage is told: none, as in the sidecar."""
        limits = self.limits[asked["tenant"]]
        tenant = {
            "tenant": asked["tenant"],
            "startCutoffSeconds": limits.start_cutoff_seconds,
            "onWindowEnd": limits.on_window_end,
            "maxConcurrent": limits.max_concurrent,
            "packageCaps": limits.package_caps,
        }
        return {"tenant": tenant, "request": asked}

    def _bundle(self):
        source = self.folder / "source"
        source.mkdir()
        for name, text in rego_sources().items():
            (source / name).write_text(text, encoding="utf-8")
        intervals = {
            name: compile_intervals(policy, WEEK, WEEK + timedelta(days=7))
            for name, policy in self.policies.items()
        }
        (source / "data.json").write_text(json.dumps({"mc": {"intervals": intervals}}))
        bundle = self.folder / "bundle.tar.gz"
        # Not `--optimize 1`: it unrolls the rules over all tenants' data, and a decision takes 100 ms.
        subprocess.run([self.opa, "build", "--bundle", source, "--output", bundle], check=True)
        return bundle

    def ours(self, body):
        """JSON to JSON in process."""
        asked = parse_request(body)
        policy = self.policies[asked.tenant]
        return encode_decision(
            decide(policy, asked.package, asked.ts, expected=asked.expected_seconds, usage=_NONE)
        )


_NONE = Usage()


def _limits(random, name):
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    windows = [
        {
            "days": random.sample(days, random.randint(3, 7)),
            "start": f"{random.randrange(24):02}:00",
            "end": f"{random.randrange(24):02}:30",
        }
        for _ in range(random.randint(1, 3))
    ]
    caps = {f"ns{n}/p{m}": random.randint(0, 4) for n in range(2) for m in range(10)}
    return {
        "tenant": name,
        "timezone": random.choice(ZONES),
        "allowedWindows": windows,
        "closures": [{"start": "2026-03-28T00:00", "end": "2026-03-28T12:00", "reason": "freeze"}],
        "startCutoffSeconds": 600,
        "onWindowEnd": random.choice(("finish", "must_fit")),
        "maxConcurrent": 20,
        "packageCaps": {**caps, "ns0/*": 5, "*": 10},
    }


def _request(random, limits):
    at = WEEK + timedelta(seconds=random.randrange(7 * 24 * 3600))
    return {
        "tenant": random.choice(list(limits)),
        "package": f"ns{random.randrange(3)}/p{random.randrange(12)}",
        "run": f"r-{random.randrange(10**6)}",
        "ts": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expectedSeconds": random.choice((60, 900, 7200)),
    }


# ---- in process ------------------------------------------------------------------------------------------


def _in_process(work, *, quick):
    rounds, passes = (1, 1) if quick else (5, 5)
    figures = {"ours": [], "opa": []}
    with _server_of_opa(work) as (address, _), _raw(address) as ask:
        shares = _agree(work, ask)
        for _ in range(rounds):
            for name, call, bodies in (("opa", ask, work.inputs), ("ours", work.ours, work.bodies)):
                figures[name].append(_cuts(call, bodies, passes))
    ours, theirs = (_medians(figures[name]) for name in ("ours", "opa"))
    rounds_of_both = list(zip(figures["ours"], figures["opa"], strict=True))
    ratios = [statistics.median(a[place] / b[place] for a, b in rounds_of_both) for place in (0, 1)]
    rows = [
        ("OPA's server, raw kept-alive socket", f"{theirs[0]:.0f}", f"{theirs[1]:.0f}", "100 %", "100 %"),
        (
            "in process, explanation included",
            f"{ours[0]:.1f}",
            f"{ours[1]:.1f}",
            *(f"{ratio * 100:.1f} %" for ratio in ratios),
        ),
    ]
    note = (
        f"{TENANTS} tenants in {len(ZONES)} zones, {REQUESTS} requests of a week in turn, {shares}; "
        "both gave the same answers before they were measured."
    )
    return Table(
        "A decision, JSON to JSON, beside OPA", ("µs", "p50", "p95", "p50 ÷ OPA's", "p95 ÷ OPA's"), rows, note
    )


def _agree(work, ask):
    """Figures of two sides that say different things would compare nothing."""
    allowed = 0
    for body, asked in zip(work.bodies, work.inputs, strict=True):
        ours, theirs = json.loads(work.ours(body)), json.loads(ask(asked))["result"]
        told = [[deny["reason"] for deny in each["denies"]] for each in (ours, theirs)]
        same = told[0] == told[1] and ours["opensAt"] == theirs["opensAt"]
        assert same, (body, ours, theirs)
        allowed += ours["allowed"]
    return f"{allowed * 100 // REQUESTS} % of them allowed"


def _cuts(call, bodies, passes):
    times = []
    for number in range(passes + 1):
        for body in bodies:
            began = time.perf_counter_ns()
            call(body)
            if number:  # the first pass warms up
                times.append((time.perf_counter_ns() - began) / 1000)
    cuts = statistics.quantiles(times, n=20)
    return cuts[9], cuts[18]


def _medians(pairs):
    return [statistics.median(pair[place] for pair in pairs) for place in (0, 1)]


@contextmanager
def _raw(address):
    """The least a client can do: prepared bytes out, bytes in until the announced length is there."""
    _, host, port = address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(body):
            head = f"POST {DECISION} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            answer = connection.recv(65536)
            head, _, text = answer.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(text) < length:
                text += connection.recv(65536)
            return text

        yield ask


# ---- under load ------------------------------------------------------------------------------------------


def _under_load(work, *, quick):
    rounds, seconds, many = (1, 0.5, (1, 8)) if quick else (5, 2.0, (1, 8, 16, 64))
    rows = []
    with _server_of_opa(work) as opa, _collector() as traced:
        with _sidecar(work, traced) as (sidecar, token):
            for network, place in (("TCP", 0), ("Unix socket", 1)):
                for connections in many:
                    of_opa = (work, opa[place], DECISION, "inputs", connections, seconds)
                    of_ours = (
                        work, sidecar[place], "/api/limits/decisions", "bodies", connections, seconds, token
                    )  # fmt: skip
                    pairs = [(_load(*of_opa), _load(*of_ours)) for _ in range(rounds)]
                    rows.append((f"{network}, {connections}", *_told(pairs)))
        assert traced.spans, "nothing was traced"
    columns = (
        "connections",
        "OPA p50 µs",
        "p95",
        "req/s",
        "sidecar p50 µs",
        "p95",
        "req/s",
        "p95 ÷ OPA's",
        "req/s ÷ OPA's",
    )
    note = (
        "Sidecar: one worker, SQLite, token, validation, metrics, flags, live usage and tracing (1 % of the requests, to a collector) on. OPA: all cores, no token, no "
        "decision log. Requests and rules as above, usage none; the load comes from the same machine. Medians of "
        f"{rounds} rounds in which both take turns; ratios are medians of each round's ratio."
    )
    return Table("The sidecar's decisions beside OPA's server, under load", columns, rows, note)


def _told(pairs):
    opa, ours = zip(*pairs, strict=True)
    for side in (opa, ours):
        for key in ("p50", "p95", "perSecond"):
            yield f"{statistics.median(figures[key] for figures in side):,.0f}"
    for key in ("p95", "perSecond"):
        yield f"{statistics.median(b[key] / a[key] for a, b in pairs):.2f}"


def _load(work, address, path, bodies, connections, seconds, token=""):
    network, _, place = address.partition(":")
    command = [
        work.load,
        "-network",
        network,
        "-address",
        place,
        "-path",
        path,
        "-bodies",
        work.folder / bodies,
    ]
    command += ["-connections", str(connections), "-seconds", str(seconds), "-token", token]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert not figures["failures"], (address, figures)
    return figures


# ---- the servers -----------------------------------------------------------------------------------------


def _opa():
    """The program that tests/services/install.sh brings, else the one on PATH."""
    library = HERE.parent / "tests" / "services" / "lib.sh"
    find = ["bash", "-c", '. "$0"; command -v opa', library]
    found = subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip()
    return found or shutil.which("opa")


@contextmanager
def _server_of_opa(work):
    port, path = _free_port(), work.folder / f"opa-{secrets.token_hex(2)}.sock"
    command = [work.opa, "run", "--server", "--addr", f"127.0.0.1:{port}", "--addr", f"unix://{path}"]
    command += ["--log-level", "error", "--disable-telemetry", "--optimize-store-for-read-speed"]
    command += ["--bundle", str(work.bundle)]
    # Of what was tried (GOGC 100, 400, off with a memory limit; one core), this is where OPA is at its best.
    with _process(command, f"http://127.0.0.1:{port}/health?bundles", GOGC="400"):
        yield _addresses(port, path)


class _Collector(ThreadingHTTPServer):
    """Takes traces, as a collector on the machine does, and counts what it was sent."""

    spans = 0

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Taking)
        self.address = f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.spans += len(self.rfile.read(int(self.headers["content-length"]))) > 0
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def _collector():
    with _Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def _sidecar(work, collector):
    port, path = _free_port(), work.folder / "maestro.sock"
    tokens = {scope: secrets.token_hex(16) for scope in ("operator", "runner")}
    settings = [f'state = "{work.folder}"', "[server]", f"port = {port}", f'socket = "{path}"']
    for scope, token in tokens.items():
        digest = hashlib.sha256(token.encode()).hexdigest()
        settings += ["[[tokens]]", f'name = "{scope}"', f'sha256 = "{digest}"', f'scopes = ["{scope}"]']
    settings += ["[tracing]", f'endpoint = "{collector.address}"', "sample = 0.01"]
    config = work.folder / "maestro.toml"
    config.write_text("\n".join(settings))
    with _process([MAESTRO, "serve", "--config", str(config)], f"http://127.0.0.1:{port}/readyz"):
        for limits in work.limits.values():
            for name, document in zip(("windows", "package-caps"), split_limits(limits), strict=True):
                _put(
                    f"http://127.0.0.1:{port}/api/limits/{name}",
                    encode_document(document),
                    tokens["operator"],
                )
        yield _addresses(port, path), tokens["runner"]


def _addresses(port, path):
    return f"tcp:127.0.0.1:{port}", f"unix:{path}"


def _put(url, body, token):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=10).close()


@contextmanager
def _process(command, ready, **environment):
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | environment
    )
    try:
        while not _answers(ready):
            assert server.poll() is None, f"{command[0]} ended with {server.returncode}"
            time.sleep(0.02)
        yield
    finally:
        server.terminate()
        server.wait(15)


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
