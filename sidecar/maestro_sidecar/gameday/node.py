"""A node of a fleet, as a process: threads that take slots on a shared store, hold them, and give them back.

What it does is told on stdin as one JSON line; it ends when stdin does, so none outlives its drill.
"""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack

import msgspec

from maestro.kernel.errors import PortError
from maestro.limits.decision import Decision
from maestro.ports.documents import DocumentStore
from maestro.ports.leases import LeaseStore
from maestro.runtime import BlockingLimits
from maestro.runtime.slots import Slot
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments
from maestro_sidecar.gameday.servers import Server, open_documents, open_leases
from maestro_sidecar.gameday.witness import Holder

__all__ = ["PACKAGE", "TENANT", "Told", "documents_of", "main", "work"]

TENANT, PACKAGE = "fleet", "drill/etl"
_PAUSE = 0.02


class Told(msgspec.Struct):
    """What a node is told.

    Attributes:
        name: of the node; begins the ids of its runs.
        leases: kind and address of the server with the leases.
        documents: the same of PostgreSQL with the documents, or None: every node has them from ``cap``.
        cap: of the tenant, where the node has the documents by itself.
        ttl: of each lease, in seconds.
        hold: seconds that a slot is held.
        threads: how many runs it tries to have at once.
        witness: port of the witness.
    """

    name: str
    leases: tuple[str, str]
    documents: tuple[str, str] | None
    cap: int
    ttl: float
    hold: float
    threads: int
    witness: int


def main() -> int:
    """Work until stdin ends."""
    told = msgspec.json.decode(sys.stdin.readline(), type=Told)
    stop = threading.Event()
    with ExitStack() as until:
        leases = open_leases(Server(*told.leases), until)
        limits = BlockingLimits(leases, SystemClock(), documents_of(told, leases, until))
        until.callback(limits.close)
        threads = [
            threading.Thread(target=work, args=(limits, told, number, stop)) for number in range(told.threads)
        ]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        stop.set()
        for thread in threads:
            thread.join()
    return 0


def documents_of(told: Told, leases: LeaseStore, until: ExitStack) -> DocumentStore:
    """The tenant's documents: those on the server, or the node's own."""
    if told.documents is not None:
        return open_documents(Server(*told.documents), until)
    documents = InProcessDocuments()
    with BlockingLimits(leases, SystemClock(), documents) as limits:
        limits.put({"tenant": TENANT, "maxConcurrent": told.cap}, by="gameday")
    return documents


def work(limits: BlockingLimits, told: Told, number: int, stop: threading.Event) -> None:
    """Take a slot, tell the witness, hold it, tell the witness, give it back; again and again."""
    holder, turn = Holder(told.witness), 0
    while not stop.is_set():
        turn += 1
        run = f"{told.name}-{number}-{turn}"
        answer = limits.acquire(run=run, tenant=TENANT, package=PACKAGE, ttl=told.ttl)
        if isinstance(answer, Decision):
            unavailable = any(deny.reason == "limits_unavailable" for deny in answer.denies)
            holder.say("unavailable" if unavailable else "denied")
            stop.wait(_PAUSE)
        else:
            _hold(answer, holder, told.name, told.hold, stop)
    holder.close()


def _hold(slot: Slot, holder: Holder, name: str, seconds: float, stop: threading.Event) -> None:
    slot.start_renewal()
    holder.say(f"begin {name} {slot.token}")
    stop.wait(seconds)
    holder.say("end")
    try:
        slot.release()
    except PortError:
        holder.say("unavailable")  # it runs out by itself


if __name__ == "__main__":
    sys.exit(main())
