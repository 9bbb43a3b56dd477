"""Two sidecars on one store, killed at random under load: never more at work than the cap, whoever answers."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs

from maestro.limits.replay import Replay
from maestro.ops.drills import Series
from maestro_sidecar.gameday.client import Answer, Client
from maestro_sidecar.gameday.common import PACKAGE, Holders, at_once, mark_answer, proof
from maestro_sidecar.gameday.drills.two_nodes import chosen, needs
from maestro_sidecar.gameday.servers import Server, lend
from maestro_sidecar.gameday.sidecars import Sidecar
from maestro_sidecar.gameday.stage import Stage, current

__all__ = [
    "crash_all",
    "kill_at_random",
    "needs",
    "prepare",
    "prove_kills",
    "reclaim",
    "stop_sidecars",
    "violations",
]

TENANT = "fleet"
NAMES = ("north", "south")
_LEAK_SECONDS = 1.0
_SHORTEST, _LONGEST = 0.5, 1.5
"""Times ``everySeconds`` between two kills."""
_RETRY = 0.02
_TRIES = 500


@attrs.define
class Bench:
    """One store and the two sidecars on it.

    Attributes:
        name: of the store.
        servers: where the sidecars keep what.
        holders: who counts the runs at work.
        sidecars: by name; another one after each kill.
        kills: exit codes of those that were killed.
        unanswered: requests whose answer was lost with a sidecar.
    """

    name: str
    servers: tuple[Server, ...]
    holders: Holders
    sidecars: dict[str, Sidecar] = attrs.Factory(dict)
    kills: list[int] = attrs.Factory(list)
    started: int = 0
    unanswered: int = 0
    taken: list[tuple[str, float]] = attrs.Factory(list)


@attrs.define
class Parts:
    """A bench for each store that was chosen."""

    benches: dict[str, Bench]
    versions: Mapping[str, str]

    @property
    def sidecars(self) -> tuple[Sidecar, ...]:
        """All that serve now."""
        return tuple(sidecar for bench in self.benches.values() for sidecar in bench.sidecars.values())


def prepare(stage: Stage, configuration: Mapping[str, Any]) -> Parts:
    """Two sidecars on each store, and the tenant's cap, which both read from it."""
    servers = {store: lend(stage, configuration, store) for store in chosen(configuration)}
    versions = {store: server.version() for store, server in servers.items()}
    shared = servers.get("postgres")
    benches = {}
    for store, server in servers.items():
        with_documents = (server,) if shared in {None, server} else (server, shared)
        bench = Bench(store, with_documents, Holders(stage, configuration["cap"]))
        for name in NAMES:
            _start(stage, bench, name)
        document = {"tenant": TENANT, "maxConcurrent": cap_told(configuration)}
        bench.sidecars[NAMES[0]].put("package-caps", document)
        benches[store] = bench
    return Parts(benches, versions)


def cap_told(configuration: Mapping[str, Any]) -> int:
    """The cap that the document says. Holders are counted by the one that was promised."""
    cap: int = configuration["cap"]
    return cap


def kill_at_random(store: str, configuration: Mapping[str, Any]) -> Any:
    """Under load, kill a sidecar, start it anew, and so on: which and when is drawn by the seed."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    drawn = random.Random(configuration["seed"])  # noqa: S311 - to be drawn again by the same seed
    with _load(stage, bench, configuration):
        for _ in range(configuration["kills"]):
            stage.pause(configuration["everySeconds"] * drawn.uniform(_SHORTEST, _LONGEST))
            _kill(stage, bench, drawn.choice(NAMES))
        stage.pause(configuration["everySeconds"])
    return {"kills": len(bench.kills), "unanswered": bench.unanswered}


def prove_kills(store: str, configuration: Mapping[str, Any]) -> Any:
    """Whether sidecars died of SIGKILL, by the kernel's word, and requests were lost with them."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    died = sum(code == -9 for code in bench.kills)
    figures = {
        "runs": bench.holders.runs,
        "most at work at once": bench.holders.most,
        "cap": configuration["cap"],
        "sidecars killed": died,
        "requests unanswered": bench.unanswered,
    }
    stage.figures.update({f"{store}: {name}": value for name, value in figures.items()})
    why = f"{died} sidecars died of SIGKILL, {bench.unanswered} requests were lost"
    return proof(injected=died >= configuration["kills"] and bench.unanswered > 0, why=why, died=died)


