"""The edge: decisions while it swaps, what its cache keeps of a skewed mix, and the way to a central OPA beside it.

Everything is signed, verified, kept on disk and entered into an audit log, as in a sidecar.
"""

import json
import statistics
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec

from benchmarks.opa import DECISION, TENANTS, _cuts, _medians, _opa, _raw, _server_of_opa, _Work
from benchmarks.table import Table
from maestro.edge.verify import TrustedKey
from maestro.formats import jws
from maestro.formats.opa_bundle import canonical_tar, gzipped, read_archive
from maestro.formats.opa_signature import signed
from maestro.ports.capabilities import Capability
from maestro.ports.fetching import Fetched
from maestro.rego.engine import RegoEngine
from maestro.runtime.decisions import CacheRules, DecisionCache, EdgeDecisions
from maestro.runtime.edge import EdgeNode, EdgeParts
from maestro.runtime.edge_bundles import Loader
from maestro.runtime.edge_sources import PlainSource
from maestro.runtime.native_policy import NativeLimits
from maestro.testing.clock import VirtualClock
from maestro_adapters.clock import SystemClock
from maestro_adapters.edge_folder import EdgeFolder

PATH = ("mc", "limits", "decision")
DECIDERS = 8
ALLOW = ("mc", "limits", "allow")


def run(*, quick=False):
    """Four tables."""
    return [
        _swaps(quick=quick),
        _warm_start(quick=quick),
        _hit_ratios(quick=quick),
        *_beside_opa(quick=quick),
    ]


class _Source:
    """A bundle server without a network."""

    capabilities = frozenset({Capability.IN_MEMORY})

    def __init__(self):
        private, public = jws.generate_pem("ES256")
        self._key = jws.parse_private_key(private, "ES256")
        self.keys = [TrustedKey("bench", jws.parse_public_key(public))]
        self.number, self.body = 0, b""

    def offer(self, files, at):
        """The next revision of these files, signed."""
        self.number += 1
        roots = json.loads(files.get(".manifest", b'{"roots": ["mc"]}'))["roots"]
        manifest = json.dumps({"revision": str(self.number), "roots": roots}).encode()
        claims = {"iat": int(at.timestamp())}
        self.body = gzipped(
            canonical_tar(signed(files | {".manifest": manifest}, self._key, "bench", claims))
        )

    def get(self, _path, *, etag="", **_bounds):
        same = etag == str(self.number)
        return Fetched(None if same else self.body, str(self.number))


class _Log:
    """An audit log and an outbox that cost nothing, so that what is measured is the edge."""

    capabilities = frozenset({Capability.IN_MEMORY})

    def append(self, _events=None, **_entry):
        return 0


@contextmanager
def _edge(folder, engine, clock):
    source, log = _Source(), _Log()
    store = EdgeFolder(folder)
    loader = Loader(store, engine, lambda: source.keys)
    try:
        yield source, EdgeParts(store, PlainSource(source), loader, clock, log, log)
    finally:
        store.close()


def _documents(count, random):
    limits = {
        f"t{number}": {
            "maxConcurrent": 20,
            "packageCaps": {f"ns/p{n}": random.randint(1, 9) for n in range(20)},
        }
        for number in range(count)
    }
    return {"data.json": json.dumps({"mc": {"documents": limits}}).encode()}


def _input(tenant, package, seconds=60):
    return {"request": {"tenant": tenant, "package": package, "expectedSeconds": seconds}}


# ---- swaps -----------------------------------------------------------------------------------------------


