"""Callers at once: threads that are let go together, and the histories they leave."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import Any, TypeVar

import attrs

from maestro.ports.leases import Caps, Claim, Full, Lease, LeaseStore, Release
from maestro.testing.clock import VirtualClock
from maestro.testing.conformance.linear import Call, linearisable

__all__ = ["lease_histories", "require_possible", "rush", "take_and_give_back", "together"]

T = TypeVar("T")


def together(callers: int, work: Callable[[int], T]) -> list[T]:
    """Run ``work(number)`` in that many threads let go at once; their results. The first failure is raised."""
    results: dict[int, T] = {}
    failures: list[BaseException] = []
    gate = Barrier(callers)

    def run(number: int) -> None:
        try:
            gate.wait()
            results[number] = work(number)
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)

    threads = [Thread(target=run, args=(number,), daemon=True) for number in range(callers)]
    with _eager_switching():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a caller hangs"
    if failures:
        raise failures[0]
    return [results[number] for number in range(callers)]


def rush(  # who asks whom for what
    store: LeaseStore, clock: VirtualClock, tenant: str, caps: Caps, *, callers: int, one_run: bool = False
) -> list[Lease | Full]:
    """One acquire from each of many threads."""

    def ask(number: int) -> Lease | Full:
        run = "r" if one_run else f"r-{number}"
        return store.acquire(Claim(tenant, run, "ns/a", 60.0, clock.now()), caps)

    return together(callers, ask)


def take_and_give_back(  # what a worker is told, once
    store: LeaseStore, clock: VirtualClock, caps: Caps, holding: Any, number: int, times: int
) -> Iterator[str]:
    """Acquire and release, counting in shared memory how many hold at once; yields what is to be told.

    The count goes up after the answer and down before the release, so it is never above the truth.
    """
    room = min(cap for cap in (caps.tenant, caps.package) if cap is not None)
    for time in range(times):
        answer = store.acquire(Claim("acme", f"r-{number}-{time}", "ns/a", 60.0, clock.now()), caps)
        if isinstance(answer, Full):
            continue
        yield f"token {answer.token}"
        with holding.get_lock():
            holding.value += 1
            if holding.value > room:
                yield f"excess {holding.value}"
        with holding.get_lock():
            holding.value -= 1
        assert store.release("acme", answer.run, answer.token) is Release.RELEASED, "a lease was lost"


def lease_histories(store: LeaseStore, clock: VirtualClock, seed: int) -> list[Call]:
    """What three threads asked of a store at once, four calls each, and what it answered."""
    counter = itertools.count()
    tenant = f"h-{seed}"
    caps = Caps(tenant=2)

    def ask(number: int) -> list[Call]:
        draw = random.Random(seed * 10 + number)
        tokens: dict[str, int] = {}
        calls = []
        for _ in range(4):
            run = draw.choice(["r-1", "r-2", "r-3"])
            asked: tuple[Any, ...]
            began = next(counter)
            if run in tokens and draw.random() < 0.7:
                asked = ("release", run, tokens.pop(run))
                answer: Any = store.release(tenant, run, asked[2])
            else:
                asked = ("acquire", run)
                answer = store.acquire(Claim(tenant, run, "ns/a", 60.0, clock.now()), caps)
                if isinstance(answer, Lease):
                    tokens[run] = answer.token
            calls.append(Call(began, next(counter), asked, answer))
        return calls

    return [call for calls in together(3, ask) for call in calls]


def require_possible(calls: list[Call]) -> None:
    """A failure when no order explains the answers, under a tenant's cap of 2."""
    told = "\n".join(f"  {call.began}-{call.ended} {call.asked} -> {call.answer}" for call in calls)
    start = _State((), 0)
    assert linearisable(calls, start, _step), f"no order of these calls explains their answers:\n{told}"


_Held = tuple[tuple[str, int], ...]


@attrs.frozen
class _State:
    """Who holds what, and the last token."""

    held: _Held
    last: int


def _step(state: _State, call: Call) -> _State | None:
    held, last = dict(state.held), state.last
    run = call.asked[1]
    answer = call.answer
    if call.asked[0] == "release":
        token = call.asked[2]
        wanted = (
            Release.ABSENT if run not in held else Release.RELEASED if held[run] == token else Release.STALE
        )
        if wanted is Release.RELEASED:
            del held[run]
        return _State(_frozen(held), last) if answer == wanted else None
    if isinstance(answer, Full):
        fits = run not in held and len(held) >= 2 and answer.usage.tenant == len(held)
        return state if fits else None
    if run in held:
        return state if not answer.created and answer.token == held[run] else None
    if not answer.created or len(held) >= 2 or answer.token <= last:
        return None
    return _State(_frozen(held | {run: answer.token}), answer.token)


def _frozen(held: dict[str, int]) -> _Held:
    return tuple(sorted(held.items()))


@contextmanager
def _eager_switching() -> Iterator[None]:
    """Let threads take turns often, so that narrow windows open."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
