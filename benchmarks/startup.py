"""What it costs to begin: importing, the command line's help, a sidecar that answers and the memory it holds."""

import json
import os
import signal
import statistics
import subprocess
import sys
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

from benchmarks.table import Table

# As users run it: compiled modules are kept, whatever this shell was told.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
MAESTRO = str(Path(sys.executable).parent / "maestro")


def run(*, quick=False):
    """Medians in ms and MB."""
    rounds = 3 if quick else 15
    bare = _median([sys.executable, "-c", "pass"], rounds)
    rows = []
    for name, command in {
        "`import maestro`": [sys.executable, "-c", "import maestro"],
        "`import maestro.runtime`": [sys.executable, "-c", "import maestro.runtime"],
        "`maestro --help`": [MAESTRO, "--help"],
        "`maestro limits explain --help`": [MAESTRO, "limits", "explain", "--help"],
    }.items():
        taken = _median(command, rounds)
        rows.append((name, f"{taken:.0f}", f"{taken - bare:.0f}"))
    ready, resident = _sidecar(3 if quick else 7)
    rows.append(("sidecar: started to `/readyz` 200", f"{ready:.0f}", f"{ready - bare:.0f}"))
    rows.insert(0, ("bare Python", f"{bare:.0f}", "0"))
    note = f"Resident memory of the sidecar when ready: {resident:.0f} MB."
    return Table("Start", ("ms, median", "whole process", "above bare Python"), rows, note)


def _median(command, rounds):
    times = []
    for _ in range(rounds + 1):
        began = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        times.append((perf_counter() - began) * 1000)
    return statistics.median(times[1:])


def _sidecar(rounds):
    times, memory = [], []
    for _ in range(rounds):
        with TemporaryDirectory() as folder:
            port = _free_port()
            command = [
                MAESTRO,
                "serve",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--store",
                f"{folder}/limits.db",
            ]
            environment = {**ENVIRONMENT, "HOME": folder, "XDG_STATE_HOME": folder, "XDG_DATA_HOME": folder}
            began = perf_counter()
            server = subprocess.Popen(
                command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment
            )
            while not _answers(f"http://127.0.0.1:{port}/readyz"):
                sleep(0.005)
            times.append((perf_counter() - began) * 1000)
            status = Path(f"/proc/{server.pid}/status")
            if status.exists():
                memory.append(int(status.read_text().split("VmRSS:")[1].split()[0]) / 1024)
            server.send_signal(signal.SIGTERM)
            server.wait(10)
    return statistics.median(times), statistics.median(memory or [float("nan")])


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def _free_port():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


if __name__ == "__main__":
    print(json.dumps(run(quick=True).rows))
