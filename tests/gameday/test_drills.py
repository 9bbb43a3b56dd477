"""Every drill for real, in a short form; and with a planted fault, which it must find, or it proves nothing."""

import contextlib
import json

import pytest

from maestro.ops import Outcome
from maestro_sidecar.gameday import faults, sidecars
from maestro_sidecar.gameday.drills import (
    clock_step,
    edge_stale_bundle,
    run_window_burst,
    store_loss,
    two_nodes,
    two_sidecars,
)

pytestmark = pytest.mark.xdist_group("gameday")


@pytest.fixture
def faketime(tool):
    tool("faketime")


def told(report):
    return report.verdict.outcome, report.verdict.reasons, report.faults


def test_run_window_burst(drill):
    report = drill("run-window-burst")
    assert told(report) == (Outcome.PASSED, [], [])
    assert report.figures["burst requests denied with the right advice"] == 30
    assert report.figures["normal runs admitted"] == 12
    assert report.figures["admissions replayed"] >= 12
    assert report.figures["most runs of a tenant at once"] <= 2


def test_windows_that_nobody_enforces_are_found(drill, monkeypatch):
    monkeypatch.setattr(sidecars, "SETTINGS", f"{sidecars.SETTINGS}[flags]\nrun_windows_caps = false\n")
    report = drill("run-window-burst", requests=6, runs=1, cap=8)
    assert report.verdict.outcome is Outcome.DEVIATED
    assert "outside its window it was answered 201 instead of 429" in report.faults[0]
    assert [mark.kind for mark in report.timeline.marks].count("violation") >= 6


def test_windows_that_were_never_shut_are_no_drill(drill, monkeypatch):
    monkeypatch.setattr(run_window_burst, "shut_windows", lambda: None)
    report = drill("run-window-burst", requests=6, runs=1, cap=8)
    assert report.verdict.outcome is Outcome.NOT_INJECTED


def test_store_loss_on_sqlite(drill):
    report = drill("store-loss")
    assert told(report) == (Outcome.PASSED, [], [])
    assert report.figures[store_loss.REFUSED] == 5
    assert report.figures["requests denied by the cap that crashed holders filled"] > 0


@pytest.mark.services
@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_store_loss_on_a_server(drill, servers, evidence, store):
    servers(store)
    report = drill("store-loss", store=store)
    assert told(report) == (Outcome.PASSED, [], [])
    assert report.figures[store_loss.REFUSED] == 10
    assert report.figures["readyz while the store was lost"] == 503
    assert store in report.environment
    assert "127.0.0.1" not in (evidence / "journal.json").read_text()


def test_a_sidecar_that_fails_open_is_found(drill, monkeypatch):
    opened = f'{sidecars.SETTINGS}[defaultLimits]\nonUnavailable = "open"\n'
    monkeypatch.setattr(sidecars, "SETTINGS", opened)
    report = drill("store-loss")
    assert report.verdict.outcome is Outcome.DEVIATED
    assert "without a store it was answered 200 instead of 503" in report.faults[0]


def test_a_store_that_was_never_lost_is_no_drill(drill, monkeypatch):
    monkeypatch.setattr(faults.DiskFull, "inject", lambda self: None)
    report = drill("store-loss")
    assert report.verdict.outcome is Outcome.NOT_INJECTED
    assert report.verdict.reasons[0] == "Not injected: the store was never lost."


@pytest.mark.services
def test_clock_step(drill, faketime):
    report = drill("clock-step")
    assert told(report) == (Outcome.PASSED, [], [])
    assert report.figures["steps, seconds"] == [3600, -3600]
    assert [span.label for span in report.timeline.spans] == ["clock +3600 s", "clock -3600 s"]


BY_THE_WALL = """
import time
from maestro_adapters.clock import SystemClock
SystemClock.nanoseconds = staticmethod(time.time_ns)
"""


@pytest.mark.services
def test_leases_that_follow_the_wall_clock_are_found(drill, faketime, monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BY_THE_WALL)
    monkeypatch.setattr(clock_step, "FAKING", (*clock_step.FAKING, f"PYTHONPATH={tmp_path}"))
    report = drill("clock-step", ttlSeconds=4)
    assert report.verdict.outcome is Outcome.DEVIATED
    assert "a slot was given away before its lease ended" in report.faults


@pytest.mark.services
def test_a_clock_that_was_never_stepped_is_no_drill(drill, faketime, monkeypatch):
    monkeypatch.setattr(clock_step.Parts, "step", lambda self, seconds: None)
    monkeypatch.setattr(clock_step, "_DATE_SECONDS", 0.2)
    report = drill("clock-step", ttlSeconds=1)
    assert report.verdict.outcome is Outcome.NOT_INJECTED
    assert "the sidecar's Date is off by" in report.verdict.reasons[0]


