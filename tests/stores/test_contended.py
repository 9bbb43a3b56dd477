"""Contended slots with kills: not one more holder at once than the cap. MAESTRO_CONTENDED=100000 for a longer run."""

import os
import time

import pytest
import redis

from maestro.ports.leases import Lease
from maestro_adapters.postgres import Database, PostgresLeases
from maestro_adapters.redis import RedisLeases
from stores.contended import ENOUGH, contend

pytestmark = pytest.mark.services


def acquisitions(usual):
    return int(os.environ.get("MAESTRO_CONTENDED", usual))


@pytest.mark.xdist_group("redis")
def test_on_redis_nobody_is_admitted_above_the_cap(service, tmp_path):
    url, prefix = service("redis"), f"contended-{os.getpid()}"
    verdict = contend(
        lambda: RedisLeases(url, prefix=prefix), acquisitions=acquisitions(2000), folder=tmp_path
    )
    print(verdict)
    assert verdict.over == 0
    assert verdict.most == 2
    assert verdict.killed >= ENOUGH


@pytest.mark.xdist_group("postgres")
def test_on_postgres_nobody_is_admitted_above_the_cap(service, tmp_path):
    url, schema = service("postgres"), f"contended-{os.getpid()}"
    base = Database(url, schema=schema)
    verdict = contend(
        lambda: PostgresLeases(Database(url, schema=schema, size=1)),
        acquisitions=acquisitions(1000),
        folder=tmp_path,
    )
    with base.connection() as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(f"DROP SCHEMA {base.schema} CASCADE")
    base.close()
    print(verdict)
    assert verdict.over == 0
    assert verdict.most == 2
    assert verdict.killed >= ENOUGH


class CountThenAdd(RedisLeases):
    """The naive way: two requests."""

    def acquire(self, claim, caps, announce=None):
        client = self._server._client
        client.zremrangebyscore(claim.tenant, "-inf", time.time())
        if client.zcard(claim.tenant) >= caps.tenant:
            return None
        time.sleep(0.001)  # a busy network
        client.zadd(claim.tenant, {claim.run: time.time() + claim.ttl})
        return Lease(
            claim.tenant, claim.run, claim.package, client.incr("token"), claim.ttl, claim.ttl, claim.at
        )

    def release(self, tenant, run, token, announce=None):
        self._server._client.zrem(tenant, run)


@pytest.mark.xdist_group("redis")
def test_the_judge_finds_those_whom_the_naive_way_admits(service, tmp_path):
    url = service("redis").rsplit("/", 1)[0] + "/7"
    verdict = contend(lambda: CountThenAdd(url), cap=1, acquisitions=600, folder=tmp_path)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    print(verdict)
    assert verdict.over > 10
