"""Numbers compute and print as in OPA; the expected texts were printed by OPA 1.22.2."""

import pytest

from maestro.kernel.errors import BadInputError
from maestro.rego import bigfloat, numbers
from maestro.rego.builtins import standard
from maestro.rego.errors import BuiltinError, EvaluationLimitError
from maestro.rego.numbers import LooseNumber, Number, as_index, from_float, is_number, number, number_text


def computed(name, *texts):
    found = standard().get(name)
    return number_text(found.function(*[number(text) for text in texts]))


@pytest.mark.parametrize(
    ("name", "operands", "text"),
    [
        ("plus", ("0.1", "0.2"), "0.3"),
        ("plus", ("100000000000000000", "0.5"), "1.000000000000000005e+17"),
        ("plus", ("9223372036854775807", "1"), "9223372036854775808"),
        ("plus", ("1e2", "1"), "101"),
        ("plus", ("-0.5", "0.5"), "0"),
        ("plus", ("0.5", "0"), "0.5"),
        ("plus", ("0.0e0", "0.5"), "0.5"),
        ("minus", ("1.5", "0.25"), "1.25"),
        ("minus", ("3", "5"), "-2"),
        ("mul", ("1234567.5", "1"), "1.2345675e+06"),
        ("mul", ("4294967296", "4294967296"), "18446744073709551616"),
        ("mul", ("0.5", "4"), "2"),
        ("div", ("1", "3"), "0.33333333333333333334"),
        ("div", ("2", "3.0"), "0.6666666666666666667"),
        ("div", ("0", "-5"), "-0"),
        ("div", ("10000000000", "2"), "5000000000"),
        ("div", ("1", "1000000000"), "1e-09"),
        ("div", ("-7", "7"), "-1"),
        ("rem", ("-7", "3"), "-1"),
        ("rem", ("7", "18446744073709551616"), "7"),
        ("abs", ("-7",), "7"),
        ("abs", ("-0.5",), "0.5"),
        ("round", ("2.5",), "3"),
        ("round", ("-2.5",), "-3"),
        ("round", ("7",), "7"),
        ("ceil", ("-0.5",), "1"),  # a zero has no sign after Go's truncation
        ("ceil", ("1.2",), "2"),
        ("ceil", ("-1.2",), "-1"),
        ("ceil", ("3",), "3"),
        ("floor", ("1.2",), "1"),
        ("floor", ("-1.2",), "-2"),
        ("floor", ("3.0",), "3"),
        ("floor", ("8",), "8"),
    ],
)
def test_arithmetic_is_opas(name, operands, text):
    assert computed(name, *operands) == text


@pytest.mark.parametrize(
    ("name", "operands", "message"),
    [
        ("div", (1, 0), "divide by zero"),
        ("rem", (1, 0), "modulo by zero"),
        ("rem", (number("1.5"), 1), "modulo on floating-point number"),
        ("plus", ("a", 1), "operand 1 must be number but got string"),
        ("minus", (1, set()), "operand 2 must be number but got set"),
        ("minus", (set(), 1), "operand 2 must be set but got number"),
        ("minus", (None, 1), "operand 1 must be one of {number, set} but got null"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_opas_words(name, operands, message):
    with pytest.raises(BuiltinError, match=message.replace("{", r"\{")):
        standard().get(name).function(*operands)


def test_integers_beyond_4300_digits_are_refused_before_they_are_written():
    large = 10**4000
    with pytest.raises(EvaluationLimitError) as caught:
        numbers.multiply(large, large)
    assert caught.value.code == "number_limit"
    for operation in (lambda: numbers.multiply(number("1e20000"), number("1e20000")),):
        with pytest.raises(EvaluationLimitError):
            operation()
    with pytest.raises(EvaluationLimitError):
        numbers.divide(number("1e-20000"), number("1e20000"))
    with pytest.raises(EvaluationLimitError):
        number_text(10**5000)


@pytest.mark.parametrize("text", ["9" * 5000, "1e99999999", "1e40000", "1." + "0" * 5000])
def test_numbers_that_opa_refuses_or_nobody_can_print_are_bad_input(text):
    with pytest.raises(BadInputError) as caught:
        number(text)
    assert caught.value.code == "number_limit"


@pytest.mark.parametrize("text", ["", "01", "1.", ".5", "+1", "0x1", "NaN", "1e", "--1"])
def test_what_json_does_not_call_a_number_is_none(text):
    with pytest.raises(BadInputError):
        number(text)


def test_numbers_are_equal_by_value_and_keep_their_spelling():
    assert number("1.0") == 1
    assert hash(number("1.0")) == hash(1)
    assert {1, number("1.0"), number("1e0")} == {1}
    assert [str(number(text)) for text in ("1.0", "1e0", "-0", "1E+2")] == ["1.0", "1e0", "-0", "1E+2"]
    assert repr(number("2.50")) == "2.50"
    assert number("0.1") < number("0.2") < 1
    assert type(number("7")) is int
    assert Number("1.5").__reduce__() == (Number, ("1.5",))


def test_long_fractions_with_a_zero_at_their_end_are_equal_as_doubles():
    a, b, c = number("0.12345678901234567890"), number("0.12345678901234567800"), number("0.5")
    assert isinstance(a, LooseNumber)
    assert a == b
    assert hash(a) == hash(b)
    assert a <= b
    assert a >= b
    assert not a < b
    assert not a > b
    assert a < c
    assert c > a
    assert a != c
    assert a <= c
    assert not a >= c
    assert a == a  # noqa: PLR0124 - what is asked


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("1", 1),
        ("1.0", 1),
        ("1.000", 1),
        ("-0", 0),
        ("-2.0", -2),
        ("1.5", None),
        ("1e0", None),
        ("1." + "0" * 30, None),
    ],
)
def test_an_index_is_an_integers_short_spelling(text, index):
    assert as_index(number(text)) == index


def test_what_is_no_64_bit_integer_is_no_index():
    assert as_index(2**63) is None
    assert as_index(2**63 - 1) == 2**63 - 1


def test_floats_come_in_as_json_spells_them():
    assert str(from_float(1.0)) == "1.0"
    assert str(from_float(0.1)) == "0.1"
    for value in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(BadInputError):
            from_float(value)


def test_booleans_are_no_numbers():
    assert not is_number(True)
    assert is_number(1)
    assert is_number(number("1.5"))
    assert not is_number("1")


def test_text_that_is_no_number_has_no_float():
    with pytest.raises(ValueError, match="abc"):
        bigfloat.parse("abc")


@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        ("0", "0"),
        ("-0", "-0"),
        ("1e-9", "1e-09"),
        ("0.0001", "0.0001"),
        ("123456.5", "123456.5"),
        ("1e300", "1" + "0" * 300),
        ("99999999999999999999.5", "100000000000000000000"),
        ("5e-324", "5e-324"),
        ("1e-5000", "1e-5000"),
    ],
)
def test_floats_are_written_with_the_fewest_digits(text, shortest):
    assert bigfloat.text(bigfloat.parse(text)) == shortest
