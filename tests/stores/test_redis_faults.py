"""Redis as it fails: killed, restarted, emptied, set back, full, a replica, shut off; and answers that never arrive."""

import contextlib
import socket
import struct
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from maestro.kernel.errors import PortError
from maestro.ports.leases import Caps, Claim, Full, Lease, Release
from maestro.testing.clock import VirtualClock
from maestro_adapters.redis import RedisLeases
from maestro_adapters.redis.server import unfit
from stores.support import CuttingProxy, OwnServer, answers

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("redis")]

AT = datetime(2026, 3, 30, tzinfo=UTC)
ONE = Caps(tenant=1)
TLS = Path(__file__).parent.parent / "sidecar" / "tls"


def claim(run, tenant="acme", ttl=60.0):
    return Claim(tenant, run, "ns/a", ttl, AT)


@pytest.fixture(scope="module")
def server_of_this_module(service):
    service("redis")  # skipped or failed by the rule for services
    server = OwnServer("redis")
    yield server
    server.stop()


@pytest.fixture
def own(server_of_this_module):
    """Up, empty, and as it is shipped, whatever the test before has done to it."""
    with redis.Redis.from_url(server_of_this_module.start()) as client:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
        client.flushall()
        client.script_flush()
    return server_of_this_module


@pytest.fixture
def leases(own):
    with_timeout = RedisLeases(own.start(), timeout=2.0)
    yield with_timeout
    with_timeout.close()


def test_leases_survive_a_killed_server_and_the_next_call_connects_again(own, leases):
    lease = leases.acquire(claim("r-1"), ONE)
    own.kill()
    with pytest.raises(PortError, match="next call connects again") as caught:
        leases.find("acme", "r-1")
    assert caught.value.code == "store_unreachable"
    assert caught.value.retry_after
    own.start()
    assert leases.find("acme", "r-1").token == lease.token
    assert isinstance(leases.acquire(claim("r-2"), ONE), Full)


def test_a_restart_between_two_calls_is_not_noticed(own, leases):
    lease = leases.acquire(claim("r-1"), ONE)
    own.kill()
    own.start()
    assert leases.acquire(claim("r-1"), ONE).token == lease.token


def test_on_an_empty_server_tokens_go_on_growing_and_holders_learn_that_they_lost_their_slot(own, leases):
    lease = leases.acquire(claim("r-1"), ONE)
    own.kill()
    own.lose_data()
    own.start()
    assert leases.find("acme", "r-1") is None
    heir = leases.acquire(claim("r-2"), ONE)
    assert heir.token > lease.token
    assert leases.renew("acme", "r-1", lease.token, 60.0) is None
    assert leases.release("acme", "r-1", lease.token) is Release.ABSENT


def test_on_a_server_that_lost_the_last_tokens_they_go_on_growing(leases):
    before = leases.acquire(claim("r-1"), Caps())
    with leases._server._client as client:
        client.hset("{maestro}:meta", "fence", before.token - 1000)
        assert leases.acquire(claim("r-2"), Caps()).token > before.token


@pytest.fixture
def cut(own):
    server = own.start()
    proxy = CuttingProxy(own.port)
    store = RedisLeases(server.replace(str(own.port), str(proxy.port)), timeout=2.0)
    store.find("acme", "warm")
    yield proxy, store, RedisLeases(server)
    proxy.close()


def test_an_acquire_whose_answer_was_lost_is_answered_the_same_when_asked_again(cut):
    proxy, store, direct = cut
    store.acquire(claim("warm"), Caps())
    proxy.cut_after(b"r-1")
    with pytest.raises(PortError) as caught:
        store.acquire(claim("r-1"), Caps(tenant=2))
    assert caught.value.retry_after
    assert proxy.cuts == 1
    happened = direct.find("acme", "r-1")
    again = store.acquire(claim("r-1"), Caps(tenant=2))
    assert (again.token, again.created) == (happened.token, False)
    assert direct.held() == {"acme": 2}


def test_a_renewal_or_release_whose_answer_was_lost_can_be_repeated(cut):
    proxy, store, direct = cut
    lease = store.acquire(claim("r-1", ttl=30.0), Caps())
    for script in (lambda: store.renew("acme", "warm", 1, 1.0), lambda: store.release("acme", "warm", 1)):
        script()  # known to the server from here on, so one request is enough
    proxy.cut_after(b"r-1")
    with pytest.raises(PortError):
        store.renew("acme", "r-1", lease.token, 90.0)
    assert direct.find("acme", "r-1").ttl == 90.0
    assert store.renew("acme", "r-1", lease.token, 90.0).token == lease.token
    proxy.cut_after(b"r-1")
    with pytest.raises(PortError):
        store.release("acme", "r-1", lease.token)
    assert store.release("acme", "r-1", lease.token) is Release.ABSENT
    assert proxy.cuts == 2


