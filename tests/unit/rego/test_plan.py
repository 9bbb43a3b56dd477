"""A plan is read as OPA makes it; whatever else is refused by name, never guessed."""

import json

import pytest

from maestro.rego import PlanError, compile_plan
from maestro.rego.plan import DEPTH_LIMIT, read_plan
from rego_support.plans import PlanMaker, local, stmt


def plan_with(*statements):
    return PlanMaker().rule(list(statements))


def test_null_lists_are_empty_ones():
    plan = PlanMaker().rule([stmt("MakeNull", target=2)])
    plan["static"]["builtin_funcs"] = plan["static"]["files"] = None
    assert compile_plan(json.dumps(plan).encode()).evaluate("p/r") is None
    assert read_plan({"static": None, "plans": None}).plans == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan.update(version=2), "version: is nothing that this reader knows"),
        (lambda plan: plan["static"].update(numbers=[]), "static.numbers: is nothing that this reader knows"),
        (lambda plan: plan.update(static=[]), "static: is not an object"),
        (lambda plan: plan["static"].update(strings={}), "static.strings: is not an array"),
        (lambda plan: plan["static"].update(strings=[{"value": 1}]), "static.strings"),
        (lambda plan: plan["static"].update(strings=[1]), "static.strings: is wrong"),
        (lambda plan: plan["funcs"]["funcs"][0].update(params=[0]), "does not take input and data"),
        (lambda plan: plan["funcs"]["funcs"][0].update(params=[1, 0]), "does not take input and data first"),
        (
            lambda plan: plan["funcs"]["funcs"].append(plan["funcs"]["funcs"][0]),
            "Two functions of the plan have one name",
        ),
    ],
)
def test_a_plan_of_another_shape_is_refused(change, message):
    plan = plan_with(stmt("MakeNull", target=2))
    change(plan)
    with pytest.raises(PlanError, match=message):
        compile_plan(plan)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (stmt("Goto", target=1), "is no statement that this reader knows"),
        (stmt("Blocks", blocks=[]), "is no statement that this reader knows"),
        (stmt("IsType", source=local(1)), "is no statement that this reader knows"),
        (stmt("MakeNull", target=2, twice=True), "unknown field"),
        (stmt("MakeNull", target="2"), "is wrong"),
        (stmt("Break", index=9), "leaves more blocks than there are"),
        (stmt("MakeNumberRef", index=99, target=2), "outside the table of strings"),
        (stmt("MakeNumberRef", index=0, target=2), "is no number"),
        (stmt("MakeNumberRef", target=2), "has no index"),
        (stmt("AssignVar", source={"type": "float", "value": 1}, target=2), "is no kind of operand"),
        (stmt("Call", func="g0.data.q", args=[], result=2), "is no builtin that is evaluated here"),
        (stmt("Call", func="g0.data.p.r", args=[], result=2), "calls itself"),
    ],
)
def test_a_statement_that_is_not_understood_is_refused(statement, message):
    with pytest.raises(PlanError, match=message):
        compile_plan(plan_with(statement))


@pytest.mark.parametrize("args", [[], [local(0)], [local(1), local(0)], [local(0), local(1), local(1)]])
def test_a_call_that_does_not_pass_the_documents_on_is_refused(args):
    maker = PlanMaker()
    maker.function("p/q", [stmt("MakeNull", target=2)])
    with pytest.raises(PlanError):
        compile_plan(maker.rule([stmt("Call", func="g0.data.p.q", args=args, result=2)]))
    dynamic = stmt("CallDynamic", args=[one["value"] for one in args], path=[maker.string("g0")], result=2)
    with pytest.raises(PlanError):
        compile_plan(PlanMaker().rule([dynamic]))


def test_functions_that_call_each_other_are_refused_also_through_a_dynamic_call():
    maker = PlanMaker()
    maker.function("p/q", [maker.call("g0.data.p.r", 2)])
    with pytest.raises(PlanError, match="calls itself"):
        compile_plan(maker.rule([maker.call("g0.data.p.q", 2)]))
    maker = PlanMaker()
    path = [maker.string("g0"), maker.string("p"), local(0)]
    with pytest.raises(PlanError, match="calls itself"):
        compile_plan(maker.rule([stmt("CallDynamic", args=[0, 1], path=path, result=2)]))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"null", b"[]", b'{"plans": {"plans": [', b"\xff", b"[" * 100_000]
)
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(PlanError):
        compile_plan(text)


def test_a_plan_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("maestro.rego.plan.SIZE_LIMIT", 10)
    with pytest.raises(PlanError, match="has 20 bytes"):
        read_plan(b" " * 20)


def nested(levels, inner):
    for _ in range(levels):
        inner = [stmt("Block", blocks=[{"stmts": inner}])]
    return inner


def test_blocks_within_blocks_are_bounded():
    with pytest.raises(PlanError, match="nests deeper"):
        compile_plan(plan_with(*nested(DEPTH_LIMIT + 2, [stmt("MakeNull", target=2)])))
    with pytest.raises(PlanError, match="nests"):
        compile_plan(plan_with(*nested(5_000, [stmt("MakeNull", target=2)])))
    assert (
        compile_plan(plan_with(*nested(DEPTH_LIMIT - 1, [stmt("MakeNull", target=2)]))).evaluate("p/r")
        is None
    )


def test_an_unknown_builtin_is_named():
    maker = PlanMaker()
    with pytest.raises(PlanError, match=r"http\.send") as caught:
        compile_plan(maker.rule([maker.call("http.send", 2)]))
    assert caught.value.code == "unsupported_builtin"


def test_a_builtin_whose_module_is_missing_names_the_extra():
    from maestro.rego.builtins import standard
    from maestro.rego.builtins.registry import Builtin

    maker = PlanMaker()
    lacking = standard().extended([Builtin("x.y", len, modules=("no_such_module",))])
    with pytest.raises(PlanError, match=r"maestro-conductor\[rego\]"):
        compile_plan(maker.rule([maker.call("x.y", 2)]), registry=lacking)
