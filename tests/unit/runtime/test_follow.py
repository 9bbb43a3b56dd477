"""The follower's two threads: what it commits, when it tries again, when it gives up, and what it tells meanwhile."""

import threading
from collections import deque

import pyarrow as pa
import pytest

from maestro.kernel.errors import BadInputError, ConflictError, PortError
from maestro.lake.backfill import Progress
from maestro.lake.changes import batch_of
from maestro.lake.pacing import Pace
from maestro.ports.changes import Backlog, Polled
from maestro.ports.chunks import Chunk
from maestro.ports.lake import Poison, TableSpec
from maestro.runtime.backfill import Backfill
from maestro.runtime.follow import Follower, FollowSettings
from maestro.testing.lake import InMemoryLake
from maestro_adapters.clock import SystemClock

COLUMNS = pa.schema([("id", pa.int64()), ("value", pa.int64())])
CLOCK = SystemClock()
PACE = Pace(shortest=0.01, longest=0.01)


def changes(*keys, version=1, positions=None, age=0.0):
    from datetime import timedelta

    at = CLOCK.now() - timedelta(seconds=age)
    rows = [
        {"id": key, "value": version, "_op": "u", "_version": version, "_event_time": at, "_source": "s"}
        for key in keys
    ]
    return Polled(batch_of(rows, COLUMNS), positions or {"s": version}, (), 10 * len(rows))


class Script:
    """A source that brings what it was given, raising what is an error, then tells that it is through."""

    name = "s"

    def __init__(self, *steps, backlog=None):
        self.steps, self.waiting = deque(steps), backlog or Backlog(events=0)
        self.told, self.paused, self.resumed, self.closed = [], 0, 0, False
        self.faults = deque()

    def start(self, recall):
        self.began = recall(["s", "s/other"])

    def poll(self, events, size, wait):
        if self.paused > self.resumed:
            return Polled()
        step = self.steps.popleft() if self.steps else Polled(quiet_at=CLOCK.now())
        if isinstance(step, BaseException):
            raise step
        return step

    def acknowledge(self, positions):
        if self.faults:
            raise self.faults.popleft()
        self.told.append(dict(positions))

    def pause(self):
        self.paused += 1

    def resume(self):
        self.resumed += 1

    def backlog(self):
        return self.waiting

    def close(self):
        self.closed = True


class Flaky(InMemoryLake):
    """Raises what it was given, before or after it has applied."""

    def __init__(self, *faults, after=False):
        super().__init__(TableSpec(key=("id",)), COLUMNS)
        self.faults, self.after = deque(faults), after

    def merge(self, batch, positions, *, now):
        fault = self.faults.popleft() if self.faults else None
        if fault is not None and not self.after:
            raise fault
        merged = super().merge(batch, positions, now=now)
        if fault is not None:
            raise fault
        return merged

    append = merge


def run(source, table=None, *, backfill=None, events=None, pace=PACE, **settings):
    table, notes = table or Flaky(), []
    follower = Follower(
        source, table, CLOCK, FollowSettings("runs", pace, **settings), events, backfill, notes.append
    )
    follower.run(threading.Event(), until_quiet=True)
    return follower.status(), sorted(row["id"] for row in table.read().to_pylist()), notes


def test_all_that_was_read_is_committed_and_then_told_to_the_source():
    source = Script(changes(1, 2), changes(3, version=2), Polled(positions={"s": 9}))
    status, ids, notes = run(source)
    assert (ids, status.events, status.state, notes) == ([1, 2, 3], 3, "stopped", [])
    assert source.told[-1] == {"s": 9}
    assert source.closed


def test_the_source_begins_where_the_table_is():
    table = Flaky()
    run(Script(changes(1, version=7)), table)
    again = Script()
    run(again, table)
    assert again.began == {"s": 7}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("fault", [PortError("timed out"), ConflictError("another was first")])
def test_a_commit_is_tried_again_and_counts_once(fault, after):
    status, ids, notes = run(Script(changes(1, 2)), Flaky(fault, after=after))
    assert ids == [1, 2]
    assert status.last_error == ""
    assert len(notes) == 1


@pytest.mark.parametrize("fault", [PortError("gone", retry_after=None), BadInputError("another column")])
def test_what_cannot_work_ends_it_and_the_position_stays(fault):
    source = Script(changes(1))
    with pytest.raises(type(fault)):
        run(source, Flaky(fault))
    assert source.told == []
    assert source.closed


def test_a_source_that_does_not_answer_is_asked_again():
    status, ids, notes = run(Script(PortError("no broker"), changes(1)))
    assert (ids, status.state) == ([1], "stopped")
    assert "no broker" in notes[0]


@pytest.mark.parametrize("fault", [PortError("slot lost", retry_after=None), RuntimeError("a defect")])
def test_a_source_that_failed_for_good_ends_it(fault):
    with pytest.raises(type(fault)):
        run(Script(fault))