def test_a_server_that_does_not_answer_in_time_is_unreachable(own, leases):
    store = RedisLeases(f"redis://127.0.0.1:{own.port}/0", timeout=0.2)
    with leases._server._client as client:
        client.client_pause(600, all=True)
        with pytest.raises(PortError, match="too slowly") as caught:
            store.acquire(claim("r-1"), ONE)
        assert caught.value.code == "store_unreachable"


def test_when_the_memory_is_full_an_acquire_is_refused_and_takes_nothing(leases):
    with leases._server._client as client:
        lease = leases.acquire(claim("r-1"), Caps())
        client.config_set("maxmemory", 1)
        with pytest.raises(PortError, match="maxmemory") as caught:
            leases.acquire(claim("r-2"), Caps())
        assert (caught.value.code, caught.value.retry_after) == ("store_full", 30.0)
        assert leases.held() == {"acme": 1}
        assert leases.renew("acme", "r-1", lease.token, 90.0).remaining == 90.0
        assert leases.release("acme", "r-1", lease.token) is Release.RELEASED


def test_a_server_that_may_evict_leases_is_refused(own):
    url = own.start()
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 2**30)
        client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(PortError, match="noeviction") as caught:
        RedisLeases(url)
    assert caught.value.code == "store_unsuited"


def test_a_replica_is_refused_and_a_primary_that_became_one_says_so(own, leases):
    with leases._server._client as client:
        client.replicaof("127.0.0.1", 1)
        with pytest.raises(PortError, match="primary") as caught:
            leases.acquire(claim("r-1"), ONE)
        assert caught.value.code == "store_read_only"
        with pytest.raises(PortError, match="is a replica"):
            RedisLeases(f"redis://127.0.0.1:{own.port}/0")


def test_without_password_or_permission_it_is_refused_and_the_password_is_not_told(own, leases):
    with leases._server._client as client:
        client.acl_setuser(
            "app", enabled=True, passwords=["+sesame"], keys=["*"], commands=["+@all", "-@scripting"]
        )
        client.acl_setuser("default", enabled=True, reset_passwords=True, passwords=["+open"])
        try:
            for user in ("", ":wrong@", "app:sesame@"):
                with pytest.raises(PortError, match="Correct user and password") as caught:
                    RedisLeases(f"redis://{user}127.0.0.1:{own.port}/0").find("acme", "r-1")
                assert caught.value.code == "store_refused"
                assert "sesame" not in str(caught.value)
        finally:
            client.acl_deluser("app")
            client.acl_setuser(
                "default", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all"]
            )


def test_a_server_without_scripts_is_refused(tmp_path, leases):
    class Renamed:
        def info(self):
            return {"redis_version": "7.2.4", "role": "master"}

        def execute_command(self, name, *_, **__):
            raise redis.ResponseError(f"unknown command '{name}', with args beginning with: ")

    with pytest.raises(PortError, match="EVALSHA are allowed") as caught:
        RedisLeases(Renamed()).held()
    assert (caught.value.code, caught.value.retry_after) == ("store_unsuited", None)


def test_scripts_that_the_server_forgot_are_sent_again(leases):
    lease = leases.acquire(claim("r-1"), ONE)
    with leases._server._client as client:
        client.script_flush()
        assert leases.find("acme", "r-1").token == lease.token


def test_a_newer_layout_is_left_alone(leases):
    with leases._server._client as client:
        client.hset("{maestro}:meta", "layout", "2")
        before = client.hgetall("{maestro}:meta")
        for ask in (leases.held, lambda: leases.acquire(claim("r-1"), ONE), lambda: leases.usage("acme", "ns/a"),
                    lambda: leases.find("acme", "r"), lambda: leases.renew("acme", "r", 1, 1.0),
                    lambda: leases.release("acme", "r", 1)):  # fmt: skip
            with pytest.raises(PortError, match="Upgrade Maestro") as caught:
                ask()
            assert caught.value.code == "store_newer"
        assert client.hgetall("{maestro}:meta") == before
        assert client.keys() == [b"{maestro}:meta"]


def test_keys_of_another_application_are_left_alone(leases):
    with leases._server._client as client:
        client.set("{maestro}:meta", "theirs")
        with pytest.raises(PortError, match="another prefix"):
            leases.acquire(claim("r-1"), ONE)
        assert client.get("{maestro}:meta") == b"theirs"


def test_tls_to_a_server_without_it_fails_with_a_remedy(own):
    with pytest.raises(PortError) as caught:
        RedisLeases(f"rediss://127.0.0.1:{own.port}/0", timeout=0.3)
    assert caught.value.code in {"store_untrusted", "store_unreachable"}
    assert caught.value.remedy


