"""``/api/contracts``: the contract registry under the field's registry API, so that its clients work unchanged."""
