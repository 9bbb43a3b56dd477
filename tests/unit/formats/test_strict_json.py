"""JSON that a judge reads: what is ambiguous is refused, by name."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro import BadInputError
from maestro.formats import strict_json


class Item(msgspec.Struct, forbid_unknown_fields=True):
    start: str
    days: list[int] = []


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    items: list[Item] = []
    caps: dict[str, int] = {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**52), 2**52) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_every_json_value_is_read_as_the_standard_reader_reads_it(value):
    text = json.dumps(value).encode()
    assert strict_json.loads(text) == json.loads(text)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a":1,"a":2}', "a: stands twice"),
        (b'{"x":[{"b":1,"c":2,"b":1}]}', "b: stands twice"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"[1e999]", "beyond the range of a double"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b'{"a":', "not JSON: Expecting value at line 1, column 6"),
        (b"1 2", "not JSON: Extra data"),
        (b"", "not JSON"),
        (b"[" * 40 + b"]" * 40, "nests deeper than 32 levels"),
        (b'"\\ud800"', "lone surrogate"),
        (b"1" * 5000, "too long"),
        (b" " * 70_000, "70000 bytes"),
    ],
)
def test_what_is_ambiguous_or_hostile_is_refused(body, message):
    with pytest.raises(BadInputError, match=message.replace("(", r"\(")):
        strict_json.loads(body)


def test_brackets_in_strings_do_not_nest():
    text = json.dumps(['[{"' * 50 + "\\"]).encode()
    assert strict_json.loads(text) == ['[{"' * 50 + "\\"]


def test_an_escaped_character_is_kept():
    assert strict_json.loads(b'"\\u00e4\\ud83d\\ude00"') == "ä😀"


def test_a_number_without_a_fraction_is_whole():
    assert strict_json.loads(b"[20.0, 2.5, 1e3, 1e300]") == [20, 2.5, 1000, 1e300]
    assert isinstance(strict_json.loads(b"20.0"), int)


def test_a_body_of_the_shape_is_decoded():
    assert strict_json.decode(b'{"name":"a","items":[{"start":"x"}]}', Shape) == Shape("a", [Item("x")])


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        (b"{}", "name", ""),
        (b'{"name":"a","foo":1}', "foo", ""),
        (b'{"name":7}', "name", "7"),
        (b'{"name":"a","items":[{"start":"x"},{"start":null}]}', "items[1].start", "null"),
        (b'{"name":"a","items":[{"start":"x","days":[1,"mon"]}]}', "items[0].days[1]", '"mon"'),
        (b'{"name":"a","items":[{}]}', "items[0].start", ""),
        (b'{"name":"a","caps":{"k":"v"}}', "caps[...]", ""),
        (b'"text"', "", '"text"'),
    ],
)
def test_a_wrong_shape_names_the_field_and_its_value(body, field, value):
    with pytest.raises(BadInputError) as caught:
        strict_json.decode(body, Shape)
    assert caught.value.field == field
    assert caught.value.value == value
    assert caught.value.remedy