def crash_all(store: str, configuration: Mapping[str, Any]) -> Any:
    """Fill the cap with runs whose holders die, then kill both sidecars at once, and start both anew."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    for run in (f"crashed-{number}" for number in range(configuration["cap"])):

        def taken(run: str = run) -> bool:
            asked, sidecar = stage.seconds(), bench.sidecars[NAMES[0]]
            answer = sidecar.client.acquire(TENANT, PACKAGE, run, configuration["ttlSeconds"])
            mark_answer(stage, answer)
            if answer.status == 201:
                bench.taken.append((run, asked))
            return answer.status == 201

        if not stage.wait_until(taken, configuration["ttlSeconds"] + _LEAK_SECONDS):
            stage.fault(f"{store}: {run} found no slot below the cap")
    _kill(stage, bench, *NAMES)
    return {"held": len(bench.taken)}


def reclaim(store: str, configuration: Mapping[str, Any]) -> Any:
    """The sidecars that came up know of the slots: none is given away early, all are back in time."""
    stage, bench = current(), _of(store)
    if bench is None:
        return "not chosen"
    cap, ttl, back = int(configuration["cap"]), configuration["ttlSeconds"], list[float]()
    first, last = bench.taken[0][1] + ttl, bench.taken[-1][1] + ttl

    def all_back() -> bool:
        sidecar = bench.sidecars[NAMES[len(back) % 2]]
        answer = sidecar.client.acquire(TENANT, PACKAGE, f"successor-{len(back)}", 30)
        mark_answer(stage, answer)
        if answer.status == 201:
            back.append(stage.seconds())
        if answer.status == 201 and stage.seconds() < first:
            stage.fault(f"{store}: a slot was given away before its lease ended", violation=True)
        return len(back) == cap

    # Nobody can ask before the sidecars are up again, which may take longer than the ttl.
    if not stage.wait_until(all_back, max(last, stage.seconds()) + _LEAK_SECONDS - stage.seconds()):
        stage.fault(f"{store}: {cap - len(back)} slots of the dead were not back in time")
    seconds = round(stage.seconds() - last, 3)
    stage.figures[f"{store}: slots of the dead back after their ttl, seconds"] = seconds
    stage.draw(Series(f"runs on {store}", tuple(bench.holders.points), cap))
    return {"slotsBack": len(back), "seconds": seconds}


def stop_sidecars() -> None:
    """End both."""
    for sidecar in current().parts.sidecars:
        sidecar.stop()


def violations() -> int:
    """How many admissions a replay of the log denies. Leases on Redis leave no log; there the drill's count judges."""
    stage, replay = current(), Replay()
    bench = stage.parts.benches.get("postgres")
    if bench is None:
        return 0
    for event in bench.servers[0].events():
        replay.feed(event)
    stage.figures["postgres: admissions replayed"] = replay.admitted
    stage.figures["postgres: violations by replay"] = replay.violated
    return replay.violated


@contextmanager
def _load(stage: Stage, bench: Bench, configuration: Mapping[str, Any]) -> Iterator[None]:
    """Clients that take slots, hold them and give them back, until the block ends."""
    stop = threading.Event()
    count = configuration["cap"] * 2
    clients = threading.Thread(
        target=at_once, args=(lambda number: _client(bench, configuration, number, stop), count, count)
    )
    clients.start()
    try:
        yield
    finally:
        stop.set()
        clients.join()
    if not bench.holders.runs:
        stage.fault(f"{bench.name}: no run was admitted")


def _client(bench: Bench, configuration: Mapping[str, Any], number: int, stop: threading.Event) -> None:
    """One client: asks either sidecar; when an answer is lost it asks the other, for the same run."""
    drawn, turn = random.Random(number), 0  # noqa: S311 - any order will do
    while not stop.is_set():
        turn += 1
        run = f"{number}-{turn}"
        held = _persist(bench, drawn, partial(_acquire, run, configuration["ttlSeconds"]))
        mark_answer(current(), held)
        if held.status not in {200, 201}:
            stop.wait(_RETRY)
            continue
        bench.holders.begins(TENANT)
        stop.wait(configuration["holdSeconds"])
        bench.holders.ends(TENANT)
        _persist(bench, drawn, partial(_release, held))


def _acquire(run: str, ttl: float, client: Client) -> Answer:
    return client.acquire(TENANT, PACKAGE, run, ttl)


def _release(held: Answer, client: Client) -> Answer:
    return client.release(TENANT, held)


def _persist(bench: Bench, drawn: random.Random, ask: Callable[[Client], Answer]) -> Answer:
    """An answer from whichever sidecar gives one."""
    answer = Answer(0)
    for _ in range(_TRIES):
        answer = ask(bench.sidecars[drawn.choice(NAMES)].client)
        if answer.status:
            break
        bench.unanswered += 1
        threading.Event().wait(_RETRY)
    return answer


def _kill(stage: Stage, bench: Bench, *names: str) -> None:
    stage.fault_begins("kill -9")
    bench.kills += [kill(bench.sidecars[name]) for name in names]
    stage.fault_ends("kill -9")
    for name in names:
        _start(stage, bench, name)


def kill(sidecar: Sidecar) -> int:
    """``kill -9``; the exit code."""
    return sidecar.kill()


def _start(stage: Stage, bench: Bench, name: str) -> None:
    bench.started += 1
    bench.sidecars[name] = Sidecar(stage, f"{bench.name}-{name}-{bench.started}", servers=bench.servers)


def _of(store: str) -> Bench | None:
    bench: Bench | None = current().parts.benches.get(store)
    return bench
