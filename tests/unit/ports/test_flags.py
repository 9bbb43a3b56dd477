"""Flags: on unless set otherwise, known by name, frozen."""

import pytest

from maestro import BadInputError
from maestro.ports.flags import FLAGS, FlagSnapshot


def test_every_flag_is_on_unless_set():
    assert FlagSnapshot().as_dict() == dict.fromkeys(FLAGS, True)


def test_a_flag_can_be_off():
    assert not FlagSnapshot({"run_windows_caps": False}).enabled("run_windows_caps")


def test_an_unknown_flag_is_refused_by_name():
    with pytest.raises(BadInputError, match="run_windows_caps") as caught:
        FlagSnapshot({"run_window_caps": False})
    assert caught.value.field == "flags.run_window_caps"


def test_a_snapshot_does_not_change_with_what_it_was_made_of():
    values = {"run_windows_caps": True}
    snapshot = FlagSnapshot(values)
    values["run_windows_caps"] = False
    assert snapshot.enabled("run_windows_caps")
