"""What the store says of a Redis that cannot be used, without one."""

import ssl
import sys

import pytest
import redis

from maestro.kernel.errors import BadInputError, PortError
from maestro.ports.leases import Claim
from maestro.testing.clock import VirtualClock
from maestro_adapters.redis import RedisLeases
from maestro_adapters.redis.server import Server


class Answering:
    """A client whose server answers INFO well and everything else with one error."""

    def __init__(self, error):
        self.error = error

    def info(self):
        return {"redis_version": "7.0.15", "role": "master"}

    def execute_command(self, *_, **__):
        raise self.error


def told(error):
    with pytest.raises(PortError) as caught:
        RedisLeases(Answering(error)).held()
    return caught.value


@pytest.mark.parametrize(
    ("error", "code", "again", "remedy"),
    [
        (
            redis.ConnectionError("Connection refused."),
            "store_unreachable",
            True,
            "the next call connects again",
        ),
        (redis.TimeoutError("Timeout reading from socket"), "store_unreachable", True, "too slowly"),
        (OSError("Network is unreachable"), "store_unreachable", True, "host and port"),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "store_unreachable", True, "wait"),
        (redis.exceptions.MasterDownError("Link with MASTER is down"), "store_unreachable", True, "failover"),
        (redis.exceptions.ClusterDownError("The cluster is down"), "store_unreachable", True, "nodes"),
        (
            redis.exceptions.MaxConnectionsError("Too many connections"),
            "store_busy",
            True,
            "more connections",
        ),
        (
            redis.ReadOnlyError("You can't write against a read only replica."),
            "store_read_only",
            True,
            "primary",
        ),
        (
            redis.ResponseError("MISCONF Redis is configured to save snapshots"),
            "store_read_only",
            True,
            "disk",
        ),
        (redis.ResponseError("NOREPLICAS Not enough good replicas"), "store_read_only", True, "min-replicas"),
        (redis.ResponseError("BUSY Redis is busy running a script."), "store_busy", True, "SCRIPT KILL"),
        (redis.exceptions.OutOfMemoryError("command not allowed"), "store_full", True, "maxmemory"),
        (redis.AuthenticationError("Authentication required."), "store_refused", False, "user and password"),
        (redis.exceptions.NoPermissionError("no permissions"), "store_refused", False, "@scripting"),
        (redis.exceptions.MovedError("1234 10.0.0.1:6379"), "store_unsuited", False, "RedisCluster"),
        (redis.ResponseError("CROSSSLOT Keys in request"), "store_unsuited", False, "RedisCluster"),
        (redis.ResponseError("unknown command 'EVALSHA'"), "store_unsuited", False, "EVAL and EVALSHA"),
        (redis.ResponseError("WRONGTYPE Operation against a key"), "store_foreign", False, "another prefix"),
        (redis.ResponseError("MAESTROLAYOUT 2"), "store_newer", False, "Upgrade Maestro"),
        (redis.ResponseError("ERR something nobody has seen"), "store_failed", True, ""),
    ],
)
def test_every_error_says_what_to_do_and_whether_to_try_again(error, code, again, remedy):
    failure = told(error)
    assert failure.code == code
    assert (failure.retry_after is not None) == again
    assert remedy in failure.remedy
    assert failure.__cause__ is error


def test_a_certificate_that_fails_is_told_from_a_server_that_is_away():
    error = redis.ConnectionError("Error 1 connecting to redis.example:6380.")
    error.__cause__ = ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate")
    failure = told(error)
    assert (failure.code, failure.retry_after) == ("store_untrusted", None)
    assert "ssl_ca_certs" in failure.remedy


def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis.exceptions", None)
    with pytest.raises(PortError, match=r"pip install 'maestro-conductor\[redis\]'") as caught:
        RedisLeases("redis://localhost")
    assert caught.value.code == "missing_extra"


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://localhost:sesame/0"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(PortError, match="rediss:// for TLS") as caught:
        RedisLeases(url)
    assert caught.value.code == "store_unopened"
    assert "sesame" not in str(caught.value)


def test_a_socket_is_named_by_its_path(tmp_path):
    with pytest.raises(PortError, match=r"none\.sock"):
        RedisLeases(f"unix://{tmp_path}/none.sock")


def test_a_server_that_cannot_be_asked_what_it_is_is_refused():
    class Silent(Answering):
        def info(self):
            raise self.error

    with pytest.raises(PortError, match="@scripting"):
        Server(Silent(redis.exceptions.NoPermissionError("no permissions to run 'info'")), 1.0)


def test_a_name_that_utf8_cannot_hold_is_the_callers_fault():
    store = RedisLeases(Answering(AssertionError("nothing is asked")))
    with pytest.raises(BadInputError, match="UTF-8"):
        store.acquire(Claim("acme", "\ud800", "ns/a", 60.0, VirtualClock().now()), None)
