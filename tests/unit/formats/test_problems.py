"""Errors as RFC 9457 problem documents."""

import pytest

from maestro import BadInputError, ConflictError, MaestroError, PortError, UntrustedError
from maestro.formats.problems import problem, problem_of, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInputError("x"), 400),
        (BadInputError("x", code="body_too_large"), 413),
        (ConflictError("x"), 409),
        (ConflictError("x", code="version_conflict"), 412),
        (UntrustedError("x"), 422),
        (PortError("x"), 503),
        (MaestroError("x"), 500),
    ],
)
def test_each_kind_of_fault_has_its_status(error, status):
    assert status_of(error) == status
    assert problem_of(error)["status"] == status


def test_bad_input_tells_field_value_and_remedy():
    error = BadInputError("is not a time.", field="start", value="25:00", remedy="Use 00:00.")
    assert problem_of(error) == {
        "type": "urn:maestro:problem:bad_input",
        "title": "Bad request",
        "status": 400,
        "code": "bad_input",
        "detail": "is not a time.",
        "field": "start",
        "value": "25:00",
        "remedy": "Use 00:00.",
    }


def test_a_failed_port_tells_when_to_retry():
    assert problem_of(PortError("down", retry_after=2.5))["retryAfter"] == 2.5
    assert "retryAfter" not in problem_of(PortError("gone", retry_after=None))


def test_a_status_without_a_title_is_still_a_problem():
    assert problem(418, "teapot", "Short and stout.")["title"] == "Problem"
