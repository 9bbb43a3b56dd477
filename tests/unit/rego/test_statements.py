"""What statements do that no policy shows by itself: jumps over several blocks, merges, undefined operands."""

import pytest

from maestro.rego import UNDEFINED, EvaluationConflictError, EvaluationError, compile_plan
from rego_support.plans import PlanMaker, local, stmt, true_or_false


def answer(*blocks, given=UNDEFINED, data=None):
    return compile_plan(PlanMaker().rule(*blocks)).evaluate("p/r", given, data or {})


def block(*statements):
    return stmt("Block", blocks=[{"stmts": list(statements)}])


@pytest.mark.parametrize(("index", "expected"), [(0, 3), (1, 2), (2, 1)])
def test_a_break_leaves_as_many_blocks_as_it_says(index, expected):
    found = answer(
        [
            stmt("MakeNumberInt", value=1, target=2),
            block(
                block(
                    block(stmt("Break", index=index)),
                    stmt("MakeNumberInt", value=3, target=2),
                    stmt("Break", index=2),
                ),
                stmt("MakeNumberInt", value=2, target=2),
            ),
        ]
    )
    assert found == expected


def test_a_break_leaves_loops_too():
    maker = PlanMaker()
    inner = stmt(
        "Scan",
        source=4,
        key=7,
        value=8,
        block={
            "stmts": [
                stmt("ArrayAppend", array=2, value=local(8)),
                stmt("Equal", a=local(8), b=local(6)),
                stmt("Break", index=2),
            ]
        },
    )
    outer = stmt(
        "Scan",
        source=4,
        key=5,
        value=6,
        block={"stmts": [inner, stmt("ArrayAppend", array=2, value=maker.string("x"))]},
    )
    plan = maker.rule(
        [
            stmt("MakeArray", target=2, capacity=0),
            maker.dot(0, "xs", 4),
            outer,
            stmt("ArrayAppend", array=2, value=maker.string("y")),
        ]
    )
    assert compile_plan(plan).evaluate("p/r", {"xs": [1, 2]}) == [1]


def loops(depth, maker):
    body = [stmt("ArrayAppend", array=2, value=local(100 + depth))]
    for level in range(depth, 0, -1):
        scan = stmt("Scan", source=3, key=200 + level, value=100 + level, block={"stmts": body})
        body = [stmt("IsUndefined", source=300 + level), scan] if level % 3 else [block(scan)]
    return body


@pytest.mark.parametrize("depth", [5, 14, 15, 20, 31, 45])
def test_loops_nest_deeper_than_pythons_twenty_blocks(depth):
    maker = PlanMaker()
    plan = maker.rule([stmt("MakeArray", target=2), maker.dot(0, "xs", 3), *loops(depth, maker)])
    program = compile_plan(plan)
    assert program.evaluate("p/r", {"xs": ["a"]}) == ["a"]
    assert program.evaluate("p/r", {"xs": []}) == []


@pytest.mark.parametrize("leave", range(1, 34))
def test_a_break_leaves_any_number_of_such_loops(leave):
    maker = PlanMaker()
    body = [stmt("ArrayAppend", array=2, value=local(131)), stmt("Break", index=leave)]
    for level in range(31, 0, -1):
        scan = stmt("Scan", source=3, key=200 + level, value=100 + level, block={"stmts": body})
        body = [scan, stmt("Break", index=1)] if level > 1 else [scan]
    plan = maker.rule(
        [
            stmt("MakeArray", target=2),
            maker.dot(0, "xs", 3),
            block(block(*body)),
            stmt("ArrayAppend", array=2, value=maker.string("end")),
        ]
    )
    if leave > 33:
        return
    found = compile_plan(plan).evaluate("p/r", {"xs": ["a", "b"]})
    assert found[0] == "b" or found[0] == "a"
    assert (found[-1] == "end") == (leave < 33)


def test_merging_keeps_the_first_where_they_differ():
    maker = PlanMaker()
    plan = maker.rule([maker.dot(0, "a", 3), maker.dot(0, "b", 4), stmt("ObjectMerge", a=3, b=4, target=2)])
    program = compile_plan(plan)
    assert program.evaluate("p/r", {"a": {"x": 1, "y": {"z": 1}}, "b": {"y": {"z": 2, "w": 3}, "v": 4}}) == {
        "x": 1,
        "y": {"z": 1, "w": 3},
        "v": 4,
    }
    assert program.evaluate("p/r", {"a": 1, "b": {}}) == 1
    plan = PlanMaker().rule([stmt("MakeNull", target=4), stmt("ObjectMerge", a=9, b=4, target=2)])
    assert compile_plan(plan).evaluate("p/r") is None


