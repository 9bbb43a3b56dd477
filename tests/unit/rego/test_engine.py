"""The engine: an edge's bundles answer through their plan, and what goes wrong is never an answer."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from maestro.kernel.errors import PortError, UntrustedError
from maestro.ports.capabilities import Capability
from maestro.ports.policy import UNDEFINED, Dependencies, PolicyBundle
from maestro.rego import Limits
from maestro.rego.builtins import standard
from maestro.rego.builtins.registry import Builtin
from maestro.rego.engine import RegoEngine
from rego_support.plans import PlanMaker, local, stmt

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REGISTRY = standard().extended(
    [
        Builtin("test.now", lambda c: c.now_ns, context=True, depends=frozenset({"now"})),
        Builtin("test.draw", lambda c: len(c.seed), context=True, depends=frozenset({"random"})),
    ]
)


def bundle(maker, data=b"{}"):
    files = {"data.json": data, "plan.json": json.dumps(maker.made()).encode()}
    return PolicyBundle("7", "sha256:x", ("",), files, json.loads(data), files["plan.json"])


def loaded(maker, data=b"{}", **how):
    return RegoEngine(registry=REGISTRY, **how).load(bundle(maker, data))


def rules():
    """``p/same`` is the input's ``a``; ``p/now`` and ``p/draw`` depend on more; ``p/none`` is undefined; ``p/twice`` conflicts."""
    maker = PlanMaker()
    maker.function("p/same", [maker.dot(0, "a", 3), stmt("AssignVarOnce", source=local(3), target=2)])
    maker.function("p/now", [maker.call("test.now", 2)])
    maker.function("p/draw", [maker.call("test.draw", 2)])
    maker.function("p/none", [stmt("Break", index=0)])
    maker.function("p/number", [maker.dot(1, "n", 3), stmt("AssignVarOnce", source=local(3), target=2)])
    maker.function("p/input", [stmt("AssignVarOnce", source=local(0), target=2)])
    maker.function(
        "p/twice", *[[stmt("AssignVarOnce", source=maker.string(text), target=2)] for text in "ab"]
    )
    for name in ("same", "now", "draw", "none", "number", "input", "twice"):
        maker.entrypoint(f"p/{name}")
    return maker


def test_answers():
    policy = loaded(rules(), b'{"n": 1.0}')
    assert (policy.revision, policy.digest) == ("7", "sha256:x")
    assert policy.evaluate(("p", "same"), {"a": [1]}, NOW) == [1]
    assert policy.evaluate(("p", "same"), UNDEFINED, NOW) is UNDEFINED
    assert policy.evaluate(("p", "none"), {}, NOW) is UNDEFINED
    assert policy.evaluate(("nothing", "here"), {}, NOW) is UNDEFINED
    assert policy.evaluate(("p", "now"), {}, NOW) == 1772323200 * 10**9
    assert policy.evaluate(("p", "number"), {}, NOW) == 1.0
    assert loaded(rules(), seed=lambda: b"12345").evaluate(("p", "draw"), {}, NOW) == 5


def test_what_answers_depend_on():
    policy = loaded(rules())
    assert policy.dependencies(("p", "same")) == Dependencies(frozenset({("a",)}))
    assert policy.dependencies(("p", "now")) == Dependencies(frozenset(), time=True)
    assert policy.dependencies(("p", "draw")) == Dependencies(frozenset(), random=True)
    assert policy.dependencies(("p", "input")) == Dependencies(None)
    assert policy.dependencies(("nothing",)) == Dependencies(frozenset())


def test_a_policy_without_an_answer_is_an_error_of_the_port():
    policy = loaded(rules())
    with pytest.raises(PortError) as caught:
        policy.evaluate(("p", "twice"), {}, NOW)
    assert caught.value.code == "policy_failed"
    assert caught.value.retry_after is None
    with pytest.raises(PortError):
        policy.evaluate(("p", "same"), {"a": object()}, NOW)


def test_evaluations_end_by_the_given_clock():
    maker = PlanMaker()
    body = [stmt("Nop")]
    for level in range(6):
        body = [stmt("Scan", source=3, key=100 + level, value=200 + level, block={"stmts": body})]
    maker.function("p/loop", [maker.dot(0, "xs", 3), *body, stmt("MakeNull", target=2)])
    maker.entrypoint("p/loop")
    seconds = iter(range(10**6))
    policy = loaded(maker, monotonic=lambda: next(seconds), seconds=5, limits=Limits())
    with pytest.raises(PortError, match="deadline"):
        policy.evaluate(("p", "loop"), {"xs": list(range(20))}, NOW)


def test_until_when_an_answer_holds():
    maker = rules()
    policy = loaded(maker)
    assert policy.holds_until(("p", "same"), {}, NOW) is None
    assert policy.holds_until(("nothing",), {}, NOW) is None
    assert policy.holds_until(("p", "now"), {}, NOW) == NOW
    maker.function(
        "p/holds_until", [maker.dot(0, "until", 3), stmt("AssignVarOnce", source=local(3), target=2)]
    )
    maker.entrypoint("p/holds_until")
    policy = loaded(maker)
    later = NOW + timedelta(seconds=90)
    assert policy.holds_until(("p", "now"), {"until": later.timestamp()}, NOW) == later
    for nonsense in ({}, {"until": True}, {"until": "soon"}, {"until": -1}, {"until": 0}, {"until": 10**20}):
        assert policy.holds_until(("p", "now"), nonsense, NOW) == NOW


class Native:
    """An engine for other bundles."""

    capabilities = frozenset({Capability.BLOCKING})

    def load(self, bundle):
        return bundle.revision


def test_bundles_without_a_plan_are_anothers_business():
    plain = PolicyBundle("3", "sha256:y", ("",), {}, {})
    assert RegoEngine(Native()).load(plain) == "3"
    assert RegoEngine(Native()).capabilities == {Capability.BLOCKING}
    assert RegoEngine().capabilities == {Capability.IN_MEMORY}
    with pytest.raises(UntrustedError) as caught:
        RegoEngine().load(plain)
    assert caught.value.code == "engine_refused"


def test_a_plan_that_cannot_be_compiled_is_refused():
    maker = PlanMaker()
    maker.function("p/r", [maker.call("http.send", 2)])
    maker.entrypoint("p/r")
    with pytest.raises(UntrustedError, match=r"http\.send"):
        loaded(maker)
