"""The verdict on a journal: `deviated` and the proof of the fault decide, `status` does not."""

import pytest

from maestro.ops import Outcome, judge

PROBE = {"name": "no answer was wrong", "type": "probe"}
PROOF = {"name": "the store was lost", "type": "probe"}


def run(activity, output=None, **more):
    return {"activity": activity, "output": output, "status": "succeeded", "duration": 0.25, **more}


def state(met, *probes):
    return {"steady_state_met": met, "probes": list(probes)}


def journal(**changed):
    told = {
        "status": "completed",
        "deviated": False,
        "steady_states": {
            "before": state(True, run(PROBE, 0, tolerance_met=True)),
            "after": state(True, run(PROBE, 0, tolerance_met=True)),
        },
        "run": [run({"name": "lose the store", "type": "action"}), run(PROOF, {"injected": True})],
        "rollbacks": [run({"name": "bring it back", "type": "action"})],
    }
    return told | changed


def test_a_drill_as_promised():
    verdict = judge(journal())
    assert (verdict.outcome, verdict.passed, list(verdict.reasons)) == (Outcome.PASSED, True, [])
    assert (verdict.steady_before, verdict.steady_after) == (True, True)
    assert [(step.phase, step.name, step.ok) for step in verdict.steps] == [
        ("before", "no answer was wrong", True),
        ("method", "lose the store", True),
        ("method", "the store was lost", True),
        ("after", "no answer was wrong", True),
        ("rollback", "bring it back", True),
    ]


def states(after):
    return {"before": state(True, run(PROBE, 0, tolerance_met=True)), "after": after}


@pytest.mark.parametrize(
    "changed",
    [
        {"deviated": True, "steady_states": states(state(False, run(PROBE, 7, tolerance_met=False)))},
        {"steady_states": states(state(False, run(PROBE, 7, tolerance_met=False)))},
    ],
)
def test_a_completed_experiment_may_have_deviated(changed):
    verdict = judge(journal(**changed))
    assert verdict.outcome is Outcome.DEVIATED
    assert verdict.reasons == ["The steady state was not met after: no answer was wrong (7)."]
    assert not verdict.steady_after


def test_a_deviation_without_a_probe_is_told_too():
    verdict = judge(journal(deviated=True, steady_states=states(None)))
    assert verdict.reasons == ["The steady state was not met after."]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ([], "Not injected: no probe proved the fault."),
        ([run(PROOF, {"injected": False})], "Not injected: the store was lost."),
        ([run(PROOF, {"injected": False, "why": "it was there"})], "Not injected: it was there."),
        ([run(PROOF, {"injected": True}), run(PROOF, {"injected": False, "why": "no"})], "Not injected: no."),
        ([run({"name": "an action", "type": "action"}, {"injected": True})], "Not injected: no probe proved"),
    ],
)
def test_a_fault_that_nothing_proves_proves_nothing(method, reason):
    verdict = judge(journal(run=method, deviated=True))
    assert verdict.outcome is Outcome.NOT_INJECTED
    assert verdict.reasons[0].startswith(reason)
    assert verdict.reasons[1] == "The steady state was not met after."


def test_no_steady_state_to_begin_with():
    before = state(False, run(PROBE, 3, tolerance_met=False))
    verdict = judge(
        journal(status="failed", run=None, rollbacks=None, steady_states={"before": before, "after": None})
    )
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reasons == ["The steady state was not met before: no answer was wrong (3)."]


@pytest.mark.parametrize(
    ("exception", "told"),
    [
        (["Traceback\n", "chaoslib.exceptions.ActivityFailed: OSError: no\n"], "lose the store: OSError: no"),
        (None, "lose the store: did not end"),
    ],
)
def test_a_step_that_raised_is_no_pass(exception, told):
    broken = run({"name": "lose the store", "type": "action"}) | {"status": "failed", "exception": exception}
    verdict = judge(journal(run=[broken, run(PROOF, {"injected": True})]))
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reasons == [told]


def test_an_interrupted_drill():
    verdict = judge(journal(status="interrupted", steady_states={"before": None, "after": None}))
    assert verdict.outcome is Outcome.INTERRUPTED
    assert verdict.reasons[0] == "It was interrupted."


def test_a_probe_that_raised_before():
    failed = run(PROBE) | {"status": "failed", "exception": ["OSError: no\n"], "tolerance_met": False}
    verdict = judge(journal(steady_states={"before": state(False, failed), "after": None}))
    assert verdict.reasons[0] == "The steady state was not met before: no answer was wrong (OSError: no)."
