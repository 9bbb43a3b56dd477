"""When a slot may free: what a cap deny's advice stands on."""

import pytest

from maestro.ports.leases import frees_at


@pytest.mark.parametrize(
    ("ends", "frees"),
    [
        (0, 130),  # no end was said: the lease's own
        (120, 120),  # expected later
        (100, 100),  # due now
        (90, 110),  # late by 10: as long again
        (20, 130),  # so late that its lease ends before
    ],
)
def test_estimate(ends, frees):
    assert frees_at(100, 130, ends) == frees
