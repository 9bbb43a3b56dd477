"""Stores on servers: pairs a second beside the bare operations, what a naive store lets in, and how soon waiters wake.

The servers are those of MAESTRO_POSTGRES and MAESTRO_REDIS; without them there is nothing to measure.
"""

import os
import statistics
import threading
import uuid
from time import monotonic_ns, sleep

from benchmarks.leases import OPEN, _store
from benchmarks.table import Table, interleaved, per_second
from benchmarks.wake import _threads
from maestro.ports.leases import Caps, Claim, Lease
from maestro.runtime import BlockingLimits
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments

CAP = 3
CLIENTS = 8


def run(*, quick=False):
    """Tables for the servers that are named."""
    seconds, rounds = (0.3, 1) if quick else (1.5, 5)
    tables, stores = [], {}
    if url := os.environ.get("MAESTRO_REDIS"):
        stores["Redis"] = _redis(url)
    if url := os.environ.get("MAESTRO_POSTGRES"):
        stores["PostgreSQL"] = _postgres(url)
    rows, contended, idle = [], [], []
    for name, (bare, leases, naive) in stores.items():
        pairs = {"bare": bare, "ours": _store(leases, SystemClock()), "whole": _limits(leases)}
        measured = interleaved(pairs, rounds, lambda pair: per_second(pair, seconds))
        floor = measured["bare"]
        rows += [
            (f"{name}: {what}", f"{measured[key]:,.0f}", f"{floor / measured[key]:.2f}")
            for key, what in (
                ("bare", "INSERT, DELETE (SET, DEL), no rules"),
                ("ours", f"{type(leases).__name__}"),
                ("whole", "BlockingLimits (windows, caps, waiting room)"),
            )
        ]
        for what, (take, give) in (("read, then add", naive), (type(leases).__name__, _ours(leases))):
            held, taken = _contend(take, give, seconds * 2)
            contended.append((f"{name}: {what}", f"{taken:,}", f"{held} of {CAP}"))
        limits = BlockingLimits(leases, SystemClock(), InProcessDocuments())
        waits = _threads(limits, 1, 20 if quick else 200)
        cut = statistics.quantiles(waits, n=100, method="inclusive")[98]
        idle.append((name, f"{statistics.median(waits):.2f}", f"{cut:.2f}", f"{max(waits):.2f}"))
    if rows:
        tables.append(Table("Acquire and release on servers, one client", ("", "pairs/s", "bare ÷ it"), rows))
        columns = ("", "slots taken", "most held at once")
        tables.append(Table(f"{CLIENTS} clients on a cap of {CAP}", columns, contended))
        tables.append(
            Table("Waking a waiter on servers: idle time of a freed slot", ("ms", "p50", "p99", "max"), idle)
        )
    return tables


def _limits(leases):
    limits = BlockingLimits(leases, SystemClock(), InProcessDocuments())
    limits.put(OPEN, by="bench")
    return lambda number: limits.acquire(run=f"r-{number}", tenant="acme", package="ns/a", ttl=30.0).release()


def _ours(leases):
    now = SystemClock().now()

    def take(name):
        answer = leases.acquire(Claim("contended", name, "ns/a", 30.0, now), Caps(CAP, None))
        return answer if isinstance(answer, Lease) else None

    return take, lambda name, lease: leases.release("contended", name, lease.token)


def _contend(take, give, seconds):
    """Most slots held at once, counted by the holders themselves, and how many were taken."""
    lock, held, most, taken = threading.Lock(), [0], [0], [0]
    until = monotonic_ns() + int(seconds * 1e9)

    def client(number):
        turn = 0
        while monotonic_ns() < until:
            turn += 1
            name = f"{number}-{turn}"
            slot = take(name)
            if slot is None:
                continue
            with lock:
                held[0] += 1
                taken[0] += 1
                most[0] = max(most[0], held[0])
            sleep(0.001)
            with lock:
                held[0] -= 1
            give(name, slot)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most[0], taken[0]


def _redis(url):
    import redis

    from maestro_adapters.redis import RedisLeases

    client, prefix = redis.Redis.from_url(url), uuid.uuid4().hex

    def bare(number):
        client.set(f"{prefix}:{number}", b"1", px=30_000)
        client.delete(f"{prefix}:{number}")

    def take(name):
        if client.scard(f"{prefix}:held") >= CAP:
            return None
        client.sadd(f"{prefix}:held", name)
        return name

    naive = (take, lambda name, _: client.srem(f"{prefix}:held", name))
    return bare, RedisLeases(url, prefix=prefix), naive


def _postgres(url):
    import psycopg

    from maestro_adapters.postgres import Database, PostgresLeases

    schema = f"bench_{uuid.uuid4().hex}"
    database = Database(url, schema=schema, size=CLIENTS + 2)
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(f"CREATE TABLE {schema}.bare (run text PRIMARY KEY, expires timestamptz)")
    local = threading.local()

    def own():
        if not hasattr(local, "connection"):
            local.connection = psycopg.connect(url, autocommit=True)
        return local.connection

    def bare(number):
        connection.execute(
            f"INSERT INTO {schema}.bare VALUES (%s, clock_timestamp() + interval '30 s')", (f"r-{number}",)
        )
        connection.execute(f"DELETE FROM {schema}.bare WHERE run = %s", (f"r-{number}",))

    def take(name):
        if own().execute(f"SELECT count(*) FROM {schema}.bare").fetchone()[0] >= CAP:
            return None
        own().execute(f"INSERT INTO {schema}.bare VALUES (%s, clock_timestamp())", (name,))
        return name

    def give(name, _):
        own().execute(f"DELETE FROM {schema}.bare WHERE run = %s", (name,))

    return bare, PostgresLeases(database), (take, give)
