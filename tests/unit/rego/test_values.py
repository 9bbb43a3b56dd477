"""Rego's values: what is equal, in what order, under which key."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.rego import values
from maestro.rego.builtins import standard
from maestro.rego.errors import BuiltinError, EvaluationLimitError
from maestro.rego.numbers import number
from maestro.rego.values import (
    FALSE_KEY,
    TRUE_KEY,
    UNDEFINED,
    Key,
    compare,
    equal,
    key,
    lookup,
    ordered,
    sort_key,
    stored,
    type_name,
    unkey,
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(["", "a", "b", "ä"]),
    st.sampled_from(["1.0", "0.5", "-0", "1e0", "2.50"]).map(number),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(inner.map(key), inner, max_size=3),
        st.lists(inner, max_size=3).map(lambda found: {key(item) for item in found}),
    ),
    max_leaves=8,
)


def test_true_is_not_one_and_one_is_one_point_zero():
    assert not equal(True, 1)
    assert not equal(1, True)
    assert not equal([True], [1])
    assert not equal({"a": False}, {"a": 0})
    assert equal(1, number("1.0"))
    assert equal([1, {"a": number("1.0")}], [number("1e0"), {"a": 1}])
    assert {key(True), key(1)} == {TRUE_KEY, 1}
    assert len({key(True), key(1), key(number("1.0")), key(False), key(0)}) == 4


def test_arrays_objects_and_sets_differ_by_type_length_and_members():
    assert not equal([], {})
    assert not equal([], set())
    assert not equal([1], [1, 2])
    assert not equal({"a": 1}, {"b": 1})
    assert not equal({"a": [1]}, {"a": [2]})
    assert not equal([[1]], [{}])
    assert equal([[1]], [[1]])
    assert equal({1, 2}, {2, 1})
    assert not equal("a", ["a"])
    assert not equal(None, False)


@given(VALUES, VALUES)
def test_equality_order_and_keys_agree(a, b):
    assert equal(a, b) == (compare(a, b) == 0) == (key(a) == key(b))
    assert compare(a, b) == -compare(b, a)
    if equal(a, b):
        assert hash(key(a)) == hash(key(b))


@given(st.lists(VALUES, max_size=5))
def test_sorting_is_by_that_order(found):
    sorted_ = ordered(found)
    assert all(compare(a, b) <= 0 for a, b in pairwise(sorted_))
    assert len(sorted_) == len(found)


@given(VALUES)
def test_a_key_gives_its_value_back(value):
    assert equal(unkey(key(value)), value)
    assert equal(unkey(key(unkey(key(value)))), value)


def test_types_are_ordered_as_in_opa():
    found = [set(), {}, [], "", 0, False, None]
    assert ordered(found) == found[::-1]
    assert [type_name(value) for value in found] == [
        "set",
        "object",
        "array",
        "string",
        "number",
        "boolean",
        "null",
    ]
    assert type_name(number("1.5")) == "number"


def test_keys_that_are_equal_share_what_they_compare_by():
    a, b = key([1, [2]]), key([number("1.0"), [2]])
    assert a == b
    assert a == b
    assert a == a  # noqa: PLR0124 - what is asked
    assert a != key([1, [3]])
    assert a != 1
    assert repr(a) == "Key([1, [2]])"
    assert Key([1], ("x", 1)) != Key([1], ("x", 1.5))
    clash = Key(1, -1), Key(2, -2)  # CPython hashes both to -2
    assert hash(clash[0]) == hash(clash[1])
    assert clash[0] != clash[1]


def test_undefined_is_falsy_and_named():
    assert not UNDEFINED
    assert repr(UNDEFINED) == "UNDEFINED"


@pytest.mark.parametrize(
    ("source", "name", "found"),
    [
        ({"a": 1}, "a", 1),
        ({"a": 1}, "b", UNDEFINED),
        ({key([1]): 2}, [1], 2),
        ({FALSE_KEY: 2}, 0, UNDEFINED),
        ([7, 8], 1, 8),
        ([7, 8], number("1.0"), 8),
        ([7, 8], number("0.5"), UNDEFINED),
        ([7, 8], True, UNDEFINED),
        ([7, 8], "0", UNDEFINED),
        ([7, 8], -1, UNDEFINED),
        ([7, 8], 2, UNDEFINED),
        ({"a"}, "a", "a"),
        ({"a"}, "b", UNDEFINED),
        ({TRUE_KEY}, True, True),
        ("abc", 0, UNDEFINED),
        (None, "a", UNDEFINED),
    ],
)
def test_look_ups(source, name, found):
    assert lookup(source, name) is found or lookup(source, name) == found


@pytest.mark.parametrize(
    ("source", "name", "found"),
    [
        ({"1": 5}, 1, 5),
        ({"1.0": 5}, number("1.0"), 5),
        ({"a": 5}, "a", 5),
        ({"true": 5}, True, UNDEFINED),
        ([7, 8], "1", 8),
        ([7, 8], "1.0", 8),
        ([7, 8], "x", UNDEFINED),
        ([7, 8], "9", UNDEFINED),
        ([7, 8], 1, 8),
        ([7, 8], 5, UNDEFINED),
        ("abc", "a", UNDEFINED),
        ({"a"}, "a", "a"),
    ],
)
def test_base_documents_are_looked_up_by_text(source, name, found):
    assert stored(source, name) is found or stored(source, name) == found


def laughs(levels, wrap):
    value = "ha"
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.fixture
def few(monkeypatch):
    """A bound that is reached in no time."""
    monkeypatch.setattr(values, "NODES", 2_000)


@pytest.mark.parametrize("wrap", [lambda value: [value, value], lambda value: {"a": value, "b": value}])
def test_few_values_that_stand_for_very_many_are_refused(few, wrap):
    a, b = laughs(40, wrap), laughs(40, wrap)
    for question in (lambda: equal(a, b), lambda: key(a), lambda: sort_key(a), lambda: compare(a, b)):
        with pytest.raises(EvaluationLimitError) as caught:
            question()
        assert caught.value.code == "size_limit"


def test_sets_of_pairs_of_sets_compare_in_no_time(few):
    def nested():
        return laughs(40, lambda value: {key([value, value])})

    assert nested() == nested()
    with pytest.raises(EvaluationLimitError):
        sort_key(nested())


def function(name):
    return standard().get(name).function


def test_aggregates():
    context = type("Context", (), {"spend": lambda self, steps: None})()
    assert function("sum")(context, [1, number("1.5")]) == number("2.5")
    assert function("sum")(context, {1, 2}) == 3
    assert function("sum")(context, [1, 2]) == 3
    assert function("product")(context, [2, number("1.0")]) == 2
    assert function("max")([]) is UNDEFINED
    assert function("min")(set()) is UNDEFINED
    assert str(function("max")([1, number("1.0")])) == "1.0"
    assert str(function("min")([1, number("1.0")])) == "1.0"
    assert function("max")({1, 2}) == 2
    assert function("min")({1, 2}) == 1
    assert function("sort")({2, 1}) == [1, 2]
    assert function("count")("ä𝄞") == 2
    assert function("all")({TRUE_KEY}) is True
    assert function("all")([True, 1]) is False
    assert function("any")([False, True]) is True
    assert function("any")({FALSE_KEY}) is False
    assert function("internal.member_2")(1, {"a": 1}) is True
    assert function("internal.member_2")(True, [1]) is False
    assert function("internal.member_2")(True, {TRUE_KEY}) is True
    assert function("internal.member_2")(True, 5) is False
    assert function("internal.member_3")(0, 7, [7]) is True
    assert function("internal.member_3")(1, 7, [7]) is False
    assert function("and")({1, 2}, {2}) == {2}
    assert function("or")({1}, {2}) == {1, 2}
    assert function("minus")({1, 2}, {2}) == {1}
    for name, value in (("count", 1), ("all", 1), ("max", "abc"), ("sort", {})):
        with pytest.raises(BuiltinError):
            function(name)(value)
    with pytest.raises(
        BuiltinError, match="operand 1 must be array of numbers but got array containing string"
    ):
        function("sum")(context, ["a"])


def test_comparisons_as_functions():
    assert [function(name)(1, 2) for name in ("lt", "lte", "gt", "gte", "equal", "neq")] == [
        True,
        True,
        False,
        False,
        False,
        True,
    ]