@contextlib.contextmanager
def started(folder, program, *options):
    """A Redis with options that the service scripts do not know; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if port > 55_535:
        port -= 20_000  # a cluster's nodes talk on a port 10000 above
    command = [
        program,
        *(option.replace("PORT", str(port)) for option in options),
        "--dir",
        str(folder),
        "--save",
        "",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log) as server:
        try:
            while not answers(port):
                assert server.poll() is None, (folder / "log").read_text()
                threading.Event().wait(0.02)
            yield port
        finally:
            server.kill()


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, tool, service):
    service("redis")
    certificate, key = TLS / "cert.pem", TLS / "key.pem"
    options = (
        f"--port 0 --tls-port PORT --tls-cert-file {certificate} --tls-key-file {key} --tls-auth-clients no"
    )
    with started(tmp_path, tool("redis-server"), *options.split()) as port:
        with pytest.raises(PortError, match="ssl_ca_certs") as caught:
            RedisLeases(f"rediss://127.0.0.1:{port}/0", timeout=2.0)
        assert (caught.value.code, caught.value.retry_after) == ("store_untrusted", None)
        with pytest.raises(PortError) as caught:
            RedisLeases(f"redis://127.0.0.1:{port}/0", timeout=2.0)
        assert caught.value.code == "store_unreachable"
        known = f"ssl_ca_certs={certificate}&ssl_check_hostname=false"
        store = RedisLeases(f"rediss://127.0.0.1:{port}/0?{known}", timeout=2.0)
        assert store.held() == {}
        store.close()


def test_on_a_cluster_all_of_a_store_is_in_one_slot(tmp_path, tool, service):
    service("redis")
    with started(tmp_path, tool("redis-server"), "--port", "PORT", "--cluster-enabled", "yes") as port:
        with redis.Redis(port=port) as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(16_384))
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                threading.Event().wait(0.02)
        with redis.RedisCluster(port=port, host="127.0.0.1") as cluster:
            store = RedisLeases(cluster)
            lease = store.acquire(claim("r-1"), ONE)
            assert store.held() == {"acme": 1}
            assert store.renew("acme", "r-1", lease.token, 60.0).token == lease.token
            assert store.usage("acme", "ns/a").package == 1
            assert store.release("acme", "r-1", lease.token) is Release.RELEASED


def test_a_step_back_of_the_servers_clock_costs_no_more_than_one_ttl(service):
    clock = VirtualClock()
    clock.advance(100_000)
    store = RedisLeases(service("redis"), prefix=f"step-{id(clock)}", clock=clock)
    dead = store.acquire(claim("dead", ttl=60.0), ONE)
    clock._nanoseconds -= 3600 * 10**9
    assert isinstance(store.acquire(claim("r-1"), ONE), Full)
    clock.advance(59)
    answer = store.acquire(claim("r-1"), ONE)
    assert answer.usage.tenant_frees_in == pytest.approx(1.0)
    clock.advance(1)
    heir = store.acquire(claim("r-1"), ONE)
    assert isinstance(heir, Lease)
    assert heir.token > dead.token
    assert heir.counted_at >= dead.counted_at


def test_keys_go_by_themselves_after_the_last_lease(leases):
    with leases._server._client as client:
        leases.acquire(claim("long", ttl=1000.0), Caps())
        lease = leases.acquire(claim("short", ttl=1.0), Caps())
        for key in ("{maestro}:runs:acme", "{maestro}:slots:acme", "{maestro}:package:4:acme:ns/a"):
            assert 1_000_000 < client.pttl(key) <= 1_060_000
        leases.renew("acme", "short", lease.token, 2000.0)
        assert client.pttl("{maestro}:runs:acme") > 2_000_000


def test_a_client_of_ones_own_may_decode_and_stays_open(own):
    with redis.Redis.from_url(own.start(), decode_responses=True) as client:
        store = RedisLeases(client, prefix="mine")
        lease = store.acquire(Claim("ä", "r-1", "ns/ß", 60.0, AT, 5.0, "rev"), ONE)
        found = store.find("ä", "r-1")
        assert (found.package, found.revision, found.expected, found.token) == (
            "ns/ß",
            "rev",
            5.0,
            lease.token,
        )
        store.close()
        assert client.ping()


def test_a_lease_keeps_its_binary_form(leases):
    lease = leases.acquire(claim("r-1"), ONE)
    with leases._server._client as client:
        value = client.hget("{maestro}:runs:acme", "r-1")
    assert struct.unpack_from(">d", value)[0] == lease.token
    assert value.endswith(b"ns/a")


@pytest.mark.parametrize(
    ("information", "fault"),
    [
        ({"redis_version": "5.0.14"}, "is Redis 5.0.14"),
        ({}, "unknown version"),
        ({"redis_version": "6.0.0", "role": "slave"}, "is a replica"),
        ({"redis_version": "7.0.0", "maxmemory": "1", "maxmemory_policy": "volatile-ttl"}, "volatile-ttl"),
    ],
)
def test_unfit_servers_are_known_by_what_they_say(information, fault):
    assert fault in unfit(information)[0]


def test_fit_servers_are_fit():
    assert (
        unfit({"redis_version": "8.0.1", "role": "master", "maxmemory": 1, "maxmemory_policy": "noeviction"})
        is None
    )
    assert unfit({"redis_version": "6.2", "maxmemory": 0, "maxmemory_policy": "allkeys-lru"}) is None
