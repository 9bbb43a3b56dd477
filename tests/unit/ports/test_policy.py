"""What is said of a policy by those who know nothing, and what undefined is not."""

from maestro.ports.policy import EVERYTHING, UNDEFINED, Dependencies, PolicyBundle


def test_of_an_unknown_rule_everything_may_matter():
    assert EVERYTHING.inputs is None
    assert EVERYTHING.time
    assert EVERYTHING.random


def test_a_rule_may_depend_on_nothing_but_its_input():
    assert Dependencies() == Dependencies(inputs=None, time=False, random=False)


def test_undefined_is_no_json_value():
    assert UNDEFINED not in (None, False, "", 0, {}, [])


def test_a_bundle_shows_what_it_is_and_not_its_content():
    bundle = PolicyBundle("7", "sha256:00", ("mc",), {"data.json": b"{}"}, {"secret": 1})
    assert "secret" not in repr(bundle)
    assert bundle.plan is None
