"""What builtins refuse because it would be too much, or cannot be told: an error of theirs, never a wrong value."""

import base64
import json

import pytest

from maestro.rego.builtins import standard
from maestro.rego.errors import BuiltinError, EvaluationLimitError
from maestro.rego.numbers import number
from rego_cases.terms import Alone


def call(name, *operands):
    builtin = standard().get(name)
    return builtin.function(*([Alone()] if builtin.context else []), *operands)


def encoded(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def token(payload, **header):
    return f"{encoded({'alg': 'none'} | header)}.{encoded(payload)}.{encoded('x')}"


def test_a_token_within_tokens_is_opened_so_often_and_no_more():
    made = token({"a": 1})
    for _ in range(3):
        made = token(made, cty="JWT")
    assert call("io.jwt.decode", made)[1] == {"a": 1}
    for _ in range(200):
        made = made if len(made) > 2_000_000 else token(made, cty="JWT")
    with pytest.raises(BuiltinError):
        call("io.jwt.decode", made)


@pytest.mark.parametrize(
    ("name", "operands", "error"),
    [
        ("json.filter", ({"a": 1}, ["/".join("a" * 5_000)]), BuiltinError),
        ("json.patch", ({}, [{"op": "add", "path": "/a" * 5_000, "value": 1}]), BuiltinError),
        ("json.patch", ({}, [{"op": 1, "path": "a", "value": 1}]), BuiltinError),
        ("bits.lsh", (1, 10**6), EvaluationLimitError),
        ("units.parse", ("1e99999",), EvaluationLimitError),
    ],
)
def test_more_than_there_is_room_for(name, operands, error):
    with pytest.raises(error):
        call(name, *operands)


def test_a_shift_of_nothing_is_nothing_however_far():
    assert call("bits.lsh", 0, 10**6) == 0


def test_a_filter_of_the_whole_document_and_below_it():
    document = {"a": {"b": 1, "c": 2}, "d": 3}
    assert call("json.filter", document, ["a", "a/b"]) == {"a": {"b": 1, "c": 2}}


def test_bytes_that_are_no_text_match_as_what_stands_for_them():
    lost = "a\udc80b"
    assert call("regex.match", "a.b", lost)
    assert not call("regex.match", "ab", lost)


def test_trace_and_print_come_out_of_no_evaluation():
    assert call("trace", "x") is True


def test_a_number_is_an_integer_by_its_value_and_not_beyond_64_bits():
    assert call("numbers.range", number("1.0"), 2) == [1, 2]
    with pytest.raises(BuiltinError):
        call("substring", "abc", 2**64, 1)


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^a+$"}},
    "patternProperties": {"^x": {"type": "integer"}},
    "additionalProperties": {"type": "boolean"},
}


@pytest.mark.parametrize(
    ("document", "holds"),
    [
        ({"name": "aa", "x1": 1, "more": True}, True),
        ({"name": "b"}, False),
        ({"name": 1}, False),
        ({"x1": "text"}, False),
        ({"more": 1}, False),
        ([], False),
    ],
)
def test_a_schema_s_patterns_are_re2_s(document, holds):
    matched, errors = call("json.match_schema", document, SCHEMA)
    assert (matched, not errors) == (holds, holds)


@pytest.mark.parametrize("document", [{"a": 1}, [1], '"text"'])
def test_a_schema_of_patterns_for_whatever_it_may_be(document):
    schema = {"pattern": "t", "patternProperties": {"a": {}}, "additionalProperties": False}
    assert call("json.match_schema", document, schema)[0]


def test_a_schema_that_nests_too_deeply_is_none():
    schema = {}
    for _ in range(3_000):
        schema = {"not": schema}
    assert call("json.verify_schema", schema)[0] is False
