"""Policies drawn from a grammar say the same here as in real OPA, to the spelling of each number.

`MAESTRO_REGO_DRAWN=50000` compares so many evaluations instead of a sample.
"""

import json
import os
from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maestro.kernel.errors import MaestroError
from maestro.rego import UNDEFINED, compile_plan, compiler, documents
from maestro.rego.numbers import is_number, number_text
from rego_cases.policies import draw_data, draw_input, draw_policy

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("rego_cases"), pytest.mark.slow]

EVALUATIONS = int(os.environ.get("MAESTRO_REGO_DRAWN", "0"))
SEED = int(os.environ.get("MAESTRO_REGO_DRAWN_SEED", "1117"))
ERROR = "an error"


def spelled(value):
    """JSON in which numbers differ as soon as their texts do."""
    if isinstance(value, dict):
        return {name: spelled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [spelled(item) for item in value]
    return ["number", number_text(value)] if is_number(value) else value


def asked_exactly(oracle, request):
    return documents.parse(oracle.line(**request).encode())


def by_opa(outcome):
    if "error" in outcome:
        return ERROR
    return spelled(outcome["result"]) if "result" in outcome else UNDEFINED


def by_maestro(program, path, given, data):
    try:
        text = program.evaluate_json(path, given, data, 0)
    except MaestroError:
        return ERROR
    return UNDEFINED if text is UNDEFINED else spelled(documents.parse(text))


def same(a, b):
    """`==` holds True for 1; JSON text does not."""
    return a is b or json.dumps(a, sort_keys=True, default=str) == json.dumps(b, sort_keys=True, default=str)


def compared(oracle, random, inputs=5):
    """How many evaluations of one drawn policy agreed, by what came out; none if OPA refuses the policy."""
    text, rules = draw_policy(random)
    asked = {
        "modules": {"p.rego": text},
        "entrypoints": [f"p/{rule}" for rule in rules],
        "inputs": [draw_input(random) for _ in range(inputs)],
        "data": draw_data(random),
    }
    answer = asked_exactly(oracle, asked)
    seen = Counter()
    if not rules or "refused" in answer:
        return seen
    program = compile_plan(answer["plan"])
    data = program.prepare(json.dumps(asked["data"]).encode())
    for path, row in zip(asked["entrypoints"], answer["results"], strict=True):
        for given_, outcome in zip(asked["inputs"], row, strict=True):
            ours = by_maestro(program, path, json.dumps(given_).encode(), data)
            theirs = by_opa(outcome)
            if (ours is ERROR) != (theirs is ERROR):
                # OPA's index and early exit pass over conflicts that its plan comes to.
                alone = asked | {"entrypoints": [path], "inputs": [given_], "plain": True}
                theirs = by_opa(asked_exactly(oracle, alone)["results"][0][0])
            assert same(ours, theirs), f"{path} of {given_} with {asked['data']}:\n{ours}\n{theirs}\n{text}"
            seen[ours if ours in (ERROR, UNDEFINED) else "a value"] += 1
    return seen


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(random=st.randoms(use_true_random=False))
def test_drawn_policies_say_what_opa_says(oracle, random):
    compared(oracle, random)


def test_a_number_of_policies_show_every_kind_of_answer(oracle):
    """By seeds, so that one of a long run is found again: `MAESTRO_REGO_DRAWN_SEED`."""
    seen, number = Counter(), 0
    while sum(seen.values()) < max(EVALUATIONS, 800):
        seen += compared(oracle, Random(f"{SEED}/{number}"))
        number += 1
    assert set(seen) == {"a value", UNDEFINED, ERROR}, "a sample that does not see each proves too little"


def test_a_loop_s_key_that_nothing_needs_is_not_read(oracle):
    """Found by drawing: a dead copy of it was."""
    text = """package p

r0 contains {v2: v2 | some _ in input.xs; (v2 + v2) in input.xs} if {
\tsome v2; input.xs[v2]
}

r5 contains v17 if {
\tr0, max([v14 | some v14 in data.d.a; some v15; v16 := v14[v15]]) in input.xs
\tv17 := input.xs[r0]
}

r5 contains input.xs[data.d.a] if {
\tsome _, v19 in input.xs
\tsome _ in v19
}
"""
    asked = {
        "modules": {"p.rego": text},
        "entrypoints": ["p/r5"],
        "inputs": [{"c": 1}],
        "data": {"d": {"a": {"a": 10, "xs": {}}}},
    }
    answer = asked_exactly(oracle, asked)
    program = compile_plan(answer["plan"])
    ours = by_maestro(program, "p/r5", b'{"c": 1}', program.prepare(json.dumps(asked["data"]).encode()))
    assert same(ours, by_opa(answer["results"][0][0]))


FAULTS = {
    "a test that holds the other way round": (" == ", " != "),
    "a loop that is left too early": ("continue", "break"),
    "an element that is not added": (".add(", ".discard("),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(oracle, monkeypatch, fault):
    """Code with a fault in it must not agree for long."""
    right, wrong = FAULTS[fault]
    monkeypatch.setattr(
        compiler,
        "compile",
        lambda source, *more: compile(source.replace(right, wrong), *more),
        raising=False,
    )
    with pytest.raises(AssertionError):
        agree(oracle, 300)


def agree(oracle, policies):
    for number in range(policies):
        compared(oracle, Random(f"fault/{number}"))