def test_what_is_undefined_ends_its_block():
    assert answer([stmt("AssignVar", source=local(9), target=2)]) is UNDEFINED
    assert answer([stmt("Equal", a=local(9), b=true_or_false(True)), stmt("MakeNull", target=2)]) is UNDEFINED
    assert answer([stmt("IsDefined", source=9), stmt("MakeNull", target=2)]) is UNDEFINED
    assert answer([stmt("IsUndefined", source=9), stmt("MakeNull", target=2)]) is None
    assert (
        answer([stmt("MakeNull", target=3), stmt("IsUndefined", source=3), stmt("MakeNull", target=2)])
        is UNDEFINED
    )
    assert (
        answer([stmt("Scan", source=9, key=4, value=5, block={"stmts": []}), stmt("MakeNull", target=2)])
        is UNDEFINED
    )
    assert answer([stmt("Dot", source=true_or_false(True), key=local(9), target=2)]) is UNDEFINED
    for kind, fields in (
        ("ArrayAppend", {"array": 9}),
        ("SetAdd", {"set": 9}),
        ("ObjectInsert", {"object": 9, "key": true_or_false(True)}),
        ("ObjectInsertOnce", {"object": 9, "key": true_or_false(True)}),
    ):
        for value in (true_or_false(True), local(8)):
            assert answer([stmt(kind, value=value, **fields), stmt("MakeNull", target=2)]) is UNDEFINED
    assert answer([stmt("Len", source=local(9), target=3), stmt("MakeNull", target=2)]) is UNDEFINED
    assert answer([stmt("ResultSetAdd", value=9), stmt("MakeNull", target=2)]) is UNDEFINED
    assert answer([stmt("AssignVarOnce", source=local(9), target=2)]) is UNDEFINED


def test_types_are_told_apart():
    def kinds(value):
        maker = PlanMaker()
        tests = [
            block(stmt(kind, source=local(3)), stmt("ArrayAppend", array=2, value=maker.string(kind)))
            for kind in ("IsArray", "IsObject", "IsSet")
        ]
        plan = maker.rule([stmt("MakeArray", target=2), maker.dot(0, "x", 3), *tests])
        return compile_plan(plan).evaluate("p/r", {"x": value})

    assert kinds([]) == ["IsArray"]
    assert kinds({}) == ["IsObject"]
    assert kinds("a") == []
    assert answer([stmt("IsArray", source=true_or_false(True)), stmt("MakeNull", target=2)]) is UNDEFINED
    assert (
        answer([stmt("MakeSet", target=3), stmt("IsSet", source=local(3)), stmt("MakeNull", target=2)])
        is None
    )
    assert (
        answer([stmt("MakeNull", target=3), stmt("IsSet", source=local(3)), stmt("MakeNull", target=2)])
        is UNDEFINED
    )


def test_lengths():
    def length(value):
        maker = PlanMaker()
        plan = maker.rule([maker.dot(0, "x", 3), stmt("Len", source=local(3), target=2)])
        return compile_plan(plan).evaluate("p/r", {"x": value})

    assert [length(value) for value in ([1, 2], {"a": 1}, "ä", 7)] == [2, 1, 1, 0]


def test_two_values_of_one_rule_are_a_conflict():
    maker = PlanMaker()
    blocks = [[stmt("AssignVarOnce", source=maker.string(text), target=2)] for text in ("a", "b")]
    with pytest.raises(EvaluationConflictError):
        compile_plan(maker.rule(*blocks)).evaluate("p/r")
    same = PlanMaker()
    twice = [[stmt("AssignVarOnce", source=same.string("a"), target=2)]] * 2
    assert compile_plan(same.rule(*twice)).evaluate("p/r") == "a"


def test_two_values_of_one_key_are_a_conflict():
    maker = PlanMaker()
    body = {"stmts": [stmt("ObjectInsertOnce", object=2, key=maker.string("k"), value=local(5))]}
    plan = maker.rule(
        [
            stmt("MakeObject", target=2),
            maker.dot(0, "xs", 3),
            stmt("Scan", source=3, key=4, value=5, block=body),
        ]
    )
    assert compile_plan(plan).evaluate("p/r", {"xs": [1, 1]}) == {"k": 1}
    with pytest.raises(EvaluationConflictError, match="object keys must be unique"):
        compile_plan(plan).evaluate("p/r", {"xs": [1, 2]})


def test_a_plan_that_changes_what_it_loops_over_fails_by_name():
    maker = PlanMaker()
    body = {
        "stmts": [
            stmt("ObjectInsert", object=2, key=local(4), value=true_or_false(True)),
            stmt("ObjectInsert", object=2, key=maker.string("b"), value=true_or_false(True)),
        ]
    }
    plan = maker.rule(
        [
            stmt("MakeObject", target=2),
            stmt("ObjectInsert", object=2, key=maker.string("a"), value=true_or_false(True)),
            stmt("Scan", source=2, key=4, value=5, block=body),
        ]
    )
    with pytest.raises(EvaluationError, match="The evaluation failed"):
        compile_plan(plan).evaluate("p/r")


def test_nothing_and_integers():
    assert answer([stmt("Nop"), stmt("MakeNumberInt", value=-7, target=2)]) == -7
    assert answer([stmt("AssignInt", value=5, target=2)]) == 5
    assert answer([]) is UNDEFINED


def test_a_fraction_may_go_without_its_zero():
    maker = PlanMaker()
    assert compile_plan(maker.rule([maker.number(".5", 2)])).evaluate("p/r") == 0.5
    maker = PlanMaker()
    assert compile_plan(maker.rule([maker.number("-.5", 2)])).evaluate_json("p/r") == b"-0.5"


def test_a_function_whose_last_block_does_more_than_return():
    maker = PlanMaker()
    maker.function("p/q", [stmt("MakeNull", target=2)])
    maker.functions[0]["blocks"] = [{"stmts": [stmt("MakeNull", target=2), stmt("ReturnLocal", source=2)]}]
    assert compile_plan(maker.rule([maker.call("g0.data.p.q", 2)])).evaluate("p/r") is None
    maker.functions[0]["blocks"].append({"stmts": [stmt("ReturnLocal", source=2)]})
    assert compile_plan(maker.made()).evaluate("p/r") is None
