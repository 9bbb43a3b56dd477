"""The quarantine machine: what decides after what, as DESIGN's (a), (b), (c) and the table say."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from edge_support.cases import CONFIRMED, FAILED, RULES, START, after, good, held, refused, run
from maestro.edge.damping import Damping
from maestro.edge.machine import DECIDING, Happening, step, tick
from maestro.edge.record import HighWater, Record, State
from maestro.edge.rules import Rules
from maestro.edge.table import TABLE, Act, Guard, Signal, guards_of

ACTIVE = run((good(1), START))


def pin(revision, by="ann"):
    return Happening(Signal.PIN, held=held(revision), by=by)


UNPIN = Happening(Signal.UNPIN, by="ann")


def test_a_first_good_bundle_serves_at_once():
    assert ACTIVE.state is State.ACTIVE
    assert ACTIVE.serving.revision == "1"
    assert ACTIVE.high == HighWater("1", "sha256:1")
    assert ACTIVE.swaps == 1


def test_a_newer_one_replaces_it_and_the_older_stays_to_fall_back_on():
    record = run((good(2), after(minutes=1)), record=ACTIVE)
    assert (record.serving.revision, [one.revision for one in record.earlier]) == ("2", ["1"])


def test_only_so_many_earlier_ones_are_kept():
    record = run(*((good(n), START) for n in range(2, 9)), record=ACTIVE)
    assert [one.revision for one in record.earlier] == ["7", "6"]
    assert [one.revision for one in record.held()] == ["8", "7", "6"]


def test_a_bad_first_bundle_closes():
    record = run((refused(), START))
    assert record.state is State.CLOSED
    assert record.incident.reason == "bad_signature"


def test_a_bad_candidate_is_quarantined_and_the_serving_one_stays():
    record = run((refused(), after(minutes=1)), record=ACTIVE)
    assert record.state is State.QUARANTINED
    assert record.serving.revision == "1"
    assert record.swaps == 1
    assert record.refused[0].reasons == ("bad_signature",)
    assert (record.incident.serving_revision, record.incident.refused_revision) == ("1", "99")


def test_a_fixed_candidate_waits_for_hold_and_trial_then_serves():
    record = run((refused(), START), record=ACTIVE)
    record = run((good(2), after(seconds=29)), record=record)
    assert (record.state, record.candidate.revision) == (State.QUARANTINED, "2")
    record = run((CONFIRMED, after(seconds=30)), record=record)
    assert (record.state, record.serving.revision) == (State.PROBATION, "1")
    record = run((CONFIRMED, after(seconds=59)), record=record)
    assert record.state is State.PROBATION
    record = run((CONFIRMED, after(seconds=60)), record=record)
    assert (record.state, record.serving.revision, record.candidate) == (State.ACTIVE, "2", None)
    assert record.incident is None


def test_a_newer_candidate_replaces_the_one_that_waits():
    record = run(
        (refused(), START), (good(2), after(seconds=40)), (good(3), after(seconds=50)), record=ACTIVE
    )
    assert (record.state, record.candidate.revision) == (State.PROBATION, "3")
    record = run((good(4), after(seconds=80)), record=record)
    assert (record.state, record.serving.revision) == (State.ACTIVE, "4")


def test_a_fault_on_trial_sends_it_back_for_longer():
    record = run(
        (refused("a"), START),
        (CONFIRMED, after(seconds=30)),
        (refused("b"), after(seconds=40)),
        record=ACTIVE,
    )
    assert record.state is State.QUARANTINED
    assert record.damping.held_until == after(seconds=100)


def test_the_same_fault_again_is_no_flap():
    once = run((refused(), START), record=ACTIVE)
    again = run((refused(), after(seconds=10)), record=once)
    assert again.damping == once.damping
    assert len(again.notes) == len(once.notes)
    other = run((refused("other"), after(seconds=10)), record=once)
    assert other.damping.strikes == 2
    assert other.notes[-1].kind == "mc.edge.refused"


def test_freshness_that_ends_quarantines_and_the_same_bundle_goes_on():
    record = tick(ACTIVE, after(hours=1), RULES)
    assert record.state is State.QUARANTINED
    assert record.incident.reason == "serving_stale"
    assert record.serving.revision == "1"
    assert tick(record, after(hours=23), RULES) == record


def test_an_answer_that_nothing_changed_renews_nothing():
    record = tick(ACTIVE, after(hours=1), RULES)
    assert run((CONFIRMED, after(hours=2)), record=record).state is State.QUARANTINED


def test_a_newer_signed_statement_renews():
    renewal = Happening(Signal.CONFIRMED, held=held(1, after(hours=1)))
    record = run((renewal, after(hours=1)), record=ACTIVE)
    assert record.serving.fresh_until == after(hours=2)
    assert (
        run((Happening(Signal.CONFIRMED, held=held(1)), after(hours=1)), record=record).serving
        == record.serving
    )


def test_a_stale_bundle_ends_in_closed():
    record = tick(tick(ACTIVE, after(hours=1), RULES), after(hours=24), RULES)
    assert record.state is State.CLOSED
    assert record.serving is None
    assert [note.kind for note in record.notes][-2:] == ["mc.edge.quarantined", "mc.edge.closed"]


def test_one_late_tick_does_both():
    assert tick(ACTIVE, after(hours=30), RULES).state is State.CLOSED


def test_a_candidate_that_waits_is_taken_before_closing():
    rules = Rules(last_good_max_age=timedelta(hours=1))
    record = run(
        (refused(), after(minutes=50)), (good(2, after(minutes=50)), after(minutes=50)), record=ACTIVE
    )
    record = replace(record, serving=replace(record.serving, good_until=after(hours=1)))
    record = tick(record, after(hours=1), rules)
    assert (record.state, record.serving.revision) == (State.QUARANTINED, "2")


def test_a_candidate_that_grew_old_while_waiting_is_dropped():
    record = run((refused(), START), (good(2), START), record=ACTIVE)
    assert tick(record, after(hours=25), RULES).candidate is None


def test_probation_ends_when_what_waits_is_no_longer_fresh():
    record = run((refused(), START), (good(2), after(seconds=30)), record=ACTIVE)
    record = tick(record, after(hours=1), RULES)
    assert record.state is State.QUARANTINED


def test_after_closed_the_first_good_bundle_decides_on_probation():
    closed = tick(ACTIVE, after(hours=30), RULES)
    record = run((good(2, after(hours=31)), after(hours=31)), record=closed)
    assert (record.state, record.serving.revision) == (State.PROBATION, "2")
    record = run((CONFIRMED, after(hours=31, seconds=30)), record=record)
    assert record.state is State.ACTIVE
    assert [note.event for note in record.notes if note.event] == ["mc.incident.open", "mc.incident.close"]


def test_a_serving_bundle_that_fails_gives_way_to_the_newest_earlier_one():
    record = run((good(2), after(minutes=1)), (FAILED, after(minutes=2)), record=ACTIVE)
    assert (record.state, record.serving.revision, record.earlier) == (State.QUARANTINED, "1", ())
    assert record.high.revision == "2"
    record = run((good(2), after(minutes=3)), record=record)
    assert (record.state, record.candidate.revision) == (State.PROBATION, "2")


def test_a_candidate_that_waits_is_the_first_heir():
    record = run((refused(), START), (good(2), START), (FAILED, START), record=ACTIVE)
    assert (record.serving.revision, record.candidate) == ("2", None)


def test_without_an_heir_it_closes():
    record = run((FAILED, START), record=ACTIVE)
    assert (record.state, record.serving) == (State.CLOSED, None)
    again = run((FAILED, START), record=record)
    assert replace(again, notes=()) == replace(record, notes=())


def test_an_heir_must_be_within_its_age():
    record = run((good(2, after(hours=24)), after(hours=24)), (FAILED, after(hours=25)), record=ACTIVE)
    assert record.state is State.CLOSED


def test_a_pin_serves_an_older_revision_and_new_ones_wait():
    record = run((good(2), START), (pin(1), START), (good(3), START), record=ACTIVE)
    assert (record.state, record.serving.revision, record.candidate.revision) == (State.PINNED, "1", "3")
    assert (record.pin.digest, record.pin.by) == ("sha256:1", "ann")
    assert run((refused(), START), record=record).state is State.PINNED
    record = run((UNPIN, START), record=record)
    assert (record.state, record.serving.revision, record.pin) == (State.ACTIVE, "3", None)


def test_unpinning_returns_to_what_the_pin_turned_away_from():
    record = run((good(2), START), (pin(1), START), (UNPIN, START), record=ACTIVE)
    assert record.serving.revision == "2"
    record = run((pin(1), START), (UNPIN, START), record=ACTIVE)
    assert record.serving.revision == "1"
    assert record.swaps == 1


def test_another_pin_replaces_the_first():
    record = run((good(2), START), (pin(1), START), (pin(2, "bob"), START), record=ACTIVE)
    assert (record.serving.revision, record.pin.by, record.candidate) == ("2", "bob", None)


def test_unpinning_something_stale_quarantines():
    record = run((pin(1), START), (UNPIN, after(hours=2)), record=ACTIVE)
    assert record.state is State.QUARANTINED
    assert record.incident.reason == "serving_stale"


def test_a_pin_does_not_outlive_its_bundle():
    record = tick(run((pin(1), START), record=ACTIVE), after(hours=24), RULES)
    assert (record.state, record.pin) == (State.CLOSED, None)
    assert run((pin(1), START), (FAILED, START), record=ACTIVE).state is State.CLOSED


def test_clocks_that_run_behind_close_and_the_bundle_is_kept():
    record = tick(ACTIVE, START, RULES, clock_is_behind=True)
    assert (record.state, record.closed_by_clock, record.serving.revision) == (State.CLOSED, True, "1")
    assert record.incident.reason == "clock_regressed"
    assert tick(record, START, RULES, clock_is_behind=True) == record
    waiting = run((good(2), START), record=record)
    assert (waiting.state, waiting.candidate.revision) == (State.CLOSED, "2")
    record = tick(waiting, START, RULES)
    assert (record.state, record.serving.revision, record.damping) == (State.PROBATION, "1", Damping())
    record = run((CONFIRMED, after(seconds=30)), record=record)
    assert (record.state, record.serving.revision) == (State.ACTIVE, "2")


def test_when_the_clocks_are_right_too_late_it_stays_closed():
    behind = tick(ACTIVE, START, RULES, clock_is_behind=True)
    record = tick(behind, after(hours=25), RULES)
    assert (record.state, record.closed_by_clock, record.serving) == (State.CLOSED, False, None)


def test_a_bundle_that_fails_while_closed_by_the_clock_is_let_go():
    behind = tick(ACTIVE, START, RULES, clock_is_behind=True)
    record = run((FAILED, START), record=behind)
    assert (record.state, record.serving, record.closed_by_clock) == (State.CLOSED, None, True)


def test_a_candidate_decides_if_what_served_failed_while_closed_by_the_clock():
    behind = tick(ACTIVE, START, RULES, clock_is_behind=True)
    record = tick(run((good(2), START), (FAILED, START), (good(3), START), record=behind), START, RULES)
    assert (record.state, record.serving.revision) == (State.PROBATION, "3")


def test_an_empty_edge_has_nothing_that_clocks_could_close():
    assert tick(Record(), START, RULES, clock_is_behind=True).state is State.EMPTY


@pytest.mark.parametrize("seconds", [1, 10, 30, 31, 60, 600, 3000])
def test_a_thousand_alternating_polls_swap_at_most_twice(seconds):
    rules = Rules(ttl=timedelta(days=60), last_good_max_age=timedelta(days=60))
    record = Record()
    for poll in range(1000):
        at = after(seconds=seconds * poll)
        record = tick(record, at, rules)
        told = (
            refused(poll)
            if poll % 2
            else good(poll, at, fresh_until=after(days=60), good_until=after(days=60))
        )
        record = step(record, told, at, rules)
    assert record.swaps <= 2


def test_the_table_is_whole():
    for (state, signal, guard), outcome in TABLE.items():
        guards = guards_of(state, signal)
        assert guard in guards
        # A guard that always holds comes last, or what follows it could never count.
        assert all(each not in {Guard.ALWAYS, Guard.HELD} for each in guards[:-1])
        assert outcome.act is not Act.SUSPEND or signal is Signal.CLOCK_BACK
    assert {state for state, _, _ in TABLE} == set(State)
    assert {outcome.state for outcome in TABLE.values()} == set(State) - {State.EMPTY}


class Edge(RuleBasedStateMachine):
    """Any signals in any order: what must hold after each of them."""

    @initialize()
    def begin(self):
        self.now, self.newest, self.record = START, 0, Record()
        self.opened = self.closed = 0

    def take(self, record):
        # A bundle with a lower revision than before may serve only by pin or because the newer one failed.
        self.previous, self.record = self.record, record

    def happens(self, happening):
        self.take(step(self.record, happening, self.now, RULES))

    @rule(seconds=st.sampled_from([1, 30, 900, 3600, 90_000]), behind=st.booleans())
    def time_passes(self, seconds, behind):
        self.now += timedelta(seconds=seconds)
        before = self.record
        self.take(tick(self.record, self.now, RULES, clock_is_behind=behind))
        assert self.record.swaps <= before.swaps + 2

    @rule()
    def a_newer_one_comes(self):
        self.newest += 1
        self.happens(good(self.newest, self.now))

    @rule(content=st.sampled_from(["a", "b"]))
    def a_bad_one_comes(self, content):
        serving = self.record.serving
        self.happens(refused(content, self.now))
        assert self.record.serving == serving

    @rule()
    def nothing_changed(self):
        self.happens(CONFIRMED)

    @rule()
    def it_fails(self):
        failed, state = self.record.serving, self.record.state
        self.happens(FAILED)
        if state in DECIDING or state is State.CLOSED:
            assert failed is None or failed not in (self.record.serving, *self.record.earlier)

    @rule(data=st.data())
    def somebody_pins(self, data):
        choices = [one for one in self.record.held() if one.is_good(self.now)]
        if choices:
            self.happens(Happening(Signal.PIN, held=data.draw(st.sampled_from(choices)), by="ann"))

    @rule()
    def somebody_unpins(self):
        self.happens(UNPIN)

    @invariant()
    def what_decides_is_good_after_a_tick(self):
        record = tick(self.record, self.now, RULES, clock_is_behind=self.record.closed_by_clock)
        if record.state in DECIDING:
            assert record.serving is not None
            assert record.serving.is_good(self.now)

    @invariant()
    def an_incident_is_open_exactly_while_something_is_wrong(self):
        events = [note.event for note in self.record.notes if note.event]
        assert events == ["mc.incident.open", "mc.incident.close"] * (len(events) // 2) + [
            "mc.incident.open"
        ] * (len(events) % 2)
        assert (self.record.incident is not None) == (len(events) % 2 == 1)
        if self.record.state in {State.QUARANTINED, State.CLOSED, State.PROBATION}:
            assert self.record.incident is not None
        if self.record.state in {State.ACTIVE, State.EMPTY}:
            assert self.record.incident is None

    @invariant()
    def a_pin_is_there_exactly_while_pinned(self):
        assert (self.record.pin is not None) == (self.record.state is State.PINNED)

    @invariant()
    def every_swap_is_told(self):
        assert self.record.swaps == sum(note.kind == "mc.edge.swapped" for note in self.record.notes)

    @invariant()
    def numbers_of_notes_grow(self):
        numbers = [note.number for note in self.record.notes]
        assert numbers == sorted(set(numbers))
        assert all(number < self.record.next_note for number in numbers)


TestEdge = Edge.TestCase
TestEdge.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
