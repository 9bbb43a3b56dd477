"""A policy in process beside OPA's server, OPA's Wasm, the rego-cpp binding and Python by hand: JSON in, JSON out.

Wasm and the binding take part when ``wasmtime`` and ``regopy`` can be imported; they are no dependency of ours.
"""

import json
import re
import statistics
import subprocess
import threading
import time
import tracemalloc
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from benchmarks.opa import _free_port, _opa, _process
from benchmarks.rego_policies import POLICIES
from benchmarks.table import Table
from maestro.rego import Limits, Program


def run(*, quick=False):
    """Two tables: times, and what a program costs before it answers."""
    opa = _opa()
    if not opa:
        return [Table("Rego in process beside OPA", ("",), [], "Not measured: opa not found.")]
    rows, costs, notes = [], [], set()
    with TemporaryDirectory(prefix="maestro-rego-") as folder:
        for number, make in enumerate(POLICIES):
            place = Path(folder) / str(number)
            place.mkdir()
            work = _Work(make(), place, opa)
            rows += work.rows(notes, quick=quick)
            costs.append(work.cost())
    columns = ("µs", "p50", "p95", "p50 ÷ OPA's", "p95 ÷ OPA's", "p50 ÷ by hand")
    note = (
        "One raw kept-alive socket to OPA; all of ours with every limit, a deadline by the machine's clock included, but for "
        "the row that says so. Equal answers before any measuring, and medians over interleaved rounds. "
        "`opa bench` is Go's own mean without a hop; it tells no quantiles, so its mean stands for p50. "
        + " ".join(sorted(notes))
    )
    cost = Table(
        "A Rego program before it answers",
        ("policy", "rules", "compile ms", "ms a rule", "source lines", "program KiB", "data KiB"),
        costs,
        "Compiling is reading the plan, analysis, source and Python's own compiler. Memory as tracemalloc counts it.",
    )
    return [Table("Rego in process beside OPA", columns, rows, note), cost]


