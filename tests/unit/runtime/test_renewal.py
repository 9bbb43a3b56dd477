"""Background renewal: real threads and real seconds, since that is what it is about."""

import asyncio
import threading
import time

import pytest

from maestro import PortError
from maestro.limits.decision import Decision
from maestro.ports.leases import Release
from maestro.runtime import AsyncSlot, BlockingLimits, Limits
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases

TTL = 0.3


@pytest.fixture
def leases():
    return InProcessLeases(SystemClock())


@pytest.fixture
def limits(leases):
    with BlockingLimits(leases, SystemClock(), InProcessDocuments()) as limits:
        yield limits


def acquire(limits, run="r-1", ttl=TTL):
    return limits.acquire(run=run, tenant="acme", package="ns/a", ttl=ttl)


def test_a_slot_outlives_its_ttl_while_the_block_runs(limits, leases):
    with acquire(limits) as slot, acquire(limits, "r-2", ttl=0.6) as other:
        time.sleep(3 * TTL)
        assert leases.held() == {"acme": 2}
        assert not slot.lost
        assert not other.lost
    assert leases.held() == {}


def test_without_renewal_it_runs_out(limits, leases):
    acquire(limits)
    time.sleep(TTL * 1.2)
    assert leases.held() == {}


def test_a_holder_learns_that_its_lease_is_lost(limits, leases):
    with acquire(limits) as slot:
        leases.release("acme", "r-1", slot.token)
        assert slot.wait_lost(5)
        assert slot.lost


def test_a_store_that_is_down_for_a_moment_loses_nothing(limits, leases, monkeypatch):
    real, failures = leases.renew, iter([True])

    def renew(*args):
        if next(failures, False):
            raise PortError("down")
        return real(*args)

    monkeypatch.setattr(leases, "renew", renew)
    with acquire(limits) as slot:
        assert not slot.wait_lost(3 * TTL)


def test_a_store_that_stays_down_loses_the_lease_when_its_ttl_is_over(limits, leases, monkeypatch):
    def renew(*_):
        raise PortError("down")

    monkeypatch.setattr(leases, "renew", renew)
    with acquire(limits) as slot:
        began = time.monotonic()
        assert slot.wait_lost(5)
        assert time.monotonic() - began >= TTL * 0.9


def test_a_busy_event_loop_starves_nothing(leases):
    async def main():
        async with Limits(leases, SystemClock(), InProcessDocuments()) as limits:
            slot = await limits.acquire(run="r-1", tenant="acme", package="ns/a", ttl=TTL)
            async with slot:
                time.sleep(3 * TTL)  # noqa: ASYNC251 - the busy loop is the point
                assert leases.held() == {"acme": 1}
                assert not slot.lost
        assert leases.held() == {}

    asyncio.run(main())


def test_asyncio_on_sqlite_from_end_to_end(tmp_path):
    async def main():
        leases, documents = SqliteLeases(tmp_path / "db"), SqliteDocuments(tmp_path / "db")
        async with Limits(leases, SystemClock(), documents) as limits:
            await limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
            slot = await limits.acquire(run="r-1", tenant="acme", package="ns/a")
            assert isinstance(slot, AsyncSlot)
            assert slot.allowed
            assert slot.decision.policy_revision == "w1.c1"
            assert slot.lease.created
            denied = await limits.acquire(run="r-2", tenant="acme", package="ns/a")
            assert isinstance(denied, Decision)
            assert not (await limits.decide(tenant="acme", package="ns/a")).allowed
            assert (await limits.renew(tenant="acme", run="r-1", token=slot.token)).token == slot.token
            assert await limits.release(tenant="acme", run="r-1", token=slot.token) is Release.RELEASED
            assert await slot.release() is Release.ABSENT
        documents.close()
        leases.close()

    asyncio.run(main())


class Slow(InProcessLeases):
    """Waits like a disk does, so that a caller can be cancelled meanwhile."""

    def __init__(self, clock):
        super().__init__(clock)
        self.go_on = threading.Event()
        self.fails = False

    @property
    def capabilities(self):
        return frozenset()

    def acquire(self, *args):
        self.go_on.wait(5)
        if self.fails:
            raise ValueError("broken")
        return super().acquire(*args)


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancelled_caller_holds_nothing(fails):
    async def main():
        leases = Slow(SystemClock())
        leases.fails = fails
        async with Limits(leases, SystemClock(), InProcessDocuments()) as limits:
            taking = asyncio.create_task(limits.acquire(run="r-1", tenant="acme", package="ns/a"))
            await asyncio.sleep(0.05)
            taking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await taking
            leases.go_on.set()
            for _ in range(100):
                await asyncio.sleep(0.01)
                if leases.held() == {} and not fails:
                    break
            assert leases.held() == {}

    asyncio.run(main())


def test_closing_stops_renewal(leases):
    limits = BlockingLimits(leases, SystemClock(), InProcessDocuments())
    acquire(limits).start_renewal()
    limits.close()
    time.sleep(TTL * 1.5)
    assert leases.held() == {}
