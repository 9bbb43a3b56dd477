"""Decisions with a cache in front: never past their end, never an allow with a live count, one evaluation for all."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count

import pytest

from edge_support.bundles import AT
from edge_support.native import native_files
from maestro import BadInputError, PortError, UntrustedError
from maestro.edge.decision_log import Told, entry, masks
from maestro.formats.opa_bundle import bundle_of
from maestro.ports.capabilities import Capability
from maestro.ports.policy import EVERYTHING, UNDEFINED, Dependencies, PolicyBundle
from maestro.runtime.decisions import CacheRules, DecisionCache
from maestro.runtime.native_policy import NativeLimits

SECOND = 10**9
RULE = ("a", "rule")


class Policy:
    """Answers by a function, and counts how often it was asked."""

    revision = "1"

    def __init__(self, answer=lambda given: True, needs=None, holds=None, digest="sha256:1"):
        self.answer, self.needs, self.holds, self.digest = answer, needs or Dependencies(), holds, digest
        self.asked = 0

    def evaluate(self, path, input, now):  # noqa: A002
        self.asked += 1
        return self.answer(input)

    def dependencies(self, path):
        return self.needs

    def holds_until(self, path, input, now):  # noqa: A002
        return self.holds


def ask(cache, policy, given=None, at=0, path=RULE):
    return cache.ask(policy, path, given, now=AT + timedelta(seconds=at), trusted=at * SECOND)


@pytest.fixture
def cache():
    return DecisionCache(CacheRules(most=100, ttl=5 * SECOND))


def test_the_same_question_is_evaluated_once_until_its_time_is_over(cache):
    policy = Policy()
    assert [ask(cache, policy, {"x": 1}, at) for at in (0, 4)] == [(True, False), (True, True)]
    assert ask(cache, policy, {"x": 1}, 5) == (True, False)
    assert policy.asked == 2
    assert cache.counts == {"miss": 2, "hit": 1}


def test_only_what_the_rule_reads_makes_a_question(cache):
    policy = Policy(needs=Dependencies(frozenset({("who",), ("what", "kind")})))
    same = [{"who": 1, "what": {"kind": 2, "size": n}, "id": n} for n in range(3)]
    for given in same:
        ask(cache, policy, given)
    assert policy.asked == 1
    others = [
        {"who": 1},
        {"what": {"kind": 2}},
        {"who": None, "what": {"kind": 2}},
        {},
        UNDEFINED,
        "text",
        None,
        [],
    ]
    for given in others:
        ask(cache, policy, given)
    assert policy.asked == 1 + 5 + 3


def test_the_order_of_keys_makes_no_other_question(cache):
    policy = Policy()
    ask(cache, policy, {"a": 1, "b": {"c": 2, "d": 3}})
    ask(cache, policy, {"b": {"d": 3, "c": 2}, "a": 1})
    assert policy.asked == 1


def test_another_bundle_or_rule_is_another_question(cache):
    ask(cache, Policy(), 1)
    other = Policy(digest="sha256:2")
    ask(cache, other, 1)
    ask(cache, other, 1, path=("b",))
    assert other.asked == 2


def test_it_ends_when_time_may_change_the_answer(cache):
    policy = Policy(needs=Dependencies(time=True), holds=AT + timedelta(seconds=2))
    for at in (0, 1, 2):
        ask(cache, policy, 1, at)
    assert policy.asked == 2


def test_what_time_may_change_at_any_moment_or_chance_decides_is_not_kept(cache):
    timed = Policy(needs=Dependencies(time=True), holds=AT)
    random = Policy(needs=EVERYTHING, digest="sha256:2")
    for policy in (timed, random):
        ask(cache, policy, 1)
        ask(cache, policy, 1)
        assert policy.asked == 2
    steady = Policy(needs=Dependencies(time=True), holds=None, digest="sha256:3")
    ask(cache, steady, 1)
    ask(cache, steady, 1)
    assert steady.asked == 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"allowed": False}, True),
        ({"allow": False}, True),
        (False, True),
        ({"allowed": True}, False),
        (True, False),
        ([], False),
        ({}, False),
        (["deny"], False),
        (UNDEFINED, False),
    ],
)
def test_with_a_live_count_only_what_surely_denies_is_kept(cache, value, kept):
    policy = Policy(answer=lambda _: value)
    given = {"list": [{"packageUsage": {"ns/a": 1}}]}
    ask(cache, policy, given)
    ask(cache, policy, given)
    assert policy.asked == (1 if kept else 2)


def test_a_live_count_that_the_rule_does_not_read_does_not_matter(cache):
    policy = Policy(needs=Dependencies(frozenset({("who",)})))
    ask(cache, policy, {"who": 1, "runningTotal": 1})
    ask(cache, policy, {"who": 1, "runningTotal": 2})
    assert policy.asked == 1
    reads = Policy(needs=Dependencies(frozenset({("runningTotal",)})), digest="sha256:2")
    ask(cache, reads, {"runningTotal": 1})
    ask(cache, reads, {"runningTotal": 1})
    assert reads.asked == 2


def test_undefined_is_kept_apart(cache):
    policy = Policy(answer=lambda _: UNDEFINED)
    for number in range(1000):
        ask(cache, policy, number)
    assert len(cache) <= 10
    assert ask(cache, policy, 999) == (UNDEFINED, True)


def test_a_thousand_who_ask_at_once_cost_one_evaluation(cache):
    here, all_here = count(1), threading.Event()

    def slow(_):
        assert all_here.wait(60)
        return "answer"

    policy = Policy(answer=slow)
    real = cache._flights.join

    def join(key, make):
        joined = real(key, make)
        if next(here) == 1000:
            all_here.set()
        return joined

    cache._flights.join = join
    with ThreadPoolExecutor(1000) as pool:
        answers = [value for value, _ in pool.map(lambda _: ask(cache, policy, 1), range(1000))]
    assert answers == ["answer"] * 1000
    assert policy.asked == 1
    assert cache.counts == {"miss": 1, "joined": 999}


def test_an_error_is_everybodys_and_nothing_is_kept(cache):
    def failing(_):
        raise PortError("No answer.", code="policy_failed")

    policy = Policy(answer=failing)
    for _ in range(2):
        with pytest.raises(PortError, match="No answer"):
            ask(cache, policy, 1)
    assert (policy.asked, len(cache), len(cache._flights)) == (2, 0, 0)


def test_what_rules_need_is_remembered_within_bounds(cache):
    policy = Policy()
    for number in range(1500):
        ask(cache, policy, 1, path=(str(number),))
    assert len(cache._needs) <= 1000


def test_a_rule_whose_answers_can_never_be_kept_is_asked_straight(cache):
    policy = Policy(needs=Dependencies(time=True), holds=AT)
    for _ in range(200):
        ask(cache, policy, 1)
    assert policy.asked == 200
    assert cache.counts == {"miss": 67, "uncacheable": 133}
    policy.holds = None
    for _ in range(200):
        ask(cache, policy, 1)
    assert cache.counts["hit"] > 0


# ---- the log ---------------------------------------------------------------------------------------------

TOLD = Told(
    "id",
    "a/rule",
    {"user": {"name": "ann", "keys": [{"k": 1, "v": 2}, {"k": 3}]}, "a/b": 1},
    {"x": 1},
    "7",
    "b",
    "sha256:1",
    "op",
    AT,
    5,
)


def test_what_is_masked_is_taken_out_wherever_it_stands():
    made = entry(
        TOLD,
        {"id": "n"},
        masks(["/input/user/keys/*/k", "/input/a~1b/deeper", "/input/a~1b", "/result/x", "/input/none/here"]),
    )
    assert made["input"] == {"user": {"name": "ann", "keys": [{"v": 2}, {}]}}
    assert made["result"] == {}
    assert made["erased"] == ["/input/a~1b", "/input/user/keys/0/k", "/input/user/keys/1/k", "/result/x"]
    assert TOLD.input["user"]["keys"][0] == {"k": 1, "v": 2}


def test_whole_parts_and_items_may_be_taken_out():
    made = entry(TOLD, {}, masks(["/input", "/result"]))
    assert "input" not in made
    assert "result" not in made
    made = entry(TOLD, {}, masks(["/input/user/keys/0"]))
    assert made["input"]["user"]["keys"] == [{"k": 3}]


@pytest.mark.parametrize("pointer", ["", "input", "/", "/other", "/inputs/x"])
def test_what_is_no_pointer_into_a_decision_is_refused(pointer):
    with pytest.raises(BadInputError):
        masks([pointer])


# ---- native limits ---------------------------------------------------------------------------------------


def policy_of(files, known=()):
    bundle = bundle_of(files)
    engine = NativeLimits(known)
    assert engine.capabilities == {Capability.IN_MEMORY}
    return engine.load(
        PolicyBundle(
            bundle.revision,
            bundle.digest,
            tuple(bundle.manifest.roots),
            bundle.files,
            bundle.data,
            bundle.plan,
        )
    )


DOCUMENTS = {
    "acme": {"maxConcurrent": 2, "packageCaps": {"ns/a": 1}},
    "nights": {
        "allowedWindows": [{"start": "22:00", "end": "06:00"}],
        "onWindowEnd": "must_fit",
        "startCutoffSeconds": 600,
    },
}


@pytest.fixture
def limits():
    return policy_of(native_files(1, DOCUMENTS))


def asked(tenant="acme", **more):
    request = {"tenant": tenant, "package": "ns/a", **more.pop("request", {})}
    return {"request": request, **more}


def test_usage_is_what_the_input_tells(limits):
    assert limits.evaluate(("mc", "limits", "allow"), asked(), AT) is True
    assert limits.evaluate(("mc", "limits", "allow"), asked(runningTotal=2), AT) is False
    told = asked(tenant="acme") | {"tenant": {"packageUsage": {"ns/a": 1}}}
    assert limits.evaluate(("mc", "limits", "denies"), told, AT)[0]["reason"] == "package_cap"


def test_nothing_is_allowed_by_silence(limits):
    for given in (UNDEFINED, None, {}, {"request": 1}, asked(runningTotal="many"), asked("nobody")):
        assert limits.evaluate(("mc", "limits", "allow"), given, AT) is False
        assert limits.evaluate(("mc", "limits", "deny"), given, AT)
        assert limits.holds_until(("mc", "limits", "allow"), given, AT) is None or given == asked()


def test_other_rules_are_undefined(limits):
    for path in ((), ("mc",), ("mc", "limits", "other"), ("mc", "limits", "decision", "allowed"), ("x",)):
        assert limits.evaluate(path, asked(), AT) is UNDEFINED
    assert limits.dependencies(("x",)) == Dependencies(frozenset())
    assert limits.dependencies(("mc", "limits", "allow")).time


def test_how_long_an_answer_holds(limits):
    path = ("mc", "limits", "decision")
    night = AT.replace(hour=22)
    assert limits.holds_until(path, asked("nights"), AT) == AT + timedelta(seconds=1)
    assert limits.holds_until(path, asked("nights"), night) == night + timedelta(hours=8, minutes=-10)
    long = asked("nights", request={"expectedSeconds": 7200})
    assert limits.holds_until(path, long, night) == night + timedelta(hours=6)
    assert limits.holds_until(path, asked("nights", request={"ts": "2026-03-30T22:00:00Z"}), AT) is None
    assert limits.holds_until(("x",), asked("nights"), AT) is None
    assert limits.holds_until(path, asked("acme"), AT) > AT + timedelta(days=300)


@pytest.mark.parametrize(
    "files",
    [
        {"extra.rego": b"package mc.limits\n\nallow := true\n"},
        {"data.json": b'{"mc": {"documents": {"acme": {"maxConcurrent": -1}}}}'},
        {"data.json": b'{"mc": {"documents": {"acme": 1}}}'},
        {"data.json": b'{"mc": {"other": 1}}'},
        {"data.json": b'{"mc": {"documents": {}, "more": 1}}'},
    ],
)
def test_what_is_not_known_is_refused(files):
    with pytest.raises(UntrustedError) as caught:
        policy_of(native_files(1) | files)
    assert caught.value.code == "engine_refused"


def test_known_policies_may_come_along():
    text = "package mc.limits\n\nallow := true\n"
    policy = policy_of(native_files(1, DOCUMENTS) | {"limits.rego": text.encode()}, [text])
    assert policy.evaluate(("mc", "limits", "allow"), asked(), AT) is True
