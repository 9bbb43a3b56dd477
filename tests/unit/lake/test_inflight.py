"""Exactly once, as a state machine: polls, commits, faults before and after, acknowledgements and crashes in any order."""

import datetime as dt

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from maestro.lake.changes import batch_of
from maestro.lake.inflight import InFlight, furthest
from maestro.ports.changes import Polled
from maestro.ports.lake import Poison

COLUMNS = pa.schema([("id", pa.int64()), ("value", pa.int64())])
NOW = dt.datetime(2026, 3, 30, tzinfo=dt.UTC)


def change(key, value, version, op="u"):
    row = {"id": key, "_op": op, "_version": version, "_event_time": NOW, "_source": "s"}
    return row if op == "d" else row | {"value": value}


def polled(*rows, positions=None, poison=(), size=1):
    return Polled(batch_of(rows, COLUMNS) if rows else None, positions or {}, poison, size)


class TestRules:
    def test_a_take_covers_whole_polls_and_its_positions_all_of_them(self):
        flight = InFlight()
        flight.offer(polled(change(1, 1, 1), change(2, 1, 2), positions={"a": 2}), 0.0)
        flight.offer(polled(change(1, 2, 3), positions={"a": 3, "b": 1}), 1.0)
        flight.offer(polled(change(3, 1, 4), positions={"a": 4}), 2.0)
        assert flight.pending(5.0).rows == 4
        assert flight.pending(5.0).waited == 5.0
        taken = flight.take(3, 100)
        assert (taken.rows, taken.positions, flight.rows) == (3, {"a": 3, "b": 1}, 4)
        assert flight.acknowledge() == {}
        flight.committed()
        assert (flight.acknowledge(), flight.acknowledge()) == ({"a": 3, "b": 1}, {})
        assert flight.rows == 1

    def test_bytes_bound_a_take_too(self):
        flight = InFlight()
        for number in range(3):
            flight.offer(polled(change(1, 1, number), size=10), 0.0)
        assert flight.take(100, 15).rows == 2
        assert (flight.bytes, flight.oldest) == (30, NOW)

    def test_a_poll_without_changes_moves_the_source_on_once_nothing_waits_before_it(self):
        flight = InFlight()
        flight.offer(polled(positions={"a": 1}), 0.0)
        assert flight.acknowledge() == {"a": 1}
        flight.offer(polled(change(1, 1, 1), positions={"a": 2}), 0.0)
        flight.offer(polled(positions={"a": 3}), 0.0)
        assert flight.acknowledge() == {}
        assert flight.take(10, 10).positions == {"a": 3}
        flight.committed()
        flight.committed()
        assert flight.acknowledge() == {"a": 3}

    def test_an_event_to_be_kept_aside_asks_for_a_commit_like_a_change(self):
        flight = InFlight()
        flight.offer(polled(poison=[Poison("x", "", "s")], positions={"a": 1}), 3.0)
        assert (flight.pending(4.0).rows, flight.pending(4.0).waited) == (1, 1.0)
        taken = flight.take(10, 10)
        assert (taken.batch, len(taken.poison), taken.oldest) == (None, 1, None)

    def test_a_heartbeat_alone_is_nothing(self):
        flight = InFlight()
        flight.offer(Polled(quiet_at=NOW), 0.0)
        assert (flight.pending(1.0).rows, flight.acknowledge(), flight.oldest) == (0, {}, None)

    def test_rows_of_a_snapshot_do_not_make_a_table_look_stale(self):
        flight = InFlight()
        flight.offer(polled(change(1, 1, 1, op="r")), 0.0)
        assert flight.oldest is None

    def test_lanes_only_grow(self):
        assert furthest([{"a": 3}, {"a": 1, "b": 2}]) == {"a": 3, "b": 2}