class _Work:
    """One policy, ready for all contenders."""

    def __init__(self, policy, folder, opa):
        self.policy, self.folder, self.opa = policy, folder, opa
        source = folder / "source"
        source.mkdir()
        for name, text in policy.modules.items():
            (source / name).write_text(text, encoding="utf-8")
        (source / "data.json").write_text(json.dumps(policy.data), encoding="utf-8")
        for target in ("plan", "wasm", "rego"):
            command = [
                opa,
                "build",
                "--target",
                target,
                "--entrypoint",
                policy.rule,
                "--bundle",
                source,
                "--output",
                folder / f"{target}.tar.gz",
            ]
            subprocess.run(command, check=True)
        self.bundle = (folder / "plan.tar.gz").read_bytes()
        self.program = Program.from_bundle(self.bundle)
        self.bodies = [json.dumps(one).encode() for one in policy.inputs]
        self.path = tuple(policy.rule.split("/"))

    def ours(self, body):
        limits = Limits(deadline=time.monotonic() + 1)
        return self.program.evaluate_json(self.path, body, None, 0, limits=limits, monotonic=time.monotonic)

    def ours_without_deadline(self, body):
        return self.program.evaluate_json(self.path, body, None, 0)

    def by_hand(self, body):
        return msgspec.json.encode(self.policy.python(msgspec.json.decode(body)))

    def rows(self, notes, *, quick):
        rounds = 1 if quick else 5
        with ExitStack() as stack:
            contenders = {"OPA's server": stack.enter_context(self.server())}
            for name, make in (("Wasm in wasmtime", self.wasm), ("rego-cpp binding", self.binding)):
                try:
                    contenders[name] = make()
                except ImportError as error:
                    notes.add(f"{name}: not measured, {error}.")
            contenders |= {
                "ours": self.ours,
                "ours without deadline": self.ours_without_deadline,
                "Python by hand": self.by_hand,
            }
            for name in list(contenders):
                try:
                    wrong = self.differs(contenders[name])
                except Exception as error:  # noqa: BLE001 - a peer that cannot run this is told, and left out
                    wrong = f"{type(error).__name__}: {error}"
                if wrong:
                    notes.add(f"{name} on {self.policy.title}: {wrong}.")
                    del contenders[name]
            times = {name: [] for name in contenders}
            for _ in range(rounds):
                for name, ask in contenders.items():
                    times[name].append(_cuts(ask, self.bodies, slow=name == "rego-cpp binding"))
            figures = {
                name: [statistics.median(cut[place] for cut in cuts) for place in (0, 1)]
                for name, cuts in times.items()
            }
        figures["ours, 8 threads"] = self.threads(quick=quick)
        opa, hand = figures["OPA's server"], figures["Python by hand"]
        rows = [(f"**{self.policy.title}**", "", "", "", "", "")]
        for name, (p50, p95) in figures.items():
            rows.append(
                (
                    name,
                    _told(p50),
                    _told(p95),
                    f"{p50 / opa[0] * 100:.1f} %",
                    f"{p95 / opa[1] * 100:.1f} %",
                    f"{p50 / hand[0]:.1f}",
                )
            )
        rows.append(("`opa bench` (mean)", _told(self.bench()), "", "", "", ""))
        return rows

    def differs(self, ask):
        """Figures of contenders that say different things would compare nothing."""
        bad = 0
        for body, asked in zip(self.bodies, self.policy.inputs, strict=True):
            answer = json.loads(ask(body))
            answer = answer["result"] if isinstance(answer, dict) and set(answer) == {"result"} else answer
            bad += _sorted(answer) != _sorted(self.policy.python(asked))
        return f"{bad} of {len(self.bodies)} answers differ" if bad else ""

    def threads(self, *, quick):
        """Times of single calls while 8 threads ask; each waits for the interpreter's lock too."""
        times, count = [], 1 if quick else 3

        def ask():
            mine = []
            for _ in range(count):
                for body in self.bodies[:250]:
                    began = time.perf_counter_ns()
                    self.ours(body)
                    mine.append((time.perf_counter_ns() - began) / 1000)
            times.extend(mine)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cuts = statistics.quantiles(times, n=20)
        return cuts[9], cuts[18]

    @contextmanager
    def server(self):
        port = _free_port()
        command = [
            self.opa,
            "run",
            "--server",
            "--addr",
            f"127.0.0.1:{port}",
            "--log-level",
            "error",
            "--disable-telemetry",
        ]
        command += ["--optimize-store-for-read-speed", "--bundle", str(self.folder / "rego.tar.gz")]
        with (
            _process(command, f"http://127.0.0.1:{port}/health?bundles", GOGC="400"),
            _socket(port, self.policy.rule) as ask,
        ):
            yield ask

    def wasm(self):
        from benchmarks.rego_wasm import WasmPolicy

        return WasmPolicy(self.folder / "wasm.tar.gz", self.policy.data).ask

    def binding(self):
        from regopy import Interpreter

        interpreter = Interpreter()
        for name, text in self.policy.modules.items():
            interpreter.add_module(
                name,
                "import rego.v1\n".join(re.split(r"(?<=\n)", text, maxsplit=1))
                if "import rego" not in text
                else text,
            )
        interpreter.add_data_json(json.dumps(self.policy.data))
        query = "data." + self.policy.rule.replace("/", ".")

        def ask(body):
            interpreter.set_input_term(body.decode())
            return json.dumps(json.loads(str(interpreter.query(query)))["expressions"][0]).encode()

        return ask

    def bench(self):
        """Nanoseconds a question as ``opa bench`` finds them, in µs; the first input."""
        query, file = "data." + self.policy.rule.replace("/", "."), self.folder / "input.json"
        file.write_bytes(self.bodies[0])
        command = [
            self.opa,
            "bench",
            "--format",
            "json",
            "--count",
            "1",
            "--bundle",
            self.folder / "rego.tar.gz",
            "--input",
            file,
            query,
        ]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found = found[0] if isinstance(found, list) else found
        return found["T"] / found["N"] / 1000

    def cost(self):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            Program.from_bundle(self.bundle)
            times.append((time.perf_counter() - began) * 1000)
        tracemalloc.start()
        empty = tracemalloc.get_traced_memory()[0]
        program = Program.from_bundle(self.bundle)
        both = tracemalloc.get_traced_memory()[0] - empty
        before = tracemalloc.get_traced_memory()[0]
        again = program.prepare(json.dumps(self.policy.data).encode())
        data = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert again.document
        rules, spent = program.compiled.rules, statistics.median(times)
        lines = program.source.count("\n")
        return (
            self.policy.title,
            str(rules),
            f"{spent:.1f}",
            f"{spent / rules:.2f}",
            str(lines),
            f"{max(both - data, 0) / 1024:.0f}",
            f"{data / 1024:.0f}",
        )


def _told(microseconds):
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.1f}"


def _sorted(value):
    if isinstance(value, dict):
        return {name: _sorted(item) for name, item in value.items()}
    return (
        sorted(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
    )


def _cuts(ask, bodies, *, slow):
    bodies = bodies[:50] if slow else bodies
    for body in bodies[: len(bodies) // 4]:
        ask(body)
    times = []
    for body in bodies:
        began = time.perf_counter_ns()
        ask(body)
        times.append((time.perf_counter_ns() - began) / 1000)
    cuts = statistics.quantiles(times, n=20)
    return cuts[9], cuts[18]


@contextmanager
def _socket(port, rule):
    import socket

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(body):
            asked = b'{"input":' + body + b"}"
            head = f"POST /v1/data/{rule} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(asked)}\r\n\r\n"
            connection.sendall(head.encode() + asked)
            answer = connection.recv(65536)
            head, _, text = answer.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(text) < length:
                text += connection.recv(65536)
            return text

        yield ask