def _swaps(*, quick):
    swaps, pause = (3, 0.1) if quick else (15, 0.2)
    random = Random(7)
    with (
        TemporaryDirectory(prefix="maestro-bench-") as folder,
        _edge(Path(folder), NativeLimits(), SystemClock()) as (source, parts),
    ):
        node = EdgeNode("bench", parts)
        source.offer(_documents(TENANTS, random), node.clock.wall())
        node.poll()
        times = [[] for _ in range(DECIDERS)]
        stop = threading.Event()
        threads = [threading.Thread(target=_decide, args=(node, each, stop)) for each in times]
        for thread in threads:
            thread.start()
        windows = []
        for _ in range(swaps):
            time.sleep(pause)
            source.offer(_documents(TENANTS, random), node.clock.wall())
            began = time.perf_counter_ns()
            node.poll()
            windows.append((began, time.perf_counter_ns()))
        time.sleep(pause)
        stop.set()
        for thread in threads:
            thread.join()
    inside, outside = [], []
    for began, took in (one for each in times for one in each):
        during = any(start <= began + took and began <= end for start, end in windows)
        (inside if during else outside).append(took / 1000)
    rows = [
        (name, f"{len(found):,}", *(f"{cut:,.0f}" for cut in _percentiles(found)))
        for name, found in (("outside a swap", outside), ("during a swap", inside))
    ]
    ratio = _percentiles(inside)[2] / _percentiles(outside)[2]
    mean = statistics.mean(end - start for start, end in windows) / 1e6
    note = (
        f"{DECIDERS} threads decide without a pause, {swaps} swaps of a bundle with {TENANTS} tenants; each poll verifies, "
        f"compiles, keeps on disk and swaps in {mean:.0f} ms beside them. p99 during a swap ÷ outside: **{ratio:.2f}**. "
        "The threads share one interpreter, so the tails are those of its turns."
    )
    return Table("Edge: decisions while it swaps", ("µs", "decisions", "p50", "p95", "p99"), rows, note)


def _decide(node, times, stop):
    asked = [_input(f"t{number}", f"ns/p{number % 20}") for number in range(50)]
    number = 0
    while not stop.is_set():
        given = asked[number % 50]
        began = time.perf_counter_ns()
        node.decide(ALLOW, given)
        times.append((began, time.perf_counter_ns() - began))
        number += 1


