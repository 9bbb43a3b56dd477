"""What an answer must be like, judged by what the caller knows."""

from datetime import UTC, datetime

import pytest

from maestro.ops.promises import closed_fault, unavailable_fault, wait_fault

OPENS = datetime(2026, 11, 23, 22, tzinfo=UTC)
SHUT = {
    "denies": [{"reason": "outside_run_window"}],
    "opensAt": "2026-11-23T22:00:00Z",
    "retryAfter": 31,
    "evaluatedAt": "2026-11-23T21:59:29.400000Z",
}
LOST = {"denies": [{"reason": "limits_unavailable"}]}


def test_the_right_advice():
    assert closed_fault(429, "31", SHUT, OPENS) == ""


@pytest.mark.parametrize(
    ("status", "header", "changed", "fault"),
    [
        (201, None, {}, "outside its window it was answered 201 instead of 429"),
        (429, "31", {"denies": []}, "denied for no reason instead of outside_run_window"),
        (
            429,
            "31",
            {"denies": [{"reason": "tenant_cap"}]},
            "denied for tenant_cap instead of outside_run_window",
        ),
        (429, "31", {"opensAt": None}, "opensAt is None instead of 2026-11-23T22:00:00+00:00"),
        (429, "31", {"opensAt": "2026-11-23T22:00:01Z"}, "opensAt is 2026-11-23T22:00:01Z instead of"),
        (429, "31", {"retryAfter": 30}, "retryAfter is 30 instead of 31"),
        (429, None, {}, "Retry-After is None instead of 31"),
    ],
)
def test_the_wrong_advice(status, header, changed, fault):
    assert closed_fault(status, header, SHUT | changed, OPENS).startswith(fault)


def test_a_second_before():
    assert wait_fault("1", {"retryAfter": 1}, 1) == ""


@pytest.mark.parametrize(
    ("status", "header", "document", "fault"),
    [
        (503, "5", LOST, ""),
        (201, None, {}, "without a store it was answered 201 instead of 503"),
        (0, None, None, "without a store it was answered 0 instead of 503"),
        (503, "5", "overloaded", "denied for no reason instead of limits_unavailable"),
        (503, None, LOST, "Retry-After is None"),
        (503, "soon", LOST, "Retry-After is soon"),
        (503, "0", LOST, "Retry-After is 0"),
    ],
)
def test_without_a_store(status, header, document, fault):
    assert unavailable_fault(status, header, document) == fault
