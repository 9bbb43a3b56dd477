"""Two nodes on one store, killed at random: never more at work than the cap, and the slots of the dead come back."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from maestro.kernel.errors import BadInputError
from maestro.limits.replay import Replay
from maestro.ops.drills import Series
from maestro.runtime import BlockingLimits
from maestro.runtime.slots import Slot
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments
from maestro_sidecar.gameday.common import proof
from maestro_sidecar.gameday.node import PACKAGE, TENANT, Told
from maestro_sidecar.gameday.servers import Server, lend, open_documents, open_leases, require
from maestro_sidecar.gameday.stage import Stage, current
from maestro_sidecar.gameday.witness import Witness

__all__ = [
    "chosen",
    "crash_all",
    "kill_at_random",
    "needs",
    "normal_traffic",
    "prepare",
    "prove_kills",
    "reclaim",
    "start_nodes",
    "stop_nodes",
    "violations",
]

STORES = ("redis", "postgres")
NODES = ("north", "south")
CALM = "calm"
_LEAK_SECONDS = 1.0
_START_SECONDS = 30.0
_FOREVER = 3600.0
_BUSY_SECONDS = 3.0
"""How long a kill waits for its node to be at work: most of a node's life would else be its start."""
_SHORTEST, _LONGEST = 0.5, 1.5
"""Times ``everySeconds`` between two kills."""


@attrs.define
class Bench:
    """One store, its witness, and the nodes at work on it.

    Attributes:
        name: of the store.
        leases: where the leases are.
        documents: where the documents are; None: every node has its own copy.
        witness: who counts.
        limits: the drill's own door to the store.
        nodes: processes by name.
        names: what each process calls itself, since a node has had many.
        kills: exit codes of the nodes that were killed.
    """

    name: str
    leases: Server
    documents: Server | None
    witness: Witness
    limits: BlockingLimits
    nodes: dict[str, subprocess.Popen[str]] = attrs.Factory(dict)
    kills: list[int | None] = attrs.Factory(list)
    names: dict[str, str] = attrs.Factory(dict)
    started: int = 0
    crashed_at: float = 0.0

    def at_work(self, node: str) -> bool:
        """Whether a run of the node's present process is at work."""
        return self.witness.at_work[self.names[node]] > 0


@attrs.define
class Parts:
    """A bench for each store that was chosen."""

    benches: dict[str, Bench]
    versions: Mapping[str, str]


def needs(configuration: Mapping[str, Any]) -> None:
    """Raises BadInputError where a server is not named by the environment."""
    for store in chosen(configuration):
        require(configuration, store)


def prepare(stage: Stage, configuration: Mapping[str, Any]) -> Parts:
    """Open the stores. Documents are on PostgreSQL where there is one."""
    servers = {store: lend(stage, configuration, store) for store in chosen(configuration)}
    versions = {store: server.version() for store, server in servers.items()}
    benches = {store: _bench(stage, configuration, servers, store) for store in servers}
    return Parts(benches, versions)


def _bench(stage: Stage, configuration: Mapping[str, Any], servers: Mapping[str, Server], name: str) -> Bench:
    shared = servers.get("postgres")
    witness = Witness(stage, name, configuration["cap"])
    stage.at_end(witness.close)
    leases = open_leases(servers[name], stage.until)
    documents = open_documents(shared, stage.until) if shared is not None else InProcessDocuments()
    limits = BlockingLimits(leases, SystemClock(), documents)
    stage.at_end(limits.close)
    limits.put({"tenant": TENANT, "maxConcurrent": cap_told(configuration)}, by="gameday")
    bench = Bench(name, servers[name], shared, witness, limits)
    stage.at_end(lambda: _stop(bench))
    return bench


def cap_told(configuration: Mapping[str, Any]) -> int:
    """The cap that the documents say. The witness counts by the one that was promised."""
    cap: int = configuration["cap"]
    return cap


def start_nodes(store: str, configuration: Mapping[str, Any]) -> str:
    """Two processes, each wanting as many slots as there are."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    for name in NODES:
        _start(bench, configuration, name, configuration["holdSeconds"])
    if not stage.wait_until(lambda: bench.witness.admitted > 0, _START_SECONDS):
        stage.fault(f"{store}: no node got a slot")
    return f"{len(NODES)} nodes"


def kill_at_random(store: str, configuration: Mapping[str, Any]) -> Any:
    """Kill a node, start it anew, and so on: which and when is drawn by the seed."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    drawn = random.Random(configuration["seed"])  # noqa: S311 - to be drawn again by the same seed
    for _ in range(configuration["kills"]):
        stage.pause(configuration["everySeconds"] * drawn.uniform(_SHORTEST, _LONGEST))
        name = drawn.choice(NODES)
        stage.wait_until(lambda node=name: bench.at_work(node), _BUSY_SECONDS)  # type: ignore[misc]  # mypy infers no lambda with a default
        stage.fault_begins("kill -9")
        kill(bench, name)
        stage.fault_ends("kill -9")
        _start(bench, configuration, name, configuration["holdSeconds"])
    stage.pause(configuration["everySeconds"])
    _stop(bench)
    return {"kills": len(bench.kills), "crashedHolding": bench.witness.crashed}