def _percentiles(found):
    cuts = statistics.quantiles(found, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


# ---- warm start ------------------------------------------------------------------------------------------


def _warm_start(*, quick):
    """From a folder to the first decision, in a process that has its imports done; no source is asked."""
    rows = []
    for tenants in (10, 200, 1000):
        with (
            TemporaryDirectory(prefix="maestro-bench-") as folder,
            _edge(Path(folder), NativeLimits(), SystemClock()) as (source, parts),
        ):
            node = EdgeNode("bench", parts)
            source.offer(_documents(tenants, Random(3)), node.clock.wall())
            node.poll()
            times = [_started(parts) for _ in range(3 if quick else 15)]
        rows.append(
            (f"{tenants}", f"{len(source.body):,}", f"{statistics.median(times):.1f}", f"{max(times):.1f}")
        )
    note = "Reads the state, verifies signature and content of the kept bundle, compiles it, answers one question."
    return Table(
        "Edge: warm start", ("tenants", "bytes of the bundle", "median ms", "longest ms"), rows, note
    )


def _started(parts):
    began = time.perf_counter_ns()
    node = EdgeNode("bench", parts)
    node.start()
    node.decide(ALLOW, _input("t0", "ns/p1"))
    return (time.perf_counter_ns() - began) / 1e6


# ---- hit ratios ------------------------------------------------------------------------------------------


def _hit_ratios(*, quick):
    """A day's mix in small: Zipf over tenants and packages, 500 questions a second, and an hour without the source."""
    count = 10_000 if quick else 100_000
    rows = []
    for skew in (1.4, 1.2, 1.1, 1.0, 0.8, 0.5):
        random, clock = Random(11), VirtualClock()
        with (
            TemporaryDirectory(prefix="maestro-bench-") as folder,
            _edge(Path(folder), NativeLimits(), clock) as (source, parts),
        ):
            node = EdgeNode("bench", parts)
            source.offer(_documents(TENANTS, random), clock.now())
            node.poll()
            for_ttl = {}
            mix = _mix(random, count, skew)
            for ttl in (5, 60):
                cache = DecisionCache(CacheRules(10_000, ttl * 10**9))
                door = EdgeDecisions(node, cache)
                for given in mix:
                    clock.advance(nanoseconds=2_000_000)
                    door.decide(PATH, given)
                for_ttl[ttl] = (cache.counts["hit"] + cache.counts["joined"]) / count
            decided = node.counts.decisions
            edge = decided["served"] / sum(decided.values())
        rows.append(
            (f"{skew}", f"{for_ttl[5] * 100:.1f} %", f"{for_ttl[60] * 100:.1f} %", f"{edge * 100:.1f} %")
        )
    note = (
        f"{count:,} questions of seed 11 over {TENANTS} tenants, 20 packages each, drawn by rank^-skew, 500 a second of virtual "
        "time, cache of 10,000. The edge's own ratio counts answers given without asking anybody; the source is away after "
        "the first bundle. What misses is evaluated in process, in microseconds, not over a network."
    )
    return Table(
        "Edge: hit ratios over the skew of the mix",
        ("skew", "decision cache, ttl 5 s", "decision cache, ttl 60 s", "answered by the edge"),
        rows,
        note,
    )


def _mix(random, count, skew):
    pairs = [(f"t{tenant}", f"ns/p{package}") for tenant in range(TENANTS) for package in range(20)]
    random.shuffle(pairs)
    inputs = [_input(*pair) for pair in pairs]
    return random.choices(inputs, [rank**-skew for rank in range(1, len(pairs) + 1)], k=count)


# ---- beside a central OPA --------------------------------------------------------------------------------


def _beside_opa(*, quick):
    opa = _opa()
    if not opa:
        return [Table("Edge beside a central OPA", ("",), [], "Not measured: opa not found.")]
    rounds, passes = (1, 1) if quick else (5, 3)
    with TemporaryDirectory(prefix="maestro-bench-") as folder, suppress(FileNotFoundError):
        work = _Work(Path(folder), opa)
        with (
            _edge(Path(folder) / "edge", RegoEngine(NativeLimits()), SystemClock()) as (source, parts),
            _server_of_opa(work) as (address, _),
            _raw(address) as ask,
        ):
            node = EdgeNode("bench", parts)
            source.offer(_planned(work), node.clock.wall())
            assert node.poll().failures == 0, node.record.refused
            plain, kept = (
                EdgeDecisions(node),
                EdgeDecisions(node, DecisionCache(CacheRules(10_000, 600 * 10**9))),
            )
            calls = {
                "central OPA over HTTP, raw kept-alive socket": ask,
                "edge, compiled plan, in process": lambda body: _answered(plain, body),
                "the same behind the decision cache": lambda body: _answered(kept, body),
            }
            for body in work.inputs[:200]:
                assert json.loads(_answered(plain, body))["result"] == json.loads(ask(body))["result"], body
            figures = {name: [] for name in calls}
            for _ in range(rounds):
                for name, call in calls.items():
                    figures[name].append(_cuts(call, work.inputs, passes))
        first = _medians(next(iter(figures.values())))
        rows = []
        for name, found in figures.items():
            p50, p95 = _medians(found)
            rows.append((name, f"{p50:.0f}", f"{p95:.0f}", f"{p95 / first[1] * 100:.1f} %"))
        note = (
            f"JSON in, JSON out, {len(work.inputs)} requests of {TENANTS} tenants in turn, the same Rego on both sides and the same "
            "answers; freshness is checked at each decision of the edge. The cache is asked for each request again and again."
        )
        return [Table("Edge beside a central OPA", ("µs", "p50", "p95", "p95 ÷ OPA's"), rows, note)]


def _planned(work):
    """The files of OPA's bundle with its plan."""
    target = work.folder / "plan.tar.gz"
    command = [work.opa, "build", "--target", "plan", "--entrypoint", DECISION.removeprefix("/v1/data/")]
    subprocess.run([*command, "--bundle", work.folder / "source", "--output", target], check=True)
    return read_archive(target.read_bytes())


def _answered(door, body):
    given = msgspec.json.decode(body)
    return msgspec.json.encode({"result": door.decide(PATH, given["input"]).value})
