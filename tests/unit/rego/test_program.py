"""A program answers at OPA's paths, shares data between threads, and says what its answers depend on."""

import threading
from datetime import UTC, datetime

import pytest

from maestro.formats.opa_bundle import canonical_tar
from maestro.kernel.errors import BadInputError
from maestro.rego import UNDEFINED, Limits, PlanError, Program, compile_plan
from maestro.rego.builtins import standard
from maestro.rego.builtins.registry import Builtin, Family, array, integer, object_, set_, string
from maestro.rego.errors import BuiltinError, EvaluationError, EvaluationLimitError
from maestro.rego.numbers import number
from maestro.rego.program import parse_path
from rego_support.plans import PlanMaker, local, stmt


def constant(maker, name, text):
    maker.function(name, [stmt("AssignVarOnce", source=maker.string(text), target=2)])
    maker.entrypoint(name)


@pytest.fixture
def tree():
    """Rules p/q/a and p/b, an undefined p/c, beside base documents."""
    maker = PlanMaker()
    constant(maker, "p/q/a", "A")
    constant(maker, "p/b", "B")
    constant(maker, "system/secret", "S")
    maker.function("p/c", [stmt("Break", index=0)])
    maker.entrypoint("p/c")
    data = {"p": {"q": {"base": [1]}, "b": "hidden by the rule?"}, "d": {"x": 1.5}, "system": {"s": 1}}
    return compile_plan(maker.made(), data=data)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("data.p.q.a", "A"),
        ("p/q/a", "A"),
        (("p", "q", "a"), "A"),
        ('data["p"].b', "B"),
        ("data.p.c", UNDEFINED),
        ("data.p.q", {"a": "A", "base": [1]}),
        ("data.d.x", 1.5),
        ("data.d", {"x": 1.5}),
        ("data.p.q.a.deeper", UNDEFINED),
        ("data", {"p": {"q": {"a": "A", "base": [1]}, "b": "hidden by the rule?"}, "d": {"x": 1.5}}),
    ],
)
def test_paths_are_opas(tree, path, answer):
    assert tree.evaluate(path) == answer
    assert tree.evaluate(path) == answer


@pytest.mark.parametrize(
    "path", ["data.nothing", "data.p.q.x", "data.system.s", "data.system", "system/secret", "p/x"]
)
def test_a_path_that_is_nothing_is_an_error(tree, path):
    with pytest.raises(BadInputError) as caught:
        tree.evaluate(path)
    assert caught.value.code == "no_such_entrypoint"


@pytest.mark.parametrize("text", ["", "data.", "data.a b", "data[a]", "input.x", "data.a[0]", "a.b"])
def test_text_that_is_no_path_is_an_error(text):
    with pytest.raises(BadInputError):
        parse_path(text)


def test_paths_as_they_are_written():
    assert parse_path("data") == ()
    assert parse_path('data.a["b-c"].d') == ("a", "b-c", "d")
    assert parse_path("/a/b-c/") == ("a", "b-c")


def bundle(plan, **files):
    import json

    return canonical_tar(
        {".manifest": b'{"revision": "7", "roots": [""]}', "plan.json": json.dumps(plan).encode(), **files}
    )


def test_a_bundle_is_read_with_its_data_to_the_spelling_of_numbers(tmp_path):
    maker = PlanMaker()
    plan = maker.rule([maker.dot(1, "d", 2)])
    content = bundle(plan, **{"d/data.json": b'{"x": 1.0, "y": 1e2}'})
    program = Program.from_bundle(content)
    assert program.revision == "7"
    assert program.entrypoints == (("p", "r"),)
    assert program.evaluate_json("p/r") == b'{"x":1.0,"y":1e2}'
    assert program.evaluate("p/r") == {"x": 1.0, "y": 100.0}
    file = tmp_path / "b.tar.gz"
    file.write_bytes(content)
    assert Program.from_bundle(str(file)).evaluate("p/r") == {"x": 1.0, "y": 100.0}
    assert "def f0(" in program.source


