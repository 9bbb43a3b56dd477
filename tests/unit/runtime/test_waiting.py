"""Waiting for a slot: soon after a release, in the order of coming, and healing by itself. Real threads and time."""

import asyncio
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import UNSET

from maestro import BadInputError, PortError
from maestro.limits.decision import Decision
from maestro.limits.turns import next_turn, position
from maestro.ports.capabilities import Capability
from maestro.ports.waiting import Waiter
from maestro.runtime import AsyncSlot, BlockingLimits, Limits, Slot
from maestro.testing.clock import VirtualClock
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases
from maestro_adapters.postgres import Database, PostgresDocuments, PostgresLeases
from maestro_adapters.redis import RedisLeases
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases


@pytest.fixture(
    params=[
        "in process",
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.services),
        pytest.param("redis", marks=pytest.mark.services),
    ]
)
def limits(request, tmp_path, service):
    if request.param == "sqlite":
        leases, documents = SqliteLeases(tmp_path / "db"), SqliteDocuments(tmp_path / "db")
    elif request.param == "postgres":
        database = Database(service("postgres"), schema=f"waiting_{uuid.uuid4().hex}")
        request.addfinalizer(database.close)  # noqa: PT021 - one of four stores needs it
        leases, documents = PostgresLeases(database), PostgresDocuments(database)
    elif request.param == "redis":
        leases = RedisLeases(service("redis"), prefix=uuid.uuid4().hex)
        documents = InProcessDocuments()
    else:
        leases, documents = InProcessLeases(), InProcessDocuments()
    with BlockingLimits(leases, SystemClock(), documents) as limits:
        limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
        yield limits
    leases.close()
    if request.param == "sqlite":
        documents.close()


def acquire(limits, run, *, package="ns/a", **more):
    return limits.acquire(run=run, tenant="acme", package=package, **more)


def wait_until(true, seconds=5):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.002)


def queued(limits, count):
    return lambda: len(limits.leases.waiting_room().queue("acme")) == count


class TestTurns:
    QUEUE = (Waiter(3, "t", "r-3", "a"), Waiter(5, "t", "r-5", "a"), Waiter(8, "t", "r-8", "b"))

    def test_the_first_is_next(self):
        assert next_turn(self.QUEUE, lambda _: False).ticket == 3

    def test_one_whose_package_is_full_is_passed_over_and_so_are_those_behind_it(self):
        assert next_turn(self.QUEUE, lambda package: package == "a").ticket == 8

    def test_nobody_is_next_when_all_is_full_or_nobody_waits(self):
        assert next_turn(self.QUEUE, lambda _: True) is None
        assert next_turn((), lambda _: False) is None

    def test_positions(self):
        assert [position(self.QUEUE, ticket) for ticket in (3, 5, 8, 9)] == [1, 2, 3, 4]


def test_a_free_slot_is_taken_without_waiting(limits):
    assert isinstance(acquire(limits, "r-1", wait=5), Slot)
    assert queued(limits, 0)()


