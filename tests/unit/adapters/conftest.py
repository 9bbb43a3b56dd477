import pytest

from maestro.testing.clock import VirtualClock


@pytest.fixture
def virtual():
    return VirtualClock()