def test_a_bundle_without_a_plan_says_how_to_make_one():
    with pytest.raises(PlanError, match="opa build -t plan"):
        Program.from_bundle(canonical_tar({".manifest": b'{"revision": "7", "roots": [""]}'}))


def passing(maker=None):
    """A rule that is what the input is."""
    maker = maker or PlanMaker()
    return compile_plan(maker.rule([stmt("AssignVarOnce", source=local(0), target=2)]))


def test_input_is_json_text_or_what_json_makes():
    program = passing()
    assert program.evaluate("p/r", b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert program.evaluate_json("p/r", {"a": (1, 2.5)}) == b'{"a":[1,2.5]}'
    assert program.evaluate("p/r") is UNDEFINED
    assert program.evaluate_json("p/r") is UNDEFINED


def test_base_documents_are_an_object():
    with pytest.raises(BadInputError, match="no object"):
        passing().prepare(b"[]")
    with pytest.raises(BadInputError):
        passing().evaluate("p/r", 1, [1])


def timed():
    maker = PlanMaker()
    return compile_plan(
        maker.rule([maker.call("clock", 3), stmt("AssignVarOnce", source=local(3), target=2)]),
        registry=standard().extended(
            [Builtin("clock", lambda c: c.now_ns, context=True, depends=frozenset({"now"}))]
        ),
    )


def test_now_is_asked_for_where_it_matters():
    program = timed()
    assert program.evaluate("p/r", now=datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005_000
    assert program.evaluate("p/r", now=12) == 12
    with pytest.raises(BadInputError, match="now: is missing"):
        program.evaluate("p/r")
    with pytest.raises(BadInputError, match="no zone"):
        program.evaluate("p/r", now=datetime(1970, 1, 1))  # noqa: DTZ001 - what is refused
    assert program.dependencies("p/r").others == {"now"}
    assert passing().evaluate("p/r", 1) == 1


def test_dependencies_are_places_of_the_input():
    maker = PlanMaker()
    maker.function(
        "p/q", [maker.dot(0, "b", 3), maker.dot(3, "c", 4), stmt("AssignVarOnce", source=local(4), target=2)]
    )
    program = compile_plan(
        maker.rule(
            [
                maker.dot(0, "a", 3),
                stmt("AssignVar", source=local(3), target=4),
                maker.dot(4, "x", 5),
                maker.call("g0.data.p.q", 6),
                stmt("MakeNull", target=2),
            ]
        )
    )
    needs = program.dependencies("p/r")
    assert needs.places == {("a",), ("b",)}
    assert ("a", "x") in needs.inputs
    assert passing().dependencies("p/r").places == {()}


def test_what_depends_on_data_alone_is_computed_once():
    calls = []
    family = Family()

    @family.builtin("counted", "counted_too")
    def counted(value):
        calls.append(value)
        return value

    maker = PlanMaker()
    maker.function(
        "p/table",
        [
            maker.dot(1, "d", 3),
            maker.call("counted", 4, local(3)),
            stmt("AssignVarOnce", source=local(4), target=2),
        ],
    )
    plan = maker.rule(
        [
            maker.call("g0.data.p.table", 3),
            maker.call("counted_too", 4, local(0)),
            stmt("AssignVarOnce", source=local(3), target=2),
        ]
    )
    program = compile_plan(plan, registry=standard().extended(family))
    data = program.prepare({"d": 7})
    for given in (1, 2, 3):
        assert program.evaluate("p/r", given, data) == 7
    assert calls == [7, 1, 2, 3]
    assert program.evaluate("p/r", 4, {"d": 8}) == 8


def test_threads_share_a_program_and_its_data():
    maker = PlanMaker()
    body = {"stmts": [stmt("ArrayAppend", array=2, value=local(5))]}
    plan = maker.rule(
        [
            stmt("MakeArray", target=2),
            maker.dot(0, "xs", 3),
            stmt("Scan", source=3, key=4, value=5, block=body),
        ]
    )
    program, wrong = compile_plan(plan), []

    def ask(number):
        given = {"xs": list(range(number, number + 50))}
        wrong.extend(1 for _ in range(100) if program.evaluate("p/r", given) != given["xs"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def failing():
    family = Family()

    @family.builtin("fails")
    def fails(value):
        raise value if isinstance(value, Exception) else BuiltinError("operand 1 must be nicer")

    @family.builtin("crashes", context=True)
    def crashes(context, value):
        raise {"type": TypeError, "memory": MemoryError, "deep": RecursionError}[value]

    return standard().extended(family)


def test_a_failing_builtin_is_undefined_or_an_error_if_strict():
    maker = PlanMaker()
    program = compile_plan(maker.rule([maker.call("fails", 2, local(0))]), registry=failing())
    assert program.evaluate("p/r", 1) is UNDEFINED
    with pytest.raises(BuiltinError, match="nicer"):
        program.evaluate("p/r", 1, strict_builtin_errors=True)


@pytest.mark.parametrize(
    ("fault", "code"), [("type", "evaluation_failed"), ("memory", "size_limit"), ("deep", "depth_limit")]
)
def test_whatever_goes_wrong_is_no_decision(fault, code):
    maker = PlanMaker()
    program = compile_plan(maker.rule([maker.call("crashes", 2, local(0))]), registry=failing())
    with pytest.raises(EvaluationError) as caught:
        program.evaluate("p/r", fault)
    assert caught.value.code == code


def test_all_bindings_of_a_planned_query():
    maker = PlanMaker()
    row = stmt(
        "Scan",
        source=3,
        key=4,
        value=5,
        block={
            "stmts": [
                stmt("MakeObject", target=6),
                stmt("ObjectInsert", object=6, key=maker.string("x"), value=local(5)),
                stmt("ResultSetAdd", value=6),
            ]
        },
    )
    maker.plans.append({"name": "query", "blocks": [{"stmts": [maker.dot(0, "xs", 3), row]}]})
    assert compile_plan(maker.made()).results("query", {"xs": [1, 2]}) == [{"x": 1}, {"x": 2}]


def test_operands_of_builtins():
    for check, value in (
        (string, 1),
        (array, {}),
        (object_, []),
        (set_, []),
        (integer, "a"),
        (integer, number("1.5")),
    ):
        with pytest.raises(BuiltinError, match="operand 2 must be"):
            check(value, 2)
    assert integer(number("1.0"), 1) == 1
    assert integer(3, 1) == 3
    family = Family()
    family.builtin("twice")(len)
    with pytest.raises(ValueError, match="twice"):
        family.builtin("twice")(len)
    assert "plus" in list(standard())


def test_limits_of_the_scratch_space():
    maker = PlanMaker()

    def fill(c):
        c.cache["fill"] = c.cache.get("fill", 0) + 1
        c.allow_items(c.limits.items)
        c.allow_text(c.limits.text)
        return c.cache["fill"] + len(c.seed)

    registry = standard().extended([Builtin("fill", fill, context=True, depends=frozenset({"random"}))])
    program = compile_plan(maker.rule([maker.call("fill", 3), maker.call("fill", 2)]), registry=registry)
    assert program.evaluate("p/r", seed=b"1234") == 6
    for name in ("allow_items", "allow_text"):
        over = standard().extended(
            [Builtin("fill", lambda c, name=name: getattr(c, name)(10**9), context=True)]
        )
        maker = PlanMaker()
        with pytest.raises(EvaluationLimitError) as caught:
            compile_plan(maker.rule([maker.call("fill", 2)]), registry=over).evaluate(
                "p/r", limits=Limits(items=5)
            )
        assert caught.value.code == "size_limit"