def test_a_release_wakes_the_waiter_within_milliseconds(limits):
    held = acquire(limits, "r-1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(acquire, limits, "r-2", wait=10)
        wait_until(queued(limits, 1))
        time.sleep(0.05)
        released = time.monotonic()
        held.release()
        slot = waiting.result(5)
        assert slot.token > held.token
        assert time.monotonic() - released < 0.5, "a second would be the healing look, not the bell"
    wait_until(queued(limits, 0))


def test_waiters_are_served_in_the_order_they_came(limits):
    held, served = acquire(limits, "r-0"), []

    def run(name):
        with acquire(limits, name, wait=20):
            served.append(name)

    with ThreadPoolExecutor(8) as pool:
        for number in range(1, 9):
            pool.submit(run, f"r-{number}")
            wait_until(queued(limits, number))
        held.release()
    assert served == [f"r-{number}" for number in range(1, 9)]


def test_one_whose_package_is_full_keeps_nobody_else_waiting(limits):
    limits.put({"tenant": "acme", "maxConcurrent": 2, "packageCaps": {"ns/a": 1}}, by="ops")
    first, other = acquire(limits, "r-1"), acquire(limits, "r-2", package="ns/b")
    with ThreadPoolExecutor(2) as pool:
        blocked = pool.submit(acquire, limits, "r-3", wait=10)
        wait_until(queued(limits, 1))
        behind = pool.submit(acquire, limits, "r-4", package="ns/c", wait=10)
        wait_until(queued(limits, 2))
        other.release()
        assert isinstance(behind.result(5), Slot)
        assert not blocked.done()
        first.release()
        assert isinstance(blocked.result(5), Slot)


def test_a_wait_in_vain_tells_the_position(limits):
    acquire(limits, "r-1")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(acquire, limits, "r-2", wait=1)
        wait_until(queued(limits, 1))
        second = acquire(limits, "r-3", wait=0.2)
        assert isinstance(second, Decision)
        assert second.position == 2
        assert first.result(5).position == 1
    assert queued(limits, 0)()


def test_a_holder_that_crashed_frees_its_slot_to_those_who_wait(limits):
    acquire(limits, "r-1", ttl=0.4)
    began = time.monotonic()
    assert isinstance(acquire(limits, "r-2", wait=10), Slot)
    assert time.monotonic() - began < 0.4 + 1.5


def test_a_waiter_that_crashed_holds_nobody_up_for_long(limits):
    held = acquire(limits, "r-1")
    limits.leases.waiting_room().join("acme", "r-gone", "ns/a", 0.3)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(acquire, limits, "r-2", wait=10)
        wait_until(queued(limits, 2))
        held.release()
        assert isinstance(waiting.result(5), Slot)


def test_what_does_not_open_in_time_is_answered_at_once(limits):
    limits.put({"tenant": "acme", "maxConcurrent": 0}, by="ops")
    began = time.monotonic()
    assert acquire(limits, "r-1", wait=30).retry_after is None
    limits.put({"tenant": "acme", "allowedWindows": []}, by="ops")
    assert not acquire(limits, "r-1", wait=30).allowed
    assert time.monotonic() - began < 5


def test_a_raised_cap_lets_waiters_in(limits):
    acquire(limits, "r-1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(acquire, limits, "r-2", wait=10)
        wait_until(queued(limits, 1))
        raised = time.monotonic()
        limits.put({"tenant": "acme", "maxConcurrent": 2}, by="ops")
        assert isinstance(waiting.result(5), Slot)
        assert time.monotonic() - raised < 0.5, "rung for, not found by the look once a second"


def test_a_bad_wait_is_named(limits):
    with pytest.raises(BadInputError, match="wait"):
        acquire(limits, "r-1", wait=-1)


def test_a_window_that_opens_in_time_is_waited_for():
    clock = VirtualClock()
    opens = f"{clock.now():%H:%M}:02"
    limits = BlockingLimits(InProcessLeases(), clock, InProcessDocuments())
    limits.put({"tenant": "acme", "allowedWindows": [{"start": opens, "end": "23:59"}]}, by="ops")
    assert not acquire(limits, "r-1", wait=1).allowed
    threading.Timer(0.3, clock.advance, [2]).start()
    assert isinstance(acquire(limits, "r-1", wait=5), Slot)
    limits.close()


class Roomless(InProcessLeases):
    """A store without a waiting room."""

    @property
    def capabilities(self):
        return super().capabilities - {Capability.WAIT}


def test_without_a_room_a_waiter_looks_by_itself():
    with BlockingLimits(Roomless(), SystemClock(), InProcessDocuments()) as limits:
        limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
        held = acquire(limits, "r-1")
        threading.Timer(0.2, held.release).start()
        assert isinstance(acquire(limits, "r-2", wait=5), Slot)
        assert acquire(limits, "r-3", wait=0.1).position is UNSET


def test_a_room_that_fails_costs_order_and_speed_but_no_slot(monkeypatch):
    with BlockingLimits(InProcessLeases(), SystemClock(), InProcessDocuments()) as limits:
        limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
        room = limits.leases.waiting_room()
        held = acquire(limits, "r-1")
        failing = threading.Event()

        def brittle(name):
            real = getattr(room, name)

            def call(*args):
                if failing.is_set():
                    raise PortError("down")
                return real(*args)

            return call

        for name in ("queue", "stay", "leave"):
            monkeypatch.setattr(room, name, brittle(name))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(acquire, limits, "r-2", wait=10)
            wait_until(queued(limits, 1))
            failing.set()
            held.release()
            time.sleep(1.2)
            assert not waiting.done()
            failing.clear()
            assert isinstance(waiting.result(5), Slot)


def test_asyncio_waits_without_a_thread_each():
    async def main():
        async with Limits(InProcessLeases(), SystemClock(), InProcessDocuments()) as limits:
            await limits.put({"tenant": "acme", "maxConcurrent": 2}, by="ops")
            served = []

            async def run(number):
                slot = await limits.acquire(run=f"r-{number}", tenant="acme", package="ns/a", wait=30)
                assert isinstance(slot, AsyncSlot)
                async with slot:
                    served.append(number)
                    await asyncio.sleep(0.001)

            await asyncio.gather(*(run(number) for number in range(200)))
            assert sorted(served) == list(range(200))

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(8))
def test_a_waiter_that_is_rung_for_can_still_be_cancelled(turns):
    """Wherever between the ring and the waiter's next step the cancellation falls."""

    async def main():
        leases = InProcessLeases()
        async with Limits(leases, SystemClock(), InProcessDocuments()) as limits:
            await limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
            await limits.acquire(run="r-1", tenant="acme", package="ns/a")
            waiting = asyncio.create_task(limits.acquire(run="r-2", tenant="acme", package="ns/a", wait=30))
            while not leases.waiting_room().queue("acme"):  # noqa: ASYNC110 - the room has no event to await
                await asyncio.sleep(0.01)
            leases.waiting_room().ring("acme")
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(main())


def test_a_cancelled_waiter_leaves_the_queue():
    async def main():
        leases = InProcessLeases()
        async with Limits(leases, SystemClock(), InProcessDocuments()) as limits:
            await limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
            await limits.acquire(run="r-1", tenant="acme", package="ns/a")
            waiting = asyncio.create_task(limits.acquire(run="r-2", tenant="acme", package="ns/a", wait=30))
            while not leases.waiting_room().queue("acme"):  # noqa: ASYNC110 - the room has no event to await
                await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            while leases.waiting_room().queue("acme"):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            assert leases.held() == {"acme": 1}

    asyncio.run(main())
