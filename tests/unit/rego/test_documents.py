"""JSON comes in as OPA reads it and goes out as OPA prints it."""

import enum
from decimal import Decimal

import pytest

from maestro.kernel.errors import BadInputError
from maestro.rego.documents import encode, parse, plain, value_of
from maestro.rego.errors import EvaluationLimitError
from maestro.rego.numbers import number
from maestro.rego.values import key


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "-0",
        "-0.0",
        "1.0",
        "1e2",
        "1E+2",
        "0.1",
        "123456789012345678901234567890",
        '"ä𝄞"',
        "[-0,1]",
        '{"a":-0}',
        "true",
        "null",
        "[]",
        "{}",
        "9007199254740993.5",
    ],
)
def test_what_came_in_goes_out(text):
    assert encode(parse(text.encode())).decode() == text


def test_half_a_surrogate_pair_is_a_replacement_character():
    assert parse(rb'"\ud800"') == "\ufffd"
    assert parse(rb'"\ud834\udd1e"') == "𝄞"
    assert parse(rb'{"\udc00": ["\udc00", -0]}') == {"\ufffd": ["\ufffd", 0]}


def test_the_last_of_equal_keys_holds():
    assert parse(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"nul", b"[1,]", b"NaN", b"-0 NaN", b"\xff", b'"\\ud800', b"1 2", b"01"]
)
def test_what_is_not_json_is_refused(text):
    with pytest.raises(BadInputError) as caught:
        parse(text)
    assert caught.value.code == "bad_json"


def test_numbers_that_are_too_long_are_refused():
    for text in (b"9" * 5_000, b"[1, " + b"9" * 5_000 + b"]", b"1e99999"):
        with pytest.raises(BadInputError) as caught:
            parse(text)
        assert caught.value.code == "number_limit"


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Own(dict):
    """A dict of somebody's own."""


def test_documents_are_taken_as_they_are_where_they_hold_json():
    document = {"a": [1, "b", None, True, {"c": []}]}
    assert value_of(document) is document
    found = value_of(
        {"a": (1, 2.5), "b": Colour.RED, "c": Level.LOW, "d": Decimal("1.50"), "e": Own(x=1), "f": [[1.0], 2]}
    )
    assert found == {
        "a": [1, number("2.5")],
        "b": "red",
        "c": 1,
        "d": number("1.50"),
        "e": {"x": 1},
        "f": [[1], 2],
    }
    assert [type(found[name]) for name in "bce"] == [str, int, dict]
    assert str(found["d"]) == "1.50"


@pytest.mark.parametrize(
    "document", [{1: 2}, {"a": {1}}, object(), [b"x"], float("nan"), Decimal("NaN"), {None: 1}]
)
def test_what_json_does_not_have_is_refused(document):
    with pytest.raises(BadInputError):
        value_of(document)


def test_sets_and_keys_of_any_kind_become_json():
    value = {
        key(True): 1,
        key([1, {"b": "<&>", "a": number("1e2")}]): {2, 1, key([])},
        3: None,
        "x": number("0.5"),
    }
    assert encode(value) == (
        rb'{"true":1,"[1,{\"a\":1e2,\"b\":\"\\u003c\\u0026\\u003e\"}]":[1,2,[]],"3":null,"x":0.5}'
    )
    assert plain(value)["x"] == 0.5
    assert plain([1, {"a": "b"}]) == [1, {"a": "b"}]
    assert plain(2**70) == 2**70
    assert encode([2**70]) == str([2**70]).encode()


def test_what_needs_no_change_is_shared():
    value = {"a": [1, {"b": None}]}
    assert plain(value) is value


def test_an_integer_that_is_too_long_is_not_printed():
    with pytest.raises(EvaluationLimitError):
        encode([10**5000])
