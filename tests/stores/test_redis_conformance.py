"""The conformance kit on a real Redis: by a clock of the tests in lock-step, and by the server's own."""

from contextlib import contextmanager

import pytest
import redis

from maestro.testing.conformance import LeaseStoreConformance
from maestro_adapters.redis import RedisLeases
from stores.support import ServerClock, ServerMachine

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("redis")]


class OnRedis(LeaseStoreConformance):
    resolution_nanoseconds = 1000
    examples = 25
    rounds = 15

    @pytest.fixture(autouse=True)
    def _server(self, service):
        self.url = service("redis")

    def test_it_answers_as_the_model_does(self):
        self.run_machine(ServerMachine)

    @contextmanager
    def bench(self):
        with super().bench() as bench:
            yield bench
            with redis.Redis.from_url(self.url) as client:
                for key in client.scan_iter(match=f"{{{bench.folder.name}}}:*", count=1000):
                    client.delete(key)


class TestLeasesByTheClockOfTests(OnRedis):
    def make(self, clock, folder):
        return RedisLeases(self.url, prefix=folder.name, clock=ServerClock(clock))


class TestLeasesByTheServersClock(OnRedis):
    clock_control = False
    examples = 8

    def make(self, clock, folder):
        return RedisLeases(self.url, prefix=folder.name)
