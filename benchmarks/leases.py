"""Acquire and release: pairs a second with all our rules, beside the bare store operations without them."""

import json
import sqlite3
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic

from benchmarks.decision import LIMITS
from benchmarks.table import Table, interleaved, per_second
from maestro.ports.leases import Caps, Claim
from maestro.runtime import BlockingLimits
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases, InProcessOutbox
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases

OPEN = {**LIMITS, "allowedWindows": [{"start": "00:00", "end": "00:00"}], "startCutoffSeconds": 0}
CAPS = Caps(20, 2)
CAPPED = "with a cap"
"""What the figures of others are for: counts what is held and not expired, and gives a token; no rules, no events."""


def run(*, quick=False):
    """Pairs a second by store."""
    seconds, rounds = (0.2, 1) if quick else (1.0, 5)
    tables = []
    with TemporaryDirectory() as folder:
        measured = interleaved(_in_process(), rounds, lambda pair: per_second(pair, seconds))
        tables.append(_table("Acquire and release in process", measured))
        measured = interleaved(_on_sqlite(Path(folder)), rounds, lambda pair: per_second(pair, seconds))
        tables.append(_table("Acquire and release on SQLite, one client", measured))
        tables.append(_contended(Path(folder), seconds * 2, 1 if quick else 3))
    return tables


def _table(title, measured):
    """With the first row, and with the second where it is a bare store that at least keeps a cap, as the floor."""
    bare, second = list(measured.values())[:2]
    floors = (bare, second) if CAPPED in list(measured)[1] else (bare,)
    rows = [
        (name, f"{rate:,.0f}", *(f"{floor / rate:.2f}" for floor in floors))
        for name, rate in measured.items()
    ]
    return Table(title, ("", "pairs/s", "bare ÷ it", f"bare {CAPPED} ÷ it")[: 2 + len(floors)], rows)


def _in_process():
    lock, held, clock = Lock(), {}, SystemClock()

    def bare(number):
        key = ("acme", f"r-{number}")
        with lock:
            held[key] = monotonic() + 30
        with lock:
            del held[key]

    slots, tokens = {}, count()

    def capped(number):
        run = f"r-{number}"
        with lock:
            now = monotonic()
            if len([1 for until, _ in slots.values() if until > now]) < 20:
                token = next(tokens)
                slots[run] = (now + 30, token)
        with lock:
            if slots[run][1] == token:
                del slots[run]

    def limits(outbox):
        documents = InProcessDocuments()
        limits = BlockingLimits(InProcessLeases(clock, outbox), clock, documents)
        limits.put(OPEN, by="bench")

        def pair(number):
            limits.acquire(run=f"r-{number}", tenant="acme", package="ns/a", ttl=30.0).release()

        return pair

    return {
        "lock + dict, no rules": bare,
        f"lock + dict {CAPPED}": capped,
        "InProcessLeases": _store(InProcessLeases(clock), clock),
        "BlockingLimits (windows, caps, explanation)": limits(None),
        "BlockingLimits with events": limits(InProcessOutbox(10_000)),
    }


def _store(store, clock):
    now = clock.now()

    def pair(number):
        lease = store.acquire(Claim("acme", f"r-{number}", "ns/a", 30.0, now), CAPS)
        store.release("acme", lease.run, lease.token)

    return pair


def _on_sqlite(folder):
    clock = SystemClock()
    path = folder / "ours.db"
    leases = SqliteLeases(path)
    limits = BlockingLimits(leases, clock, SqliteDocuments(leases.database))
    limits.put(OPEN, by="bench")
    quiet = SqliteLeases(folder / "quiet.db", events=False)
    without = BlockingLimits(quiet, clock, SqliteDocuments(quiet.database))
    without.put(OPEN, by="bench")

    def through(limits):
        return lambda number: limits.acquire(
            run=f"r-{number}", tenant="acme", package="ns/a", ttl=30.0
        ).release()

    return {
        "INSERT, DELETE, no rules": bare_sqlite(folder / "bare.db"),
        f"INSERT, DELETE {CAPPED}": _capped_sqlite(folder / "capped.db"),
        "SqliteLeases, no events": _store(SqliteLeases(folder / "store.db", events=False), clock),
        "BlockingLimits, no events": through(without),
        "BlockingLimits with events": through(limits),
    }


def bare_sqlite(path):
    """What a lease costs when nothing is asked: a row in, a row out, one transaction each."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=NORMAL",
        "CREATE TABLE IF NOT EXISTS held (tenant TEXT, run TEXT, expires INTEGER, PRIMARY KEY (tenant, run)) WITHOUT ROWID",
    ):
        connection.execute(statement)

    def pair(number):
        for statement, values in (
            ("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", ("acme", f"r-{number}", int(monotonic()) + 30)),
            ("DELETE FROM held WHERE tenant = ? AND run = ?", ("acme", f"r-{number}")),
        ):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(statement, values)
            connection.execute("COMMIT")

    return pair


def _capped_sqlite(path):
    """The same with a count before the row goes in."""
    bare_sqlite(path)
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("PRAGMA synchronous=NORMAL")

    def pair(number):
        now = int(monotonic())
        connection.execute("BEGIN IMMEDIATE")
        (live,) = connection.execute(
            "SELECT count(*) FROM held WHERE tenant = ? AND expires > ?", ("acme", now)
        ).fetchone()
        if live < 20:
            connection.execute("INSERT INTO held VALUES (?, ?, ?)", ("acme", f"r-{number}", now + 30))
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM held WHERE tenant = ? AND run = ?", ("acme", f"r-{number}"))
        connection.execute("COMMIT")

    return pair


def _contended(folder, seconds, rounds):
    def bare(_):
        return _together(_bare_client, folder / "bare-8.db", seconds)

    def ours(_):
        return _together(_our_client, folder / "ours-8.db", seconds)

    measured = interleaved(
        {"INSERT, DELETE, no rules": bare, "BlockingLimits with events": ours}, rounds, lambda f: f(0)
    )
    return _table("Acquire and release on SQLite, 8 processes on one file", measured)


def _together(client, path, seconds):
    context = get_context("spawn")
    with context.Pool(8) as pool:
        pool.map(_ready, range(8), chunksize=1)
        return sum(pool.starmap(client, [(str(path), seconds, number) for number in range(8)], chunksize=1))


def _ready(_):
    return json.__name__  # the pool's processes are up before the clock starts


def _bare_client(path, seconds, number):
    pair = bare_sqlite(Path(path))
    return per_second(lambda count: pair(f"{number}-{count}"), seconds)


def _our_client(path, seconds, number):
    leases = SqliteLeases(path)
    limits = BlockingLimits(leases, SystemClock(), SqliteDocuments(leases.database))

    def pair(count):
        slot = limits.acquire(run=f"r-{number}-{count}", tenant="acme", package="ns/a", ttl=30.0)
        slot.release()

    return per_second(pair, seconds)
