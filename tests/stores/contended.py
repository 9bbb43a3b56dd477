"""Many processes that take and give back slots and are killed in between, and a judge who was not there.

Workers write down when they asked, got an answer and gave back; the judge counts, from what they wrote alone, how many
held a slot at once for certain. A killed worker's lease counts until its ttl has passed since it was asked for.
"""

import multiprocessing
import os
import random
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import attrs

from maestro.kernel.errors import PortError
from maestro.ports.leases import Caps, Claim, Lease

TENANTS = ("acme", "beta")
TTL = 0.5


@attrs.frozen
class Verdict:
    acquired: int
    killed: int
    most: int
    over: int
    tokens: int
    seconds: float


ENOUGH = 4
"""Kills, however soon the slots were taken."""


def contend(make, *, acquisitions, folder, cap=2, workers=4, kill_every=0.1, seed=1):
    """Let workers loose on stores that `make()` opens until so many slots were taken; the judge's verdict."""
    context, draw, began = multiprocessing.get_context("fork"), random.Random(seed), time.monotonic()
    running, started, killed = {}, 0, 0
    last_kill = time.monotonic()
    try:
        # A fast machine has taken them all after a kill or two, which would show little.
        while sum(_taken(path) for path in folder.iterdir()) < acquisitions or killed < ENOUGH:
            while len(running) < workers:
                log = folder / f"{started}.log"
                log.touch()
                running[started] = process = context.Process(
                    target=_work, args=(make, log, cap, started), daemon=True
                )
                process.start()
                started += 1
            time.sleep(0.02)
            if time.monotonic() - last_kill > kill_every:
                number = draw.choice(list(running))
                process = running.pop(number)
                assert process.exitcode is None, f"a worker ended by itself with {process.exitcode}"
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                killed, last_kill = killed + 1, time.monotonic()
    finally:
        for process in running.values():
            process.kill()
            process.join()
    return judge(folder, cap, killed, time.monotonic() - began)


def judge(folder, cap, killed, seconds):
    changes, tokens, acquired = {tenant: [] for tenant in TENANTS}, [], 0
    for path in folder.iterdir():
        held = None
        for line in [*path.read_text().split("\n")[:-1], "end"]:
            kind, *rest = line.split()
            if kind == "A":
                tenant, token, asked, answered = rest[0], int(rest[1]), float(rest[2]), float(rest[3])
                held = (tenant, asked, answered)
                tokens.append((asked, answered, token))
                acquired += 1
            elif held:
                tenant, asked, answered = held
                until = float(rest[0]) if kind == "R" else asked + TTL
                if until > answered:
                    changes[tenant] += [(answered, 1), (until, -1)]
                held = None
    most = over = 0
    for each in changes.values():
        now = 0
        for _, change in sorted(each):
            now += change
            most, over = max(most, now), over + (change > 0 and now > cap)
    assert len({token for *_, token in tokens}) == len(tokens), "a token came twice"
    _require_growing(tokens)
    return Verdict(acquired, killed, most, over, len(tokens), seconds)


def _require_growing(tokens):
    """A lease that was asked for after another one had been answered has the greater token, whoever held them."""
    by_answer = iter(sorted(tokens, key=lambda one: one[1]))
    greatest, pending = 0, next(by_answer)
    for asked, _, token in sorted(tokens):
        while pending is not None and pending[1] < asked:
            greatest, pending = max(greatest, pending[2]), next(by_answer, None)
        assert token > greatest, f"token {token} was given after {greatest}"


def _taken(path):
    """Lines are of one length, so the size tells how many there are; each acquisition writes two."""
    return path.stat().st_size // (2 * _LINE)


_LINE = 72


def _work(make, log: Path, cap, number):
    descriptor, draw = os.open(log, os.O_WRONLY | os.O_APPEND), random.Random(number)
    caps = Caps(tenant=cap, package=cap)
    try:
        store = make()
        for turn in range(10**9):
            claim = Claim(
                draw.choice(TENANTS), f"{number}-{turn}", "ns/a", TTL, datetime(2026, 3, 30, tzinfo=UTC)
            )
            asked = time.monotonic()
            try:
                answer = store.acquire(claim, caps)
            except PortError:
                continue
            if not isinstance(answer, Lease):
                continue
            _write(descriptor, f"A {claim.tenant} {answer.token} {asked:.6f} {time.monotonic():.6f}")
            if draw.random() < 0.5:
                time.sleep(0.0005)
            _write(descriptor, f"R {time.monotonic():.6f}")
            store.release(claim.tenant, claim.run, answer.token)
    except BaseException:  # noqa: BLE001  # told by the status; the parent's handlers are not ours to run
        os._exit(3)


def _write(descriptor, line):
    os.write(descriptor, f"{line:<{_LINE - 1}}\n".encode())
