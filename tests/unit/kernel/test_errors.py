"""Errors say where, what and what to do, and never flood a log."""

import pytest

from maestro import BadInputError, ConflictError, MaestroError, PortError, UntrustedError
from maestro.kernel.errors import shown


@pytest.mark.parametrize("kind", [BadInputError, ConflictError, PortError, UntrustedError])
def test_every_error_has_the_one_root(kind):
    assert issubclass(kind, MaestroError)


def test_bad_input_names_field_value_and_remedy():
    error = BadInputError("is not a time.", field="start", value="25:00", remedy="Use 00:00 to 23:59.")
    assert str(error) == "start: is not a time. (got 25:00) Use 00:00 to 23:59."


def test_bad_input_without_field_or_value_is_still_a_sentence():
    assert str(BadInputError("The text is not JSON.")) == "The text is not JSON."


def test_a_code_of_its_own_replaces_the_class_code():
    assert ConflictError("x").code == "conflict"
    assert ConflictError("x", code="version_conflict").code == "version_conflict"


def test_a_port_error_says_when_to_retry():
    assert PortError("down").retry_after == 1.0
    assert PortError("gone", retry_after=None).retry_after is None


def test_long_values_are_cut():
    assert shown("x" * 200) == "x" * 79 + "…"
    assert shown(12) == "12"
    assert shown(None) == ""
