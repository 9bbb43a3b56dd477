"""A stranger's policy takes no more steps, time or memory than it may, and what it exceeds is named."""

import pytest

from maestro.kernel.errors import BadInputError
from maestro.rego import EvaluationLimitError, Limits, compile_plan, documents, values
from maestro.rego.errors import EvaluationError
from rego_support.plans import PlanMaker, local, stmt

TURNS = 20


def looping(levels):
    """Loops within loops over ``input.xs``."""
    maker = PlanMaker()
    body = [stmt("Nop")]
    for level in range(levels):
        body = [stmt("Scan", source=3, key=100 + level, value=200 + level, block={"stmts": body})]
    return compile_plan(maker.rule([maker.dot(0, "xs", 3), *body, stmt("MakeNull", target=2)]))


def code(program, given, **limits):
    clock = limits.pop("monotonic", None)
    with pytest.raises(EvaluationError) as caught:
        program.evaluate("p/r", given, limits=Limits(**limits), monotonic=clock)
    return caught.value.code


def test_steps_are_loop_heads():
    xs = {"xs": list(range(TURNS))}
    assert looping(2).evaluate("p/r", xs, limits=Limits(steps=21 + 20 * 21)) is None
    assert code(looping(2), xs, steps=20 + 20 * 21) == "step_limit"
    assert code(looping(6), xs, steps=100_000) == "step_limit"


def test_a_large_collection_is_charged_as_it_is_walked():
    xs = {"xs": list(range(10_000))}
    assert looping(1).evaluate("p/r", xs, limits=Limits(steps=10_000)) is None
    assert code(looping(1), xs, steps=9_999) == "step_limit"
    assert code(looping(1), {"xs": {str(x): x for x in range(10_000)}}, steps=9_999) == "step_limit"


class Clock:
    """Each look at it takes a second."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        self.seconds += 1
        return self.seconds


def test_the_deadline_is_kept_within_loops():
    xs = {"xs": list(range(TURNS))}
    clock = Clock()
    assert code(looping(6), xs, deadline=10.0, monotonic=clock) == "deadline"
    assert clock.seconds == 10
    assert looping(2).evaluate("p/r", xs, limits=Limits(deadline=1e9), monotonic=Clock()) is None
    assert code(looping(6), xs, deadline=1e9, steps=100_000, monotonic=Clock()) == "step_limit"


def test_the_deadline_needs_a_clock():
    assert looping(1).evaluate("p/r", {"xs": [1]}, limits=Limits(deadline=0.0)) is None


def test_calls_of_functions_are_steps():
    maker = PlanMaker()
    maker.function("p/f", [stmt("AssignVarOnce", source=local(3), target=2)], params=(3,))
    body = {"stmts": [maker.call("g0.data.p.f", 6, local(5))]}
    program = compile_plan(
        maker.rule(
            [
                maker.dot(0, "xs", 3),
                stmt("Scan", source=3, key=4, value=5, block=body),
                stmt("MakeNull", target=2),
            ]
        )
    )
    xs = {"xs": list(range(TURNS))}
    assert program.evaluate("p/r", xs, limits=Limits(steps=TURNS + 1 + TURNS)) is None
    assert code(program, xs, steps=TURNS + TURNS) == "step_limit"


@pytest.mark.parametrize("source", [{"a": 1}, {"b": 2, "a": 1}])
def test_ordered_loops_are_charged_too(source):
    maker = PlanMaker()
    body = {"stmts": [stmt("ArrayAppend", array=2, value=local(4))]}
    program = compile_plan(
        maker.rule(
            [
                stmt("MakeArray", target=2),
                maker.dot(0, "xs", 3),
                stmt("Scan", source=3, key=4, value=5, block=body),
            ]
        )
    )
    assert program.evaluate("p/r", {"xs": source}) == sorted(source)
    assert program.evaluate("p/r", {"xs": 7}) == []
    assert code(program, {"xs": source}, steps=1) == "step_limit"


def chain(length):
    maker = PlanMaker()
    maker.function("p/r0", [stmt("AssignVarOnce", source=local(0), target=2)])
    for number in range(1, length):
        maker.function(
            f"p/r{number}",
            [maker.call(f"g0.data.p.r{number - 1}", 3), stmt("AssignVarOnce", source=local(3), target=2)],
        )
    maker.entrypoint(f"p/r{length - 1}")
    return compile_plan(maker.made())


def test_a_chain_of_rules_as_long_as_pythons_stack_is_an_error_by_name():
    assert chain(300).evaluate("p/r299", 1) == 1
    with pytest.raises(EvaluationLimitError) as caught:
        chain(3_000).evaluate("p/r2999", 1)
    assert caught.value.code == "depth_limit"


@pytest.mark.parametrize(
    "deep", [b"[" * 300 + b"]" * 300, b"[" * 100_000, b'{"a":' * 300 + b"1" + b"}" * 300]
)
def test_deep_input_is_refused(deep):
    with pytest.raises(BadInputError) as caught:
        looping(1).evaluate("p/r", deep)
    assert caught.value.code in {"depth_limit", "bad_json"}


def test_cyclic_documents_are_refused():
    xs = []
    xs.append(xs)
    cycle = {"a": xs}
    xs.append(cycle)
    for document in (xs, cycle):
        with pytest.raises(BadInputError) as caught:
            looping(1).evaluate("p/r", document)
        assert caught.value.code == "depth_limit"
        with pytest.raises(BadInputError):
            looping(1).evaluate("p/r", 1, {"d": document})


def test_a_result_that_stands_for_very_many_values_is_refused(monkeypatch):
    monkeypatch.setattr(documents, "NODES", 2_000)
    maker = PlanMaker()
    statements = [stmt("MakeArray", target=100)]
    for level in range(101, 140):
        statements.append(stmt("MakeArray", target=level))
        statements += [stmt("ArrayAppend", array=level, value=local(level - 1))] * 2
    statements.append(stmt("AssignVarOnce", source=local(139), target=2))
    program = compile_plan(maker.rule(statements))
    for ask in (program.evaluate, program.evaluate_json):
        with pytest.raises(EvaluationLimitError) as caught:
            ask("p/r")
        assert caught.value.code == "size_limit"
    assert values.NODES > 2_000