@pytest.mark.services
def test_two_nodes(drill, servers, evidence):
    servers("redis", "postgres")
    report = drill("two-nodes")
    assert told(report) == (Outcome.PASSED, [], [])
    for store in two_nodes.STORES:
        assert report.figures[f"{store}: nodes killed"] == 1
        assert report.figures[f"{store}: most holders at once"] <= 3
        assert report.figures[f"{store}: slots of the dead back after, seconds"] <= 2
        assert (evidence / f"holders-on-{store}.svg").read_text().startswith("<svg")
    assert report.figures["postgres: admissions replayed"] > 0


@pytest.mark.services
def test_nodes_that_do_not_keep_the_cap_are_found(drill, servers, monkeypatch):
    servers("redis")
    monkeypatch.setattr(two_nodes, "cap_told", lambda configuration: configuration["cap"] + 2)
    report = drill("two-nodes", stores="redis", kills=4)  # one of them falls on a node at work
    assert report.verdict.outcome is Outcome.DEVIATED
    assert "redis: 4 holders at work at once under a cap of 3" in report.faults


@pytest.mark.services
def test_nodes_that_were_never_killed_are_no_drill(drill, servers, monkeypatch):
    servers("redis")
    monkeypatch.setattr(two_nodes, "kill", lambda bench, name: two_nodes._stop(bench))
    report = drill("two-nodes", stores="redis", kills=1)
    assert report.verdict.outcome is Outcome.NOT_INJECTED
    assert "0 processes died of SIGKILL" in report.verdict.reasons[0]


@pytest.mark.services
def test_two_sidecars(drill, servers):
    servers("postgres")  # on Redis they run in the tests that follow
    report = drill("two-sidecars", stores="postgres")
    assert told(report) == (Outcome.PASSED, [], [])
    assert report.figures["postgres: sidecars killed"] == 1
    assert report.figures["postgres: requests unanswered"] > 0
    assert report.figures["postgres: most at work at once"] <= 2
    assert report.figures["postgres: admissions replayed"] > 0


@pytest.mark.services
def test_sidecars_that_do_not_keep_the_cap_are_found(drill, servers, monkeypatch):
    servers("redis")
    monkeypatch.setattr(two_sidecars, "cap_told", lambda configuration: configuration["cap"] + 2)
    report = drill("two-sidecars", stores="redis", kills=1)
    assert report.verdict.outcome is Outcome.DEVIATED
    assert "3 runs of fleet at once under a cap of 2" in report.faults


@pytest.mark.services
def test_sidecars_that_were_never_killed_are_no_drill(drill, servers, monkeypatch):
    servers("redis")
    monkeypatch.setattr(two_sidecars, "kill", lambda sidecar: 0)
    report = drill("two-sidecars", stores="redis", kills=1, ttlSeconds=1)
    assert report.verdict.outcome is Outcome.NOT_INJECTED


def test_a_drill_that_is_interrupted_rolls_back(drill, evidence, monkeypatch):
    seen = []
    original = store_loss.find_store

    def spy():
        stage = store_loss.current()
        seen.append(stage.parts.fault.proof()["injected"])
        original()
        seen.append(stage.parts.fault.proof()["injected"])

    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr(store_loss, "find_store", spy)
    monkeypatch.setattr(store_loss, "ask_meanwhile", stopped)
    with pytest.raises(KeyboardInterrupt):
        drill("store-loss")
    assert seen == [True, False]
    assert "interrupted" in (evidence / "report.md").read_text().splitlines()[0]


def test_a_step_that_raises_is_told_and_rolled_back(drill, evidence, monkeypatch):
    monkeypatch.setattr(store_loss, "recover", lambda: 1 / 0)
    report = drill("store-loss")
    assert report.verdict.outcome is Outcome.FAILED
    assert report.verdict.reasons == ["see it heal: ZeroDivisionError: division by zero"]
    assert report.verdict.steps[-1].phase == "rollback"
    journal = json.loads((evidence / "journal.json").read_text())
    assert journal["status"] == "completed"
    assert "node" not in journal
    with contextlib.suppress(StopIteration):
        failed = next(run for run in journal["run"] if run["status"] == "failed")
        assert len(failed["exception"]) == 1


def test_edge_stale_bundle(drill):
    report = drill("edge-stale-bundle")
    assert told(report) == (Outcome.PASSED, [], [])
    assert report.figures["incidents opened and closed"] == "1 and 1"
    assert report.figures["decisions answered"] > 0


def test_a_forgery_that_was_never_offered_is_no_drill(drill, monkeypatch):
    monkeypatch.setattr(edge_stale_bundle.Source, "forge", lambda self: None)
    monkeypatch.setattr(edge_stale_bundle, "_PATIENCE", 8.0)
    report = drill("edge-stale-bundle")
    assert report.verdict.outcome is not Outcome.PASSED
    assert "the forged bundle was not refused" in report.faults


def test_an_edge_that_answers_nobody_is_found(drill, monkeypatch):
    monkeypatch.setattr(sidecars, "SETTINGS", f"{sidecars.SETTINGS}[flags]\nedge_policy_ga = false\n")
    monkeypatch.setattr(edge_stale_bundle, "_PATIENCE", 3.0)
    report = drill("edge-stale-bundle")
    assert report.verdict.outcome is Outcome.FAILED
    assert "a decision was answered 503" in report.faults[0]
