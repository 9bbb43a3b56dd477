"""What is kept of events: old ones of runs are forgotten, and a sidecar goes on where the last one stopped."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestro.kernel.errors import PortError
from maestro.limits.replay import Replay
from maestro.runtime import BlockingLimits
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases, InProcessOutbox
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases, SqliteOutbox
from maestro_sidecar.logs import Log
from maestro_sidecar.retention import FORGOTTEN, Retention
from maestro_sidecar.settings import EventSettings
from maestro_sidecar.violations import ViolationWatch


class Ahead:
    """The wall clock, some days ahead."""

    def __init__(self, days):
        self.days = days

    def now(self):
        return SystemClock().now() + timedelta(days=self.days)


class Node:
    """A store in which runs were, and what a sidecar makes of its events."""

    def __init__(self, folder):
        path = folder / "store.db"
        self.leases = SqliteLeases(path)
        self.documents, self.events = (
            SqliteDocuments(self.leases.database),
            SqliteOutbox(self.leases.database),
        )
        self.limits = BlockingLimits(self.leases, SystemClock(), self.documents)
        self.events.append([self.limits.declared_defaults()])
        self.limits.put({"tenant": "acme", "maxConcurrent": 2}, by="ann")
        self.lines = []

    def run(self, *names):
        for name in names:
            self.limits.acquire(run=name, tenant="acme", package="ns/a").release()

    def watch(self):
        return ViolationWatch(self.events, Log(self.lines.append, SystemClock().now))

    def retention(self, watch, *, days=0.0, **settings):
        return Retention(self.events, Ahead(days), watch, EventSettings(**settings))

    def types(self):
        return [event.type for _, event in self.events.read()]

    def close(self):
        self.limits.close()
        self.leases.close()


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path)
    yield made
    made.close()


def judged(watch):
    while watch.turn():
        pass
    watch.keep()
    return watch


def test_old_events_of_runs_are_forgotten_and_the_rest_stays(node):
    node.run("r-1", "r-2")
    watch = judged(node.watch())
    assert not node.retention(watch, days=29).turn()
    assert len(node.types()) == 7
    node.retention(watch, days=31).turn()
    *kept, newest = node.types()
    assert not FORGOTTEN & set(kept)
    assert (len(kept), newest) == (3, "mc.limits.run.released")  # the newest event always stays


def test_what_was_not_judged_and_kept_is_not_forgotten(node):
    node.run("r-1", "r-2")
    watch = node.watch()
    watch.turn()  # judged, and not kept
    node.retention(watch, days=365).turn()
    assert len(node.types()) == 7


def test_too_many_are_forgotten_earlier(node, monkeypatch):
    monkeypatch.setattr("maestro_sidecar.retention.PAGE", 4)
    node.run(*(f"r-{number}" for number in range(10)))
    watch = judged(node.watch())
    retention = node.retention(watch)
    retention._most = 6
    while retention.turn():
        pass
    assert len([one for one in node.types() if one in FORGOTTEN]) == 6


def test_the_next_start_goes_on_where_the_last_one_stopped(node):
    node.run("r-1", "r-2")
    judged(node.watch())
    read = []
    reading, node.events.read = node.events.read, lambda *a: read.extend(found := reading(*a)) or found
    node.run("r-3")
    again = judged(node.watch())
    assert (again.figures().admitted, len(read)) == (3, 2)


def test_findings_outlive_what_they_were_found_in(node):
    node.run("r-1")
    first = next(event for _, event in node.events.read() if event.type.endswith("admitted"))
    for number in range(3):  # one more than the cap
        data = first.data | {
            "run": f"x-{number}",
            "token": 900 + number,
            "storeSeconds": 1e9,
            "ttlSeconds": 60,
        }
        node.events.append(
            [type(first)(f"{900 + number}/admitted", first.source, first.type, "x", first.time, data)]
        )
    watch = judged(node.watch())
    assert watch.figures().violated == 1
    node.retention(watch, days=31).turn()
    assert judged(node.watch()).figures() == watch.figures()


def test_a_state_of_another_release_is_replayed_anew(node):
    node.run("r-1")
    judged(node.watch())
    node.events.acknowledge("limits/replay", 10**6, b'{"format":99}')
    assert judged(node.watch()).figures().admitted == 1
    assert json.loads(node.lines[-1])["event"] == "replay_begins_anew"


def test_what_is_found_is_kept_every_so_often(node, monkeypatch):
    monkeypatch.setattr("maestro_sidecar.violations.KEEP_EVERY", 3)
    node.run("r-1", "r-2")
    watch = node.watch()
    watch.keep()  # nothing was read yet
    watch.turn()
    assert watch.kept == node.events.acknowledged("limits/replay") == 7


def test_a_sidecar_that_stops_keeps_what_it_found(sidecar):
    ask = sidecar()
    ask("POST", "/api/limits/runs", {"run": "r-1", "package": "ns/a"}, token="acme")
    while ask.context.violations.turn():
        pass
    events = ask.context.violations._events
    ask.context.close()
    assert Replay.restored(events.resume("limits/replay")[1]).admitted == 1


def test_a_store_that_is_down_at_the_end_is_told_and_holds_nothing_up(sidecar, monkeypatch):
    ask = sidecar()
    ask.context.violations.turn()

    def down(*_):
        raise PortError("down")

    monkeypatch.setattr("maestro_adapters.inprocess.InProcessOutbox.acknowledge", down)
    ask.context.close()
    assert ask.log("replay_not_kept")


# ---- a replay that goes on is the same as one that never stopped -------------------------------------------


def history(steps):
    """Events of a tenant whose caps change while runs come and go, some smuggled past them."""
    outbox = InProcessOutbox()
    leases, documents = InProcessLeases(outbox=outbox), InProcessDocuments(outbox)
    limits = BlockingLimits(leases, SystemClock(), documents)
    outbox.append([limits.declared_defaults()])
    for number, step in enumerate(steps):
        if isinstance(step, int):
            limits.put({"tenant": "acme", "maxConcurrent": step}, by="ann")
        else:
            slot = limits.acquire(run=f"r-{number}", tenant=step, package="ns/a")
            if number % 3 and slot.allowed:
                slot.release()
    limits.close()
    return [event for _, event in outbox.read()]


@given(
    st.lists(st.one_of(st.integers(0, 2), st.sampled_from(["acme", "beta"])), min_size=1, max_size=12),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_replay_that_goes_on_finds_what_one_that_never_stopped_finds(steps, data):
    events = [event for event in history(steps) if data.draw(st.integers(0, 9))]  # some are lost
    stop = data.draw(st.integers(0, len(events)))
    straight, before = Replay(), Replay()
    for event in events:
        straight.feed(event)
    for event in events[:stop]:
        before.feed(event)
    after = Replay.restored(before.state())
    for event in events[stop:]:
        after.feed(event)
    assert after.state() == straight.state()
    assert after.violations == straight.violations


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b"\xff"])
def test_what_is_no_state_is_none(state):
    assert Replay.restored(state) is None


def test_a_state_of_another_format_is_not_gone_on_from():
    state = Replay().state()
    assert Replay.restored(state).state() == state
    assert Replay.restored(state.replace(b'"format":1', b'"format":2')) is None
