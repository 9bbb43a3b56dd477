"""Real PostgreSQL, Kafka and Debezium for the lake's tests, each of which may be killed, and a source that changes."""

import datetime as dt
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg

from maestro.kernel.errors import BadInputError
from maestro_adapters.delta import DeltaLake

SERVICES = Path(__file__).parents[1] / "services"
VICTIM = Path(__file__).parent / "victim.py"
TABLE = "public.executions"
COLUMNS = "id, tenant, status, cost, created_at, body, n"
LIMIT = int(os.environ.get("MAESTRO_CDC_LIMIT", "120"))
"""Seconds to wait for something that must come."""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def wait_for(what, condition, seconds=LIMIT):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


class Servers:
    """Servers of one test group in a folder of their own, on fixed ports, so that a killed one comes back."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: free_port() for name in ("postgres", "kafka", "controller")}
        self.addresses = {}

    def up(self, name, *arguments):
        environment = os.environ | {
            "SERVICES_DIR": str(self.folder),
            "PORT": self.ports.get(name, ""),
            "CONTROLLER_PORT": self.ports["controller"],
        }
        done = subprocess.run(
            [SERVICES / f"up-{name}.sh", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or [f"up-{name}.sh failed"])[-1])
        self.addresses[name] = done.stdout.strip()
        return self.addresses[name]

    def kill(self, name):
        """`kill -9`, also of the server's children: PostgreSQL's would keep its memory from its successor."""
        pid = int((self.folder / name / "pid").read_text().split("\n")[0])
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for each in (pid, *children):
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_for(f"the end of {name}", lambda: not any(map(alive, (pid, *children))))

    def down(self):
        environment = os.environ | {"SERVICES_DIR": str(self.folder), "SERVICES_PURGE": "1"}
        subprocess.run([SERVICES / "down.sh"], env=environment, check=True, capture_output=True)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Origin:
    """A table in PostgreSQL that random transactions change."""

    def __init__(self, address, seed):
        self.address, self.random = address, random.Random(seed)
        self.renamed = 0
        with self.connect() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
            connection.execute(
                f"CREATE TABLE {TABLE} (id text PRIMARY KEY, tenant text NOT NULL, status text, "
                "cost numeric(10,2), created_at timestamptz, body text, n integer)"
            )

    def connect(self):
        return psycopg.connect(self.address, autocommit=True, connect_timeout=5)

    def rows(self):
        with self.connect() as connection:
            return sorted(connection.execute(f"SELECT {COLUMNS} FROM {TABLE}").fetchall())

    def change(self, connection):
        """One transaction: inserts, updates, deletes, rows that get another key, keys that come back, a rollback."""
        dice = self.random
        with connection.transaction(force_rollback=dice.random() < 0.05):
            for _ in range(dice.randint(1, 20)):
                self.change_row(connection, f"r-{dice.randint(1, 400)}", dice.random())

    def change_row(self, connection, key, kind):
        dice = self.random
        if kind < 0.6:
            made = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=dice.randint(0, 10**6))
            row = (
                key,
                f"t{dice.randint(1, 5)}",
                dice.randint(0, 99999) / 100,
                made,
                "x" * dice.randint(0, 50),
            )
            connection.execute(
                f"INSERT INTO {TABLE} AS t VALUES (%s, %s, 'queued', %s, %s, %s, 0) ON CONFLICT (id) "
                "DO UPDATE SET status = 'running', n = t.n + 1, cost = excluded.cost",
                row,
            )
        elif kind < 0.8:
            connection.execute(f"UPDATE {TABLE} SET n = n + 1, status = 'done' WHERE id = %s", (key,))
        elif kind < 0.97:
            connection.execute(f"DELETE FROM {TABLE} WHERE id = %s", (key,))
        else:
            self.renamed += 1
            connection.execute(f"UPDATE {TABLE} SET id = %s WHERE id = %s", (f"n-{self.renamed}", key))

    def busy(self, stop):
        """Change it until told to stop, through whatever happens to the server."""
        while not stop.is_set():
            try:
                with self.connect() as connection:
                    while not stop.is_set():
                        self.change(connection)
                        stop.wait(0.03)
            except psycopg.Error:
                stop.wait(0.1)


class Busy:
    """Around a block: the source changes all the while."""

    def __init__(self, origin):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=origin.busy, args=(self.stop,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Victim:
    """A follower in a process of its own, which kills itself at a point of its work."""

    def __init__(self, *arguments, log, kill_at="", command="follow"):
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(VICTIM), "lake", command, *arguments],
                env=os.environ | {"MAESTRO_KILL_AT": kill_at},
                stdout=out,
                stderr=out,
            )

    def wait_killed(self):
        code = self.process.wait(LIMIT)
        assert code == -signal.SIGKILL, f"ended with {code}: {self.log.read_text()[-2000:]}"

    def stop(self):
        """The graceful end."""
        self.process.terminate()
        self.wait()

    def wait(self):
        code = self.process.wait(LIMIT)
        assert code == 0, self.log.read_text()[-2000:]


def table_rows(path):
    """The table's live rows as PostgreSQL gives them; None while there is no table."""
    try:
        table = DeltaLake.open(path)
    except BadInputError:
        return None
    try:
        rows = table.read(COLUMNS.split(", ")).to_pylist()
    finally:
        table.close()
    return sorted(tuple(row.values()) for row in rows)
