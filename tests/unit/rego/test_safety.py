"""Generated code contains no text of the policy: names, strings and keys of Python fragments change nothing in it."""

import builtins
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.rego import compile_plan
from rego_support.plans import PlanMaker, local, stmt

FRAGMENTS = [
    "__import__('os').abort()",
    "\n import os\n os.abort()\n#",
    "'''",
    '"""',
    "\\",
    "\\N{BULLET}",
    "K0",
    "v0",
    "U",
    "None",
    "{0}",
    "%s",
    "\x00",
    "\r\n",
    "lambda: 0",
    "); exit(",
    "\u017f",
    "\ud7ff",
]


def plan(name, key, text, given_name):
    """A policy with every place a text may stand in: names, paths, keys, strings, builtins."""
    maker = PlanMaker()
    maker.function(f"p/{name}/f", [stmt("AssignVarOnce", source=local(3), target=2)], params=(3,))
    maker.function(f"p/{name}/q", [stmt("AssignVarOnce", source=maker.string(text), target=2)])
    maker.function(
        "p/r",
        [
            stmt("MakeObject", target=4),
            stmt("ObjectInsert", object=4, key=maker.string(key), value=maker.string(text)),
            stmt("MakeSet", target=5),
            stmt("SetAdd", set=5, value=maker.string(text)),
            stmt("ObjectInsert", object=4, key=maker.string("set"), value=local(5)),
            maker.call(f"g0.data.p.{name}.f", 6, local(4)),
            stmt(
                "With",
                local=0,
                path=[maker.index(given_name)],
                value=maker.string(text),
                block={"stmts": [stmt("Dot", source=local(0), key=maker.string(given_name), target=8)]},
            ),
            stmt("ObjectInsert", object=4, key=maker.string("with"), value=local(8)),
            stmt("AssignVarOnce", source=local(6), target=2),
        ],
    )
    maker.entrypoint("p/r")
    return maker.made()


TEXTS = st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=20).filter(lambda text: "/" not in text))


@given(
    st.lists(TEXTS, min_size=4, max_size=4, unique=True).filter(
        lambda found: not {"set", "with", "result", "p", "q", "g0"} & set(found)
    )
)
def test_source_differs_by_structure_alone(texts):
    ours = compile_plan(plan(*texts)).source
    assert ours == compile_plan(plan("name", "key", "text", "given")).source


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_fragments_are_values(fragment):
    others = ["name", "key", "text", "given"]
    for place in range(4):
        texts = [fragment if place == at else other for at, other in enumerate(others)]
        _, key, text, _ = texts
        answer = compile_plan(plan(*texts)).evaluate("p/r", {})
        assert answer == {key: text, "set": [text], "with": text}


WORDS = re.compile(
    r"(?:def|if|elif|else|for|in|while|True|False|None|break|continue|return|not|is|and|or|try|except|as|nonlocal|type|len"
    r"|[vwmgrtj]\d+|[fpKB]\d+|[cmUMx])"
)


def test_source_is_made_of_a_small_vocabulary():
    words = set(re.findall(r"[A-Za-z_]\w*", compile_plan(plan(*FRAGMENTS[:4])).source))
    rest = {word for word in words if not WORDS.fullmatch(word)}
    assert rest <= {
        "key",
        "get",
        "dict",
        "upsert",
        "again",
        "results",
        "append",
        "left",
        "exhausted",
        "lookup",
        "equal",
        "conflict",
        "str",
        "list",
        "int",
        "set",
    }


def test_generated_code_reaches_no_builtin_that_does_harm():
    names = compile_plan(plan("a", "b", "c", "d")).compiled.entrypoints["p/r"][0].__globals__["__builtins__"]
    assert set(names) <= {"dict", "int", "len", "list", "set", "str", "type", "bool"}
    assert not any(
        hasattr(builtins, name) and name in names
        for name in ("eval", "exec", "open", "__import__", "getattr")
    )