class Table:
    """A lake table by its contract: gate, version guard, tombstones."""

    def __init__(self):
        self.rows, self.positions, self.quarantined, self.applied = {}, {}, set(), 0

    def merge(self, batch, positions):
        if all(number <= self.positions.get(lane, -1) for lane, number in positions.items()):
            return
        for row in sorted(batch.to_pylist(), key=lambda row: row["_version"]):
            if self.rows.get(row["id"], (-1,))[0] < row["_version"]:
                self.rows[row["id"]] = (row["_version"], None if row["_op"] == "d" else row["value"])
        self.positions = furthest((self.positions, positions))
        self.applied += 1

    def live(self):
        return {key: value for key, (_, value) in self.rows.items() if value is not None}


class Following(RuleBasedStateMachine):
    """A source of two lanes, each an append-only log; a key stays in its lane; every fifth event is poison."""

    def __init__(self):
        super().__init__()
        self.logs = {"s/0": [], "s/1": []}
        self.truth, self.poison = {}, set()
        self.forgotten = dict.fromkeys(self.logs, 0)
        self.table, self.version, self.clock = Table(), 0, 0.0
        self.restart()

    def restart(self):
        self.flight, self.taken = InFlight(), None
        self.read = {lane: max(self.table.positions.get(lane, 0), self.forgotten[lane]) for lane in self.logs}

    @rule(key=st.integers(0, 5), kind=st.sampled_from(["u", "u", "u", "d", "bad", "beat"]))
    def produce(self, key, kind):
        lane = f"s/{key % 2}"
        self.version += 1
        if kind == "bad":
            self.poison.add((lane, len(self.logs[lane])))
            self.logs[lane].append(Poison("bad", "", lane, len(self.logs[lane])))
        elif kind == "beat":
            self.logs[lane].append(None)
        else:
            self.logs[lane].append(change(key, self.version, self.version, kind))
            self.truth.pop(key, None)
            if kind == "u":
                self.truth[key] = self.version

    @rule(lane=st.sampled_from(["s/0", "s/1"]), count=st.integers(1, 4))
    def poll(self, lane, count):
        begin = self.read[lane]
        events = self.logs[lane][begin : begin + count]
        if events:
            self.read[lane] = begin + len(events)
            rows = [each for each in events if isinstance(each, dict)]
            poison = [each for each in events if isinstance(each, Poison)]
            self.clock += 1
            self.flight.offer(polled(*rows, positions={lane: self.read[lane]}, poison=poison), self.clock)

    @precondition(lambda self: self.taken is None and self.flight.pending(self.clock).rows)
    @rule(rows=st.integers(1, 6))
    def take(self, rows):
        self.taken = self.flight.take(rows, 1_000)

    @precondition(lambda self: self.taken is not None)
    @rule(fault=st.sampled_from(["none", "none", "before", "after quarantine", "after merge"]))
    def commit(self, fault):
        """A fault that is no crash is tried again with the same take, as the follower does."""
        if fault == "before":
            return
        self.table.quarantined |= {(each.source, each.position) for each in self.taken.poison}
        if fault == "after quarantine":
            return
        if self.taken.batch is not None:
            self.table.merge(self.taken.batch, self.taken.positions)
        if fault == "none":
            self.flight.committed()
            self.taken = None

    @rule()
    def acknowledge(self):
        self.forgotten = furthest((self.forgotten, self.flight.acknowledge()))

    @rule()
    def kill(self):
        self.restart()

    @invariant()
    def nothing_is_forgotten_that_is_nowhere(self):
        for lane, number in self.forgotten.items():
            for offset, event in enumerate(self.logs[lane][:number]):
                if isinstance(event, Poison):
                    assert (lane, offset) in self.table.quarantined
                elif event is not None:
                    assert self.table.rows[event["id"]][0] >= event["_version"]

    def teardown(self):
        """Once all is read, the table is what the history says, and every bad event is kept."""
        if self.taken is not None:
            self.commit("none")
        for lane in self.logs:
            while self.read[lane] < len(self.logs[lane]):
                self.poll(lane, 4)
        while self.flight.pending(self.clock).rows:
            self.take(6)
            self.commit("none")
        assert self.table.live() == self.truth
        assert self.table.quarantined == self.poison


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=60, stateful_step_count=40)