def kill(bench: Bench, name: str) -> None:
    """``kill -9``: no word to anybody, nothing given back."""
    process = bench.nodes[name]
    process.kill()
    bench.kills.append(process.wait())
    _close(process)


def prove_kills(store: str, configuration: Mapping[str, Any]) -> Any:
    """Whether processes died of SIGKILL, and some while they held slots: the kernel's word, and the witness's."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    witness, died = bench.witness, sum(code == -9 for code in bench.kills)
    figures = {
        "slots taken": witness.admitted,
        "most holders at once": witness.most,
        "cap": configuration["cap"],
        "nodes killed": died,
        "holders killed": witness.crashed,
    }
    stage.figures.update({f"{store}: {name}": value for name, value in figures.items()})
    injected = died >= configuration["kills"] and witness.crashed > 0
    why = f"{died} processes died of SIGKILL, {witness.crashed} of them while holding a slot"
    return proof(injected=injected, why=why, died=died, holding=witness.crashed)


def crash_all(store: str, configuration: Mapping[str, Any]) -> Any:
    """Fill the cap with runs that never end, then kill both nodes at once."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    for name in NODES:
        _start(bench, configuration, name, _FOREVER)
    filled = stage.wait_until(lambda: bench.witness.live >= configuration["cap"], _START_SECONDS)
    if not filled:
        stage.fault(
            f"{store}: {bench.witness.live} slots could be taken under a cap of {configuration['cap']}"
        )
    held = bench.witness.live
    stage.fault_begins("kill -9")
    for name in NODES:
        kill(bench, name)
    bench.crashed_at = stage.seconds()
    stage.fault_ends("kill -9")
    return {"held": held}


def reclaim(store: str, configuration: Mapping[str, Any]) -> Any:
    """Every slot of the dead must be back within the ttl and a second."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    slots: list[Slot] = []
    cap: int = configuration["cap"]

    def back() -> bool:
        run = f"successor-{len(slots)}"
        answer = bench.limits.acquire(
            run=run, tenant=TENANT, package=PACKAGE, ttl=configuration["ttlSeconds"] * 4
        )
        stage.mark("admitted" if isinstance(answer, Slot) else "denied")
        if isinstance(answer, Slot):
            slots.append(answer)
        return len(slots) == cap

    limit = configuration["ttlSeconds"] + _LEAK_SECONDS
    in_time = stage.wait_until(back, bench.crashed_at + limit - stage.seconds())
    seconds = round(stage.seconds() - bench.crashed_at, 3)
    if not in_time:
        stage.fault(f"{store}: {cap - len(slots)} slots of the dead were not back after {limit:g} s")
    for slot in slots:
        slot.release()
    stage.figures[f"{store}: slots of the dead back after, seconds"] = seconds
    stage.draw(Series(f"holders on {store}", tuple(bench.witness.points), cap))
    return {"slotsBack": len(slots), "seconds": seconds}


def stop_nodes() -> None:
    """End whatever node is left."""
    for bench in current().parts.benches.values():
        _stop(bench)


def normal_traffic() -> bool:
    """Whether every store admits a run of a tenant without limits, and takes its slot back."""
    stage = current()
    for bench in stage.parts.benches.values():
        stage.count("calm runs")
        run = f"calm-{stage.figures['calm runs']}"
        answer = bench.limits.acquire(run=run, tenant=CALM, package=PACKAGE)
        if not isinstance(answer, Slot):
            return False
        answer.release()
    return True


def violations() -> int:
    """How many admissions a replay of the log denies. Leases on Redis leave no log; there the witness alone judges."""
    stage, replay = current(), Replay()
    bench = stage.parts.benches.get("postgres")
    if bench is None:
        return 0
    for event in bench.leases.events():
        replay.feed(event)
    stage.figures["postgres: admissions replayed"] = replay.admitted
    stage.figures["postgres: violations by replay"] = replay.violated
    return replay.violated


def chosen(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """The stores that were chosen. Raises BadInputError."""
    stores = configuration["stores"]
    if stores == "both":
        return STORES
    if stores not in STORES:
        raise BadInputError(
            "is no store of this drill.",
            field="--set stores",
            value=stores,
            remedy="Use both, redis or postgres.",
        )
    return (stores,)


def _of(store: str) -> Bench | None:
    bench: Bench | None = current().parts.benches.get(store)
    return bench


def _start(bench: Bench, configuration: Mapping[str, Any], name: str, hold: float) -> None:
    bench.started += 1
    bench.names[name] = f"{name}-{bench.started}"
    told = Told(
        name=bench.names[name],
        leases=attrs.astuple(bench.leases),
        documents=None if bench.documents is None else attrs.astuple(bench.documents),
        cap=cap_told(configuration),
        ttl=configuration["ttlSeconds"],
        hold=hold,
        threads=configuration["cap"],
        witness=bench.witness.port,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "maestro_sidecar.gameday.node"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the drill alone, which then rolls back
    )
    bench.nodes[name] = process
    assert process.stdin is not None  # noqa: S101 - a pipe, as asked for
    process.stdin.write(json.dumps(msgspec.to_builtins(told)) + "\n")
    process.stdin.flush()


def _stop(bench: Bench) -> None:
    for process in bench.nodes.values():
        _close(process)
    for process in bench.nodes.values():
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    bench.nodes.clear()


def _close(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
