"""How long a freed slot stays idle while somebody waits: from the release to the waiter's return from acquire."""

import statistics
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic_ns, sleep

from benchmarks.table import Table
from maestro.runtime import BlockingLimits
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases

_OTHER_PROCESS = """
import sys
from time import monotonic_ns
from benchmarks.wake import on_sqlite
limits = on_sqlite(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    slot = limits.acquire(run=line.strip(), tenant="acme", package="ns/a", wait=30)
    print(monotonic_ns(), flush=True)
    sys.stdin.readline()
    slot.release()
    print("released", flush=True)
"""


def on_sqlite(path):
    return BlockingLimits(SqliteLeases(path), SystemClock(), SqliteDocuments(path))


def run(*, quick=False):
    """p50 and p99 in ms by store."""
    rounds = 20 if quick else 300
    rows = []
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "limits.db"))
        shared = on_sqlite(path)
        for name, idle in (
            (
                "in process, 1 waiting",
                _threads(BlockingLimits(InProcessLeases(), SystemClock(), InProcessDocuments()), 1, rounds),
            ),
            (
                "in process, 100 waiting",
                _threads(BlockingLimits(InProcessLeases(), SystemClock(), InProcessDocuments()), 100, rounds),
            ),
            ("SQLite, another process", _processes(shared, path, rounds)),
        ):
            cuts = statistics.quantiles(idle, n=100, method="inclusive")
            rows.append((name, f"{statistics.median(idle):.2f}", f"{cuts[98]:.2f}", f"{max(idle):.2f}"))
    note = "A waiter in another process than the holder's hears of the release by looking at the file every 10 ms."
    return Table("Waking a waiter: idle time of a freed slot", ("ms", "p50", "p99", "max"), rows, note)


def _threads(limits, crowd, rounds):
    limits.put({"tenant": "acme", "maxConcurrent": 1}, by="bench")
    idle, released = [], [0]
    first = limits.acquire(run="first", tenant="acme", package="ns/a")
    each = -(-rounds // crowd)

    def work(name):
        for number in range(each):
            slot = limits.acquire(run=f"{name}-{number}", tenant="acme", package="ns/a", wait=60)
            idle.append((monotonic_ns() - released[0]) / 1e6)
            sleep(0.002)
            released[0] = monotonic_ns()
            slot.release()

    threads = [threading.Thread(target=work, args=(f"w-{number}",)) for number in range(crowd)]
    for thread in threads:
        thread.start()
    sleep(0.5)
    released[0] = monotonic_ns()
    first.release()
    for thread in threads:
        thread.join()
    limits.close()
    return idle


def _processes(limits, path, rounds):
    limits.put({"tenant": "acme", "maxConcurrent": 1}, by="bench")
    other = subprocess.Popen(
        [sys.executable, "-c", _OTHER_PROCESS, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    other.stdout.readline()
    idle = []
    for number in range(rounds):
        slot = limits.acquire(run=f"here-{number}", tenant="acme", package="ns/a", wait=10)
        print(f"there-{number}", file=other.stdin, flush=True)
        while not limits.leases.waiting_room().queue("acme"):
            sleep(0.001)
        sleep(0.003 + number % 10 / 1000)  # anywhere between two looks
        released = monotonic_ns()
        slot.release()
        idle.append((int(other.stdout.readline()) - released) / 1e6)
        print("go on", file=other.stdin, flush=True)
        other.stdout.readline()
    other.stdin.close()
    other.wait(10)
    limits.close()
    return idle
