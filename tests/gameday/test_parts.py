"""The parts of drills, by themselves: the proxy, the witness, the client, the evidence, the catalogue."""

import contextlib
import socket
import sys
import threading
import time

import pytest
from chaoslib.experiment import ensure_experiment_is_valid

from maestro.kernel.errors import BadInputError, PortError
from maestro_sidecar.gameday import catalog, common, evidence, faults, sidecars
from maestro_sidecar.gameday.client import Answer, Client
from maestro_sidecar.gameday.drills import clock_step, store_loss, two_nodes
from maestro_sidecar.gameday.proxy import FaultProxy
from maestro_sidecar.gameday.servers import Server
from maestro_sidecar.gameday.stage import Stage
from maestro_sidecar.gameday.witness import Holder, Witness


@pytest.fixture
def stage():
    with Stage() as made:
        yield made


@pytest.fixture
def echo():
    """The port of a server that answers what it is told, and closes when its client does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection:
            while piece := connection.recv(1000):
                connection.sendall(piece)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def proxy(echo):
    made = FaultProxy("127.0.0.1", echo)
    yield made
    made.close()


def asked(connection, text=b"hello"):
    connection.sendall(text)
    return connection.recv(1000)


def ended(connection):
    """Whether the other side ended it, by its manners or by a reset."""
    try:
        return connection.recv(10) == b""
    except ConnectionError:
        return True


def through(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def test_a_proxy_hands_through_cuts_refuses_and_hands_through_again(proxy, stage):
    with through(proxy) as first:
        assert asked(first) == b"hello"
        proxy.down()
        assert ended(first)
    with contextlib.suppress(OSError):  # a client may hear of it while it still connects
        through(proxy).close()
    assert stage.wait_until(lambda: proxy.refused == 1, 5)
    proxy.up()
    with through(proxy) as third:
        assert asked(third) == b"hello"
    assert (proxy.accepted, proxy.cut, proxy.refused) == (2, 1, 1)


def test_a_proxy_holds_back(proxy):
    proxy.delay = 0.1
    with through(proxy) as slow:
        before = time.monotonic()
        assert asked(slow) == b"hello"
        assert time.monotonic() - before >= 0.2


def test_a_proxy_whose_server_is_not_there(stage):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = FaultProxy("127.0.0.1", port)
    with (
        contextlib.suppress(OSError),
        through(proxy) as lost,
    ):  # it may hear of the reset while it still connects
        assert ended(lost)
    assert stage.wait_until(lambda: proxy.refused == 1, 5)
    proxy.close()


def test_a_witness_counts_who_is_at_work_and_who_died(stage):
    witness = Witness(stage, "redis", 1)
    stage.at_end(witness.close)
    first, second = Holder(witness.port), Holder(witness.port)
    first.say("begin north 1")
    assert (witness.live, witness.at_work["north"], stage.faults) == (1, 1, [])
    second.say("begin south 2")
    assert stage.faults == ["redis: 2 holders at work at once under a cap of 1"]
    first.say("end")
    first.say("denied")
    first.say("begin north 2")
    assert stage.faults[-1] == "redis: fencing token 2 was given twice"
    first.say("end")
    first.close()
    second.close()  # without a word
    assert stage.wait_until(lambda: witness.crashed == 1, 5)
    assert (witness.live, witness.most, witness.admitted) == (0, 2, 3)
    assert [mark.kind for mark in stage.timeline().marks].count("violation") == 3


def test_a_client_tells_a_lost_connection_as_an_answer():
    client = Client(1)
    assert client.ask("GET", "/livez") == Answer(0)
    assert client.ask("GET", "/livez").retry_after is None
    client.close()


def test_answers_in_the_timeline(stage):
    for status in (200, 201, 403, 429, 503, 0):
        common.mark_answer(stage, Answer(status))
    kinds = [mark.kind for mark in stage.timeline().marks]
    assert kinds == ["admitted"] * 2 + ["denied"] * 2 + ["unavailable"] * 2


def test_holders_beyond_the_cap_are_told(stage):
    class Door:
        def acquire(self, *_):
            return Answer(201)

        def release(self, *_):
            return Answer(204)

    holders = common.Holders(stage, 1)
    common.at_once(lambda number: holders.run(Door(), "acme", f"r-{number}", 0.2), 2)
    assert (holders.most, stage.faults) == (2, ["2 runs of acme at once under a cap of 1"])


def test_a_fault_that_still_lasts_is_drawn_to_the_end(stage):
    stage.fault_begins("cut")
    stage.fault_ends("another")
    (span,) = stage.timeline().spans
    assert (span.label, span.begins <= span.ends) == ("cut", True)


def test_normal_traffic_that_is_denied(stage):
    class Parts:
        sidecars = (type("Fake", (), {"client": type("Door", (), {"acquire": lambda *_: Answer(503)})()})(),)

    stage.parts = Parts
    assert common.normal_traffic() is False


@pytest.mark.parametrize("settings", ["nonsense", "[server]\nport = -1\n"])
def test_a_sidecar_that_does_not_start(stage, monkeypatch, settings):
    monkeypatch.setattr(sidecars, "SETTINGS", settings)
    with pytest.raises(PortError, match=r"The sidecar ended: .*(config|port)"):
        sidecars.Sidecar(stage)


def test_a_sidecar_that_takes_too_long(stage, monkeypatch):
    monkeypatch.setattr(sidecars, "_START_SECONDS", 0.01)
    with pytest.raises(PortError, match="The sidecar did not start"):
        sidecars.Sidecar(stage)


def test_a_sidecar_that_refuses_a_document_or_to_end(stage, monkeypatch):
    sidecar = sidecars.Sidecar(stage)
    with pytest.raises(PortError, match="refused a document: 400"):
        sidecar.put("windows", {"tenant": "acme", "timezone": "Nowhere/Land"})
    monkeypatch.setattr(sidecars, "_STOP_SECONDS", 0.0)
    sidecar.stop()
    assert sidecar.process.returncode is not None


@pytest.mark.parametrize("name", catalog.NAMES)
def test_every_experiment_is_valid_and_rolls_back(name):
    experiment = catalog.experiment_of(name)
    ensure_experiment_is_valid(experiment)
    assert experiment["rollbacks"]
    assert experiment["title"].endswith("?")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"requests": "60"}, {"requests": 60}),
        ({"ttlSeconds": "1.5", "store": "redis"}, {"ttlSeconds": 1.5, "store": "redis"}),
    ],
)
def test_settings_are_of_the_kind_that_is_shipped(given, found):
    assert catalog.configured(catalog.experiment_of("store-loss"), given) == found


@pytest.mark.parametrize(
    "given", [{"requests": "many"}, {"requests": 0}, {"requests": 4001}, {"color": "red"}, {"redis": "x"}]
)
def test_settings_that_are_refused(given):
    with pytest.raises(BadInputError, match="--set"):
        catalog.configured(catalog.experiment_of("store-loss"), given)


@pytest.mark.parametrize(
    ("needs", "configuration", "field"),
    [
        (store_loss.needs, {"store": "tape"}, "--set store"),
        (store_loss.needs, {"store": "redis", "redis": ""}, "MAESTRO_REDIS: is not set"),
        (two_nodes.needs, {"stores": "all"}, "--set stores"),
        (
            two_nodes.needs,
            {"stores": "both", "redis": "here", "postgres": ""},
            "MAESTRO_REDIS: is no address",
        ),
    ],
)
def test_what_a_drill_needs(needs, configuration, field):
    with pytest.raises(BadInputError, match=field):
        needs(configuration)


def test_a_clock_that_cannot_be_stepped_here(monkeypatch):
    monkeypatch.setattr(clock_step, "LIBRARIES", ("/nowhere/*.so",))
    with pytest.raises(BadInputError, match="apt-get install faketime"):
        clock_step.needs({})


def test_a_disk_that_cannot_be_filled_here(monkeypatch):
    monkeypatch.delattr(faults.resource, "prlimit")
    with pytest.raises(BadInputError, match="needs Linux"):
        store_loss.needs({"store": "sqlite"})


@pytest.mark.parametrize(
    ("address", "host", "port", "through"),
    [
        ("redis://:secret@cache:1/0", "cache", 1, "redis://:secret@127.0.0.1:9/0"),
        ("redis://cache", "cache", 6379, "redis://127.0.0.1:9"),
    ],
)
def test_a_server_by_way_of_a_proxy(address, host, port, through):
    server = Server("redis", address)
    assert (server.host, server.port, server.through(9).address) == (host, port, through)


def test_nothing_in_the_evidence_names_the_machine(tmp_path):
    journal = {
        "node": "build-7",
        "platform": "Linux-special",
        "run": [
            {
                "exception": ["Traceback\n", f"OSError: {tmp_path}/x at redis://:secret@h\n"],
                "output": sys.prefix,
            }
        ],
    }
    secrets = {str(tmp_path): "<stage>", "redis://:secret@h": "<redis>"}
    assert evidence.scrubbed(journal, secrets) == {
        "run": [{"exception": ["OSError: <stage>/x at <redis>"], "output": "<python>"}]
    }
