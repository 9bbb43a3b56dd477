"""The kit itself: it passes what is sound, catches what is not, and is red when nothing ran."""

import json

import msgspec
import pytest

from maestro.kernel.errors import BadInputError, PortError
from maestro.ports.capabilities import Capability, refuse
from maestro.ports.clock import BootClock
from maestro.testing.conformance import LeaseStoreConformance, Report, run_conformance
from maestro.testing.conformance.linear import Call, linearisable
from maestro.testing.conformance.planted import PLANTED, SOUND
from maestro.testing.conformance.processes import killed_after, run_all
from maestro.testing.conformance.report import checks
from maestro.testing.conformance.suite import Suite, capabilities_of, kept_events, raises
from maestro_adapters.inprocess import InProcessLeases
from maestro_adapters.sqlite import SqliteLeases


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_store_passes(name):
    report = run_conformance(SOUND[name])
    assert report.passed, report.failures


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_caught(name):
    report = run_conformance(PLANTED[name], stop_at_first=True)
    assert not report.passed
    assert report.failed == 1
    assert report.failures[0].message


def test_enough_bugs_are_planted():
    assert len(PLANTED) >= 25


def test_a_report_says_what_the_command_prints():
    report = run_conformance(lambda clock, folder: InProcessLeases(clock))
    document = json.loads(msgspec.json.encode(report))
    assert document.keys() == {"port", "capabilities", "ran", "failed", "refused", "seconds", "failures"}
    assert document["port"] == "leases"
    assert {"blocking", "in_memory"} <= set(document["capabilities"])
    assert document["ran"] == len(checks(LeaseStoreConformance)) > 10
    assert document["failed"] == 0
    assert document["refused"] == 3  # events, durable, shared


def test_nothing_refused_is_nothing_undeclared():
    def factory(clock, folder):
        return SqliteLeases(folder / "leases.db", clock)

    factory.examples = 2
    factory.rounds = 2
    report = run_conformance(factory)
    assert report.passed, report.failures
    assert report.refused == 0


def test_a_report_is_red_when_nothing_ran():
    assert not Report("leases", [], ran=0, failed=0, refused=0, seconds=0.0).passed


def test_what_is_no_store_is_bad_input():
    with pytest.raises(BadInputError, match="Known ports: leases, documents, events"):
        run_conformance(lambda clock, folder: object())


def test_a_suite_without_make_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="def make"):
        LeaseStoreConformance().test_asking_again_changes_nothing()


class TestAStoreWithItsOwnClock(LeaseStoreConformance):
    """The kit then waits for real, and turns no clock."""

    clock_control = False
    raw_names = False
    examples = 5
    rounds = 3

    def make(self, clock, folder):
        return SqliteLeases(folder / "leases.db")


class _Coarse:
    """A clock that tells milliseconds apart."""

    def __init__(self, clock: BootClock) -> None:
        self.clock = clock
        self.boot_id = clock.boot_id

    def nanoseconds(self) -> int:
        return self.clock.nanoseconds() // 10**6 * 10**6


class TestAStoreThatCountsMilliseconds(LeaseStoreConformance):
    resolution_nanoseconds = 10**6
    examples = 20
    rounds = 3

    def make(self, clock, folder):
        return InProcessLeases(_Coarse(clock))


@pytest.mark.parametrize("declared", [None, ["blocking"], frozenset({"blocking"}), frozenset()])
def test_capabilities_must_be_declared_properly(declared):
    class Store:
        capabilities = declared

    with pytest.raises(AssertionError):
        capabilities_of(Store())


def test_events_need_an_outbox():
    with pytest.raises(AssertionError, match="outbox"):
        kept_events(object())


def test_expecting_an_error_fails_without_one():
    with pytest.raises(AssertionError, match="expected ValueError, got 1"):
        raises(ValueError, lambda: 1)


def test_a_store_that_will_not_open_again_is_a_refusal(tmp_path):
    class Once(Suite):
        opened = 0

        def make(self, clock, folder):
            self.opened += 1
            if self.opened > 1:
                raise refuse(Capability.DURABLE, self)
            return object()

    suite = Once()
    with suite.bench() as bench:
        assert suite.does_not_outlive(bench)
        with pytest.raises(PortError):
            bench.another()


# ---- what the kit is built of ----------------------------------------------------------------------------


def register(state, call):
    """A register that is written and read."""
    kind, value = call.asked
    if kind == "write":
        return value
    return state if call.answer == state else None


def test_overlapping_calls_may_have_happened_in_either_order():
    for seen in (0, 1):
        calls = [Call(0, 3, ("write", 1), None), Call(1, 2, ("read", None), seen)]
        assert linearisable(calls, 0, register)


def test_what_has_ended_has_happened():
    calls = [Call(0, 1, ("write", 1), None), Call(2, 3, ("read", None), 0)]
    assert not linearisable(calls, 0, register)


def test_a_value_cannot_be_unread():
    calls = [
        Call(0, 9, ("write", 1), None),
        Call(1, 2, ("read", None), 1),
        Call(3, 4, ("read", None), 0),
    ]
    assert not linearisable(calls, 0, register)


def test_an_impossible_history_of_many_calls_is_told_soon():
    calls = [Call(number, 100, ("write", 1), None) for number in range(16)]
    calls.append(Call(50, 60, ("read", None), 2))
    assert not linearisable(calls, 0, register)


def test_processes_say_what_they_did():
    assert run_all(lambda number, say: say(f"{number}"), 3) == [["0"], ["1"], ["2"]]


def test_a_failing_process_is_told():
    def fail(number, say):
        raise ValueError("no luck")

    with pytest.raises(AssertionError, match="ended with 1: ValueError: no luck"):
        run_all(fail, 1)


def test_a_process_is_killed_where_asked():
    def count(_, say):
        for number in range(10**9):
            say(f"{number}")

    assert killed_after(count, 5)[:5] == ["0", "1", "2", "3", "4"]


def test_a_process_that_ends_too_early_to_be_killed_is_told():
    with pytest.raises(AssertionError, match="ended with 0"):
        killed_after(lambda _, say: say("done"), 2)
