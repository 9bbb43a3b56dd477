"""Real processes, killed at random points of acquire, renew and release: the caps hold, and no slot stays lost.

`MAESTRO_CONTENDED=1000000` tries the full number of acquires; CI does 10⁴.
"""

import multiprocessing
import os
import random
import signal
import sqlite3
import time
import warnings

import pytest

from maestro.kernel.events import Event
from maestro.kernel.instants import EPOCH
from maestro.ports.leases import Caps, Claim, Full, Lease, Release
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases, SqliteOutbox

CAPS = Caps(tenant=4, package=2)
PACKAGES = ("ns/a", "ns/b", "ns/c")
CONTENDED = int(os.environ.get("MAESTRO_CONTENDED", "10000"))
ENOUGH = 8
WORKERS = 4
TTL = 0.4

FORK = multiprocessing.get_context("fork")


def start(work, *arguments):
    process = FORK.Process(target=work, args=arguments, daemon=True)
    with warnings.catch_warnings():  # 3.12 warns of fork beside threads, and pytest-xdist has some
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL, "a worker had ended by itself, so it failed"


def told(what, number):
    """An event that says all that a replay needs."""

    def announce(lease: Lease) -> Event:
        data = {"what": what, "run": lease.run, "package": lease.package, "token": lease.token}
        data |= {"until": lease.counted_at + lease.remaining, "at": lease.counted_at}
        return Event(f"{what}-{lease.token}-{number}", "/crash", what, lease.run, EPOCH, data)

    return announce


def contend(path, number, attempts):
    """Take, sometimes renew, sometimes forget, else give back, until somebody kills us."""
    store = SqliteLeases(path)
    draw = random.Random(number)
    for turn in range(10**9):
        claim = Claim("acme", f"{number}-{turn}", draw.choice(PACKAGES), TTL, EPOCH)
        lease = store.acquire(claim, CAPS, told("acquired", turn))
        attempts[number % WORKERS] += 1
        if isinstance(lease, Full):
            continue
        if draw.random() < 0.3:
            store.renew("acme", lease.run, lease.token, TTL, told("renewed", turn))
        if draw.random() < 0.9:
            store.release("acme", lease.run, lease.token, told("released", turn))


def replay(path):
    """Go through all that happened, in order; the number of acquires and the most slots held at once."""
    live, last, acquired, most = {}, 0, 0, 0
    log, after = SqliteOutbox(path), 0
    while page := log.read(after, 10_000):
        for after, event in page:  # the last position starts the next page
            data = event.data
            live = {run: other for run, other in live.items() if other["until"] > data["at"]}
            if data["what"] == "acquired":
                same = [other for other in live.values() if other["package"] == data["package"]]
                assert len(live) < CAPS.tenant, f"over-admitted at {after}: {data} beside {live}"
                assert len(same) < CAPS.package, f"package over-admitted at {after}: {data} beside {same}"
                assert data["token"] > last, f"token {data['token']} does not follow {last}"
                last, acquired = data["token"], acquired + 1
                live[data["run"]] = data
                most = max(most, len(live))
            else:
                assert live[data["run"]]["token"] == data["token"], f"{data['what']} by a dead token: {data}"
                live.pop(data["run"])
                if data["what"] == "renewed":
                    live[data["run"]] = data
    log.close()
    return acquired, most


@pytest.mark.slow
def test_no_kill_ever_admits_one_too_many(tmp_path):
    path = tmp_path / "leases.db"
    watcher = SqliteLeases(path)
    attempts = FORK.RawArray("q", WORKERS)
    draw = random.Random(0)
    number, kills = WORKERS, 0
    workers = [start(contend, path, one, attempts) for one in range(WORKERS)]
    try:
        while sum(attempts) < CONTENDED or kills < ENOUGH:  # a fast machine has done it all after a few
            time.sleep(draw.uniform(0.005, 0.06))
            victim = draw.randrange(WORKERS)
            kill(workers[victim])
            kills += 1
            # The same residue, so that each cell of `attempts` has one writer.
            workers[victim] = start(contend, path, number - number % WORKERS + victim, attempts)
            number += WORKERS
            assert watcher.usage("acme", "ns/a").tenant <= CAPS.tenant
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    watcher.close()
    acquired, most = replay(path)
    assert kills >= ENOUGH
    assert acquired > 20
    assert most == CAPS.tenant, "the callers did not even fill the cap, so nothing was shown"
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def hold(path, caps, held):
    store = SqliteLeases(path)
    for number in range(caps.tenant):
        lease = store.acquire(Claim("acme", f"r-{number}", "ns/a", TTL, EPOCH), caps)
        assert isinstance(lease, Lease)
    held.set()
    time.sleep(3600)


@pytest.mark.parametrize("caps", [Caps(tenant=3), Caps(tenant=3, package=3)])
def test_a_crashed_holders_slot_comes_back(tmp_path, caps):
    path = tmp_path / "leases.db"
    store, clock = SqliteLeases(path), SystemClock()
    held = FORK.Event()
    holder = start(hold, path, caps, held)
    assert held.wait(30)
    kill(holder)
    died = clock.nanoseconds()
    claim = Claim("acme", "next", "ns/a", 60.0, EPOCH)
    assert isinstance(store.acquire(claim, caps), Full), "the slot was free before its time"
    while isinstance(store.acquire(claim, caps), Full):
        time.sleep(0.01)
        assert (clock.nanoseconds() - died) / 1e9 < TTL + 1, "the slot of a crashed holder is lost"
    assert store.release("acme", "r-0", 1) is Release.ABSENT
    store.close()


def write_documents(path, number):
    store = SqliteDocuments(path)
    for turn in range(10**9):
        store.put(
            "windows",
            "acme",
            f"{number}-{turn}".encode() * 500,
            expected=None,
            changed_by="ann",
            changed_at=EPOCH,
            announce=lambda document: Event(f"{document.version}", "/crash", "put", "acme", EPOCH, {}),
        )


def test_no_kill_tears_a_document_from_its_event(tmp_path):
    path = tmp_path / "documents.db"
    store = SqliteDocuments(path)
    draw = random.Random(1)
    for number in range(8):
        worker = start(write_documents, path, number)
        while store.get("windows", "acme") is None:
            time.sleep(0.001)
        time.sleep(draw.uniform(0.02, 0.08))
        kill(worker)
    versions = [document.version for document in store.history("windows", "acme", 10**6)]
    events = [int(event.id) for _, event in SqliteOutbox(path).read(0, 10**6)]
    assert events == versions[::-1] == list(range(1, len(versions) + 1))
    assert store.generation() == len(versions) > 8
    store.close()
