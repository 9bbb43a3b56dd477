"""What an adapter does not declare, it refuses by name."""

from maestro.ports.capabilities import Capability, refuse


def test_a_refusal_names_adapter_and_capability_and_is_not_worth_a_retry():
    error = refuse(Capability.EVENTS, object())
    assert str(error).startswith("object does not offer 'events'.")
    assert error.code == "capability_missing"
    assert error.retry_after is None
