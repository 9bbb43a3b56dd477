"""Positions of sources, as callers give them."""

import pytest

from maestro.kernel.errors import BadInputError
from maestro.ports.lake import MAX_POSITION, check_positions


@pytest.mark.parametrize("positions", [{"kafka:runs/0": 0}, {"a": 1, "b": MAX_POSITION}])
def test_names_and_numbers_that_may_be_given(positions):
    check_positions(positions)


@pytest.mark.parametrize("positions", [{}, {"": 1}, {"a" * 257: 1}, {"a\nb": 1}, {"a": -1}, {"a": 2**63}])
def test_others_may_not(positions):
    with pytest.raises(BadInputError, match="position"):
        check_positions(positions)
