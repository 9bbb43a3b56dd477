"""The decision's JSON, which others build on: fields may be added, none removed."""

import json

from limits_support.cases import verdict
from maestro.limits.decision import encode_decision
from maestro.limits.reasons import DenyReason
from maestro.ports.leases import Usage

DECISION = {
    "allowed", "denies", "retryAfter", "opensAt", "source", "policyRevision", "tzdata", "evaluatedAt", "explanation",
    "shadowDenies",
}  # fmt: skip


def told(*arguments, **more):
    return json.loads(encode_decision(verdict(*arguments, **more)))


def test_a_decision_has_all_its_fields_always():
    assert told({}).keys() == told({"allowedWindows": []}).keys() == DECISION
    assert told({})["retryAfter"] is None
    assert told({})["evaluatedAt"] == "2026-03-30T10:00:00Z"


def test_a_calendar_deny_has_the_fields_of_its_kind():
    windows = [{"days": ["mon"], "start": "22:00", "end": "23:00", "timezone": "Europe/Berlin"}]
    [deny] = told({"allowedWindows": windows})["denies"]
    assert deny.pop("message")
    assert deny == {
        "reason": "outside_run_window",
        "retryAfter": 36_000,
        "opensAt": "2026-03-30T20:00:00Z",
        "window": windows[0],
        "timezone": "Europe/Berlin",
    }


def test_a_cap_deny_has_the_fields_of_its_kind():
    [deny] = told({"packageCaps": {"ns/*": 2}}, usage=Usage(5, 2, 1.0, 4.5))["denies"]
    assert deny.pop("message")
    assert deny == {
        "reason": "package_cap",
        "retryAfter": 5,
        "package": "ns/a",
        "cap": 2,
        "current": 2,
        "estimate": True,
    }


def test_every_reason_is_documented():
    for reason in DenyReason:
        assert reason.meaning.endswith(".")
        assert reason.remedy.endswith(".")
        assert reason.value == str(reason) == json.loads(json.dumps(reason))
