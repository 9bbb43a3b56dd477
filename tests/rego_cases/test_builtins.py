"""Builtins beside OPA's own: the same operands, the same value, the same text of numbers, or an error in both."""

import random
import re

import msgspec
import pytest

from maestro.rego.builtins import standard
from maestro.rego.errors import BuiltinError
from maestro.rego.rendering import render
from maestro.rego.values import UNDEFINED
from rego_cases.calls import CALLS, FORMATS, OPERANDS, N, S, rego
from rego_cases.terms import Alone, from_term, to_term

pytestmark = [pytest.mark.services, pytest.mark.filterwarnings("ignore:Parsed a serial number")]


def ours(name, operands):
    """What is evaluated here, in the form of `theirs`."""
    builtin = standard().get(name)
    try:
        found = builtin.function(*([Alone()] if builtin.context else []), *operands)
    except BuiltinError:
        return "error"
    return "undefined" if found is UNDEFINED else shown(found)


def theirs(oracle, name, operands):
    answer = oracle.call(name, *map(to_term, operands))
    if "error" in answer:
        return "error"
    return shown(from_term(answer["term"])) if "term" in answer else "undefined"


def shown(value):
    """A value's own text; bytes that are no UTF-8 are lost on OPA's way to us."""
    return re.sub(r"\\x[89a-f][0-9a-f]", "\ufffd", render(value))


def compare(oracle, name, operands):
    here, there = ours(name, operands), theirs(oracle, name, operands)
    return None if here == there else f"{name}({', '.join(map(render, operands))}) is {here}, in OPA {there}"


@pytest.mark.parametrize("name", CALLS)
def test_chosen_operands_give_what_opa_gives(oracle, name):
    faults = [compare(oracle, name, [rego(one) for one in operands]) for operands in CALLS[name]]
    assert not [fault for fault in faults if fault]


@pytest.mark.parametrize("form", FORMATS)
def test_every_verb_of_sprintf_shows_what_go_shows(oracle, form):
    faults = [compare(oracle, "sprintf", [form, rego(operands)]) for operands in OPERANDS]
    assert not [fault for fault in faults if fault]


# ---- drawn operands --------------------------------------------------------------------------------------

TEXTS = [
    "",
    "a",
    "abc",
    "a.b.c",
    "foo/bar",
    " x ",
    "A",
    "ÄÖ",
    "ß",
    "İ",
    "日本",
    "1",
    "1.5",
    "-3",
    "010",
    "1e3",
    "true",
    "null",
    '{"a":1}',
    "[1,2",
    "YWJj",
    "YQ==",
    "YQ",
    "a+b c&d=e",
    "a=1&b=2&a=3",
    "%41%zz",
    "2006-01-02",
    "2021-03-04T05:06:07Z",
    "10.0.0.0/8",
    "10.1.2.3",
    "::1/64",
    "fe80::/10",
    "1h30m",
    "5d",
    "1.2.3",
    "1.2.3-alpha.1+b",
    "v1.0.0",
    "10Ki",
    "5M",
    "1.5GB",
    "100m",
    "http://u@h:80/p?q#f",
    "*",
    "a*",
    "[a-z]+",
    "(a)(b)?",
    "{a,b}",
    "**",
    "?",
    "\\",
    "aa",
    "aaaa",
    "deadbeef",
    "zz",
    "a\nb",
    "\x00",
    "😀é",
    "x.y[0]",
    "/a/b",
    "a/0",
    "-",
]
NUMBERS = [
    0,
    1,
    -1,
    2,
    3,
    5,
    10,
    16,
    8,
    100,
    -7,
    1.5,
    N("1.0"),
    2.5,
    -0.5,
    0.1,
    N("1e3"),
    N("-0"),
    12345678901234567890,
]
NUMBERS += [N("1e-2"), 1600000000000000000, 1234567890123456789]
# What depends on more than operands, reaches out, or may make much of little.
UNDRAWN = {
    "rand.intn",
    "uuid.rfc4122",
    "time.now_ns",
    "walk",
    "opa.runtime",
    "print",
    "trace",
    "internal.print",
}
UNDRAWN |= {
    "net.cidr_expand",
    "numbers.range",
    "numbers.range_step",
    "bits.lsh",
    "bits.rsh",
    "strings.render_template",
}


def drawn(draw, kind):
    """An operand of a declared type, now and then of another."""
    if draw.random() < 0.06:
        kind = {"type": "any"}
    name = kind.get("type")
    if name == "any":
        kinds = kind.get("of") or [
            {"type": one} for one in ("string", "number", "boolean", "null", "array", "object", "set")
        ]
        return drawn(draw, draw.choice(kinds))
    if name == "array":
        inner = kind.get("static") or [kind.get("dynamic") or {"type": "string"}] * draw.randrange(4)
        return [drawn(draw, one) for one in inner]
    if name == "set":
        return S(*[drawn(draw, kind.get("of") or {"type": "string"}) for _ in range(draw.randrange(4))])
    if name == "object":
        inner = kind.get("dynamic") or {"value": {"type": "any"}}
        return {draw.choice(TEXTS): drawn(draw, inner["value"]) for _ in range(draw.randrange(4))}
    return {
        "string": lambda: draw.choice(TEXTS),
        "number": lambda: draw.choice(NUMBERS),
        "boolean": lambda: draw.choice([True, False]),
    }.get(name, lambda: None)()


@pytest.fixture(scope="module")
def signatures(opa_cases):
    """What OPA declares of the builtins that its cases call."""
    found = {}
    for case in opa_cases:
        for one in msgspec.json.decode(case.plan).get("static", {}).get("builtin_funcs") or ():
            found[one["name"]] = one["decl"].get("args", [])
    return {name: found[name] for name in sorted(found) if name in standard() and name not in UNDRAWN}


def test_drawn_operands_give_what_opa_gives(oracle, signatures):
    assert len(signatures) > 150
    draw = random.Random(20261125)  # the same draws everywhere: what is found here is a fault of ours
    asked = [(name, kinds) for name, kinds in signatures.items() for _ in range(25)]
    faults = [compare(oracle, name, [rego(drawn(draw, kind)) for kind in kinds]) for name, kinds in asked]
    assert not [fault for fault in faults if fault]
