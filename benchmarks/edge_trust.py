"""A bundle from the wire to trusted: full and by delta, beside a real OPA that verifies and activates the same bundles.

Ours: bytes in, verdict out, data parsed and merged; for a delta also applying it. OPA: from the last byte that its request
was sent to the first answer by the new data, asked over a kept-alive connection without a pause. Rounds are interleaved.
"""

import http.client
import json
import shutil
import socket
import statistics
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.table import Table
from maestro.edge import delta
from maestro.edge.verify import TrustedKey, verify_archive, verify_files
from maestro.formats import jws
from maestro.formats.opa_bundle import bundle_of, canonical_tar, gzipped, read_archive, read_bundle
from maestro.formats.opa_signature import signed
from maestro_sidecar.static_server import StaticServer

SIZES = (("100 KB", 900), ("10 MB", 90_000))
CHANGED = 5
AT = datetime(2026, 3, 30, tzinfo=UTC)


def run(*, quick=False):
    """Two tables: times, and bytes moved."""
    private, public = jws.generate_pem("ES256")
    key = jws.parse_private_key(private)
    rounds = 2 if quick else 4
    times, moved = [], []
    opa = _opa()
    for label, users in SIZES[: 1 if quick else 2]:
        bundles = _bundles(users, key, rounds + 1)
        found = _measured(bundles, key, opa, public)
        full, by_delta, theirs = (statistics.median(each) * 1000 if each else None for each in found)
        ratio = f"{full / theirs:.2f}" if theirs else "-"
        by = f"{by_delta / theirs:.2f}" if theirs else "-"
        shown = f"{theirs:.1f} ms" if theirs else "not measured"
        times.append((label, f"{full:.1f} ms", f"{by_delta:.1f} ms", shown, ratio, by))
        moved.append(_bytes(label, bundles))
    note = (
        "" if opa else "OPA not measured: not found. `tests/services/install.sh opa` brings it; it needs go."
    )
    return [
        Table("A policy bundle verified and read, beside OPA's activation", ("data", "ours, full", "ours, delta", f"OPA{_version(opa)}", "full ÷ OPA", "delta ÷ OPA"), times, note),
        Table("Bytes moved for a bundle of which five values changed", ("data", "archive", "full, gzip", "delta", "full ÷ delta", "delta made in"), moved, "Both are signed whole; `zstd --patch-from` applies the delta too."),
    ]  # fmt: skip


def _bundles(users, key, count):
    """As many revisions as asked for, each five values away from the one before."""
    random = Random(5)
    data = {
        f"user-{number}": {"roles": [random.choice("abcdef") for _ in range(4)], "cap": random.randrange(10**9), "id": f"{random.getrandbits(128):032x}"}
        for number in range(users)
    }  # fmt: skip
    made = []
    for number in range(1, count + 1):
        for name in random.sample(sorted(data), CHANGED):
            data[name]["cap"] = random.randrange(10**9)
        files = {
            ".manifest": json.dumps({"revision": str(number), "roots": ["limits"]}).encode(),
            "limits/data.json": json.dumps({"n": number, "users": data}).encode(),
            "limits/limits.rego": b"package limits.rules\n\nallow if input.user in data.limits.users\n",
        }
        made.append(gzipped(canonical_tar(signed(files, key, "default", {"iat": 0}))))
    return made


def _measured(bundles, key, opa, public):
    """Seconds of each round: ours full, ours by delta, OPA's."""
    keys = [TrustedKey("default", key.public)]
    full, by_delta, theirs = [], [], []
    with _served(bundles[0], opa, public) as activate:
        for before, after in pairwise(bundles):
            began = time.perf_counter()
            assert verify_archive(after, keys, at=AT).trusted
            full.append(time.perf_counter() - began)
            base, made = read_archive(before), delta.make(read_bundle(before), read_bundle(after))
            began = time.perf_counter()
            assert verify_files(read_archive(delta.apply(base, made)), keys, at=AT).trusted
            by_delta.append(time.perf_counter() - began)
            if activate:
                theirs.append(activate(after))
    return full, by_delta, theirs


def _bytes(label, bundles):
    before, after = (bundle_of(read_archive(bundle)) for bundle in bundles[:2])
    began = time.perf_counter()
    made = delta.make(before, after)
    seconds = time.perf_counter() - began
    plain, packed = len(canonical_tar(after.files)), len(bundles[1])
    return (label, f"{plain:,}", f"{packed:,}", f"{len(made):,}", f"{packed / len(made):,.0f}", f"{seconds * 1000:.0f} ms")  # fmt: skip


# ---- a real OPA ------------------------------------------------------------------------------------------


def _opa():
    found = shutil.which("opa") or "/var/cache/maestro-services/bin/opa"
    return found if Path(found).exists() else None


def _version(opa):
    if not opa:
        return ""
    told = subprocess.run([opa, "version"], capture_output=True, text=True, check=True).stdout
    return f" {told.splitlines()[0].rpartition(' ')[2]}"


@contextmanager
def _served(first, opa, public):
    """A function that serves OPA the next bundle and gives its seconds from the last byte sent to deciding by it."""
    if not opa:
        yield None
        return
    with TemporaryDirectory(prefix="maestro-bench-") as name:
        folder = Path(name)
        (folder / "site").mkdir()
        (folder / "site" / "b.tar.gz").write_bytes(first)
        server = _watched(folder / "site")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        config = {
            "services": {"site": {"url": server.address}},
            "keys": {"default": {"key": public.decode(), "algorithm": "ES256"}},
            "bundles": {"b": {"service": "site", "resource": "b.tar.gz", "signing": {}, "polling": {"min_delay_seconds": 1, "max_delay_seconds": 1}}},
        }  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [opa, "run", "--server", f"--addr=127.0.0.1:{port}", f"--config-file={folder / 'config.json'}", "--log-level=error", "--skip-version-check"]  # fmt: skip
        process = subprocess.Popen(command)
        try:
            number = _wait(port, 0)

            def activate(bundle):
                nonlocal number
                (folder / "new").write_bytes(bundle)
                (folder / "new").replace(folder / "site" / "b.tar.gz")
                number = _wait(port, number)
                return time.perf_counter() - server.sent

            yield activate
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
            server.server_close()


def _watched(folder):
    """A server that remembers when it had sent the last byte of a bundle."""
    server = StaticServer(folder)

    class Watched(server.RequestHandlerClass):
        def send_response(self, code, message=None):
            self.fresh = int(code) == 200
            super().send_response(code, message)

        def handle_one_request(self):
            self.fresh = False
            super().handle_one_request()
            if self.fresh:
                server.sent = time.perf_counter()

    server.RequestHandlerClass = Watched
    server.sent = 0.0
    return server


def _wait(port, known):
    """The number in the data that OPA serves, as soon as it is another one."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            while time.monotonic() < end:
                connection.request("GET", "/v1/data/limits/n")
                found = json.loads(connection.getresponse().read()).get("result", 0)
                if found != known:
                    connection.close()
                    return found
                time.sleep(0.002)
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("OPA did not activate the bundle")