def test_what_could_not_be_told_to_the_source_is_told_later():
    source, stop = Script(changes(1)), threading.Event()
    source.faults.append(PortError("away"))
    follower = Follower(source, Flaky(), CLOCK, FollowSettings("runs", PACE))
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()
    while not source.told and thread.is_alive():
        threading.Event().wait(0.01)
    stop.set()
    thread.join(30)
    assert source.told == [{"s": 1}]


def test_a_last_word_that_does_not_reach_the_source_is_no_failure():
    source = Script(changes(1))
    source.faults.extend([PortError("away")] * 50)
    status, ids, _ = run(source)
    assert (ids, status.state) == ([1], "stopped")


def test_poison_is_kept_aside_and_the_rest_goes_on():
    bad = Polled(None, {"s": 1}, (Poison("wrong_type", "", "s", 0, b"x"),), 5)
    source = Script(bad, changes(2, version=2))
    status, ids, _ = run(source)
    assert (ids, status.quarantined) == ([2], 1)
    assert source.told[-1] == {"s": 2}


def test_a_full_buffer_pauses_the_source_and_an_empty_one_resumes_it():
    pace = Pace(shortest=0.01, longest=0.01, rows=2)
    source = Script(*(changes(*range(3 * number, 3 * number + 3), version=number + 1) for number in range(9)))
    held = threading.Event()
    table = Flaky()
    merge, inner = table.merge, threading.Event()

    def slow(batch, positions, *, now):
        inner.set()
        held.wait(30)
        return merge(batch, positions, now=now)

    table.merge = table.append = slow
    follower = Follower(source, table, CLOCK, FollowSettings("runs", pace))
    thread = threading.Thread(target=follower.run, args=(threading.Event(),), kwargs={"until_quiet": True})
    thread.start()
    assert inner.wait(30)
    while follower.status().state != "paused":
        assert thread.is_alive()
        threading.Event().wait(0.01)
    held.set()
    thread.join(60)
    assert table.read().num_rows == 27
    assert source.resumed == source.paused


def test_a_stop_ends_it_also_while_it_tries_again():
    stop, told = threading.Event(), threading.Event()
    follower = Follower(
        Script(changes(1)),
        Flaky(*[PortError("down")] * 1000),
        CLOCK,
        FollowSettings("runs", PACE),
        note=lambda _: told.set(),
    )
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()
    assert told.wait(30)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert follower.status().state == "stopped"


class Outbox:
    def __init__(self):
        self.events, self.came = [], threading.Event()

    def append(self, events):
        self.events += events
        if self.events:
            self.came.set()


def test_late_events_and_a_source_that_keeps_too_much_are_alarms():
    outbox, stop = Outbox(), threading.Event()
    source = Script(changes(1, age=500), backlog=Backlog(bytes=2_000))
    follower = Follower(
        source, Flaky(), CLOCK, FollowSettings("runs", PACE, max_retained=1_000), events=outbox
    )
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()
    assert outbox.came.wait(30)
    stop.set()
    thread.join(30)
    assert {event.data["type"] for event in outbox.events} == {"cdc.freshness.breach", "cdc.source.retained"}
    assert {event.type for event in outbox.events} == {"mc.incident.open"}


class Rows:
    """A source's table of five rows, whose first read fails."""

    def __init__(self):
        self.faults, self.closed = deque([PortError("busy")]), False

    def watermark(self):
        return 10

    def read(self, after, limit):
        if self.faults:
            raise self.faults.popleft()
        first = 0 if after is None else int(after[0]) + 1
        rows = [{"id": key, "value": 0} for key in range(first, min(5, first + limit))]
        return Chunk(rows, (str(rows[-1]["id"]),) if len(rows) == limit else None)

    def close(self):
        self.closed = True


def test_a_backfill_goes_beside_the_changes_and_overwrites_none_that_is_newer():
    kept, table, rows = [], Flaky(), Rows()
    backfill = Backfill(rows, table, COLUMNS, "s", kept.append, rows=2)
    _, ids, _ = run(Script(changes(1, version=11)), table, backfill=backfill)
    assert ids == [0, 1, 2, 3, 4]
    assert {row["id"]: row["value"] for row in table.read().to_pylist()}[1] == 11
    assert backfill.done
    assert kept[-1] == Progress(watermark=10, last=("3",), rows=5, chunks=3, done=True)
    backfill.close()
    assert rows.closed


def test_it_goes_on_where_it_was():
    rows = Rows()
    rows.faults.clear()
    table, seen = Flaky(), []
    begun = Progress(watermark=10, last=("4",), rows=5, chunks=2)
    backfill = Backfill(rows, table, COLUMNS, "s", seen.append, progress=begun)
    assert backfill.step(CLOCK.now()) == 0
    assert (backfill.done, table.read().num_rows) == (True, 0)
