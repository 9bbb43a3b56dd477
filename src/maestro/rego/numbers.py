"""Rego's numbers: exact, and they remember how they were written.

An integer in its usual spelling is a Python ``int``. Every other number (``3.0``, ``1e2``, ``-0``, ``0.1``) is a
`Number`: a ``Decimal``, so comparing and hashing are exact, agree with ``int`` and run in C, which also keeps the
text that OPA would print. Python's ``float`` is never a Rego value; its ``bool`` is one and is not a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Self

from maestro.kernel.errors import BadInputError
from maestro.rego import bigfloat
from maestro.rego.errors import BuiltinError, EvaluationLimitError

__all__ = [
    "Number",
    "absolute",
    "add",
    "as_index",
    "as_integer",
    "ceiling",
    "divide",
    "floor",
    "from_float",
    "is_number",
    "modulo",
    "multiply",
    "number",
    "number_text",
    "product",
    "round_half_away",
    "subtract",
]

MAX_DIGITS: Final = 4_300
"""Digits an integer may have, the interpreter's own bound on turning one into text."""
_BIG: Final = 10**MAX_DIGITS
_SMALL: Final = 1 << 31
_EXACT: Final = 1 << 64
"""Integers below have their own float of 64 bits."""
_MAX_EXPONENT: Final = 100_000
"""Binary exponent up to which OPA takes numbers (``v1/ast/term.go``, maxNumberExp)."""
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_JSON = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class Number(Decimal):
    """A number whose text is not a plain integer's.

    Attributes:
        text: how it was written or, for a result, how OPA writes it.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        """Take JSON number text, which the caller has checked."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Number], tuple[str]]:
        return type(self), (self.text,)


class LooseNumber(Number):
    """More than 15 digits and a trailing zero after the point: two such are equal when equal as doubles.

    So OPA compares them (``NumberCompare`` in ``v1/ast/compare.go``), and nothing else.
    """

    __slots__ = ()

    def _same(self, other: object) -> bool:
        return isinstance(other, Number) and _fraction_like(other.text) and float(self) == float(other)

    def __eq__(self, other: object) -> bool:
        return self._same(other) or super().__eq__(other)

    def __lt__(self, other: Decimal) -> bool:  # type: ignore[override] # Decimal's stub also takes int and float
        return not self._same(other) and super().__lt__(other)

    def __gt__(self, other: Decimal) -> bool:  # type: ignore[override] # as above
        return not self._same(other) and super().__gt__(other)

    def __le__(self, other: Decimal) -> bool:  # type: ignore[override] # as above
        return self._same(other) or super().__le__(other)

    def __ge__(self, other: Decimal) -> bool:  # type: ignore[override] # as above
        return self._same(other) or super().__ge__(other)

    def __hash__(self) -> int:
        return hash(Decimal(repr(float(self))))


def number(text: str) -> int | Number:
    """The number that JSON text stands for.

    Raises:
        BadInputError: not a JSON number, or one that OPA refuses too (code ``number_limit``).
    """
    if _INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise _too_large(text)
        return int(text)
    if not _JSON.fullmatch(text):
        raise BadInputError("is not a JSON number.", value=text, code="bad_json", remedy="Correct it.")
    exponent = re.split("[eE]", text)[1:]
    if (exponent and abs(int(exponent[0][:12])) * 4 > _MAX_EXPONENT) or len(text) > MAX_DIGITS:
        raise _too_large(text)
    return LooseNumber(text) if len(text) > 15 and _fraction_like(text) else Number(text)


def _fraction_like(text: str) -> bool:
    """What OPA takes for a fraction when it compares: the text loses zeros at its end, but not its point."""
    return text.endswith("0") and "." in text.rstrip(".0")


def _too_large(text: str) -> BadInputError:
    return BadInputError(
        "is too large a number.",
        value=text,
        code="number_limit",
        remedy=f"Numbers have at most {MAX_DIGITS} digits and binary exponents up to {_MAX_EXPONENT}.",
    )


def from_float(value: float) -> int | Number:
    """A Python float as JSON would carry it: ``1.0`` keeps its point.

    Raises:
        BadInputError: NaN or infinity.
    """
    return number(repr(value).replace("inf", "Infinity"))


def is_number(value: object) -> bool:
    """Whether a Rego value is a number: ``bool`` is not."""
    return type(value) is int or isinstance(value, Number)


def number_text(value: int | Number) -> str:
    """The text that OPA prints.

    Raises:
        EvaluationLimitError: an integer of more than 4,300 digits.
    """
    if isinstance(value, Number):
        return value.text
    return str(bounded(value))


def bounded(value: int) -> int:
    """The integer itself, if it may be written down.

    Raises:
        EvaluationLimitError: more than 4,300 digits.
    """
    if -_BIG < value < _BIG:
        return value
    raise EvaluationLimitError(
        f"An integer got more than {MAX_DIGITS} digits.",
        code="number_limit",
        remedy="Compute with smaller ones.",
    )


def as_integer(value: int | Number) -> int | None:
    """The value as an int if it is a whole number however written (``1e3``), else None."""
    if type(value) is int:
        return value
    whole = int(value)
    return bounded(whole) if whole == value else None


_DECIMAL = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]+)(?:\.0*)?")


def as_index(value: int | Number) -> int | None:
    """The value as an int if its text is a short integer's: ``1`` and ``1.0`` are, ``1e0`` is not.

    OPA's ``Number.Int`` (``v1/util``, Atoi64): what indexes an array, and what builtins take for an integer.
    """
    if type(value) is int:
        return value if -(2**63) <= value < 2**63 else None
    match = _DECIMAL.fullmatch(str(value))
    if match is None or len(str(value)) - len(match["sign"]) > 19:
        return None
    return int(match["whole"]) * (-1 if match["sign"] else 1)


def _float(value: int | Number) -> bigfloat.BigFloat:
    return bigfloat.parse(value.text) if isinstance(value, Number) else bigfloat.from_int(value)


def _result(value: bigfloat.BigFloat, bits: int = bigfloat.PRECISION) -> int | Number:
    # Past these bits OPA computes on, but a text of that length serves nobody.
    if value.mantissa and abs(value.exponent) > _MAX_EXPONENT:
        raise EvaluationLimitError(
            "A number got too large.", code="number_limit", remedy="Compute with smaller ones."
        )
    if value.mantissa and value.whole and value.mantissa.bit_length() + value.exponent > MAX_DIGITS * 3.3:
        bounded(value.truncated())
    return number(bigfloat.text(value, bits))


def add(a: int | Number, b: int | Number) -> int | Number:
    """``a + b``: exact on whole numbers, else OPA's floats."""
    x, y = as_integer(a), as_integer(b)
    if x is not None and y is not None:
        return bounded(x + y)
    return _result(bigfloat.add(_float(a), _float(b)))


def subtract(a: int | Number, b: int | Number) -> int | Number:
    """``a - b``: exact on whole numbers, else OPA's floats."""
    x, y = as_integer(a), as_integer(b)
    if x is not None and y is not None:
        return bounded(x - y)
    return _result(bigfloat.subtract(_float(a), _float(b)))


def multiply(a: int | Number, b: int | Number) -> int | Number:
    """``a * b``: exact on whole numbers, else OPA's floats."""
    x, y = as_integer(a), as_integer(b)
    if x is not None and y is not None:
        return bounded(x * y)
    return _result(bigfloat.multiply(_float(a), _float(b)))


_DOUBLE: Final = 53


def product(values: Iterable[int | Number]) -> int | Number:
    """The product of numbers that are not all whole, in doubles: OPA starts it from a Go constant of that precision."""
    total = bigfloat.from_int(1)
    for value in values:
        total = bigfloat.multiply(total, _float(value), _DOUBLE)
    return _result(total, _DOUBLE)


def divide(a: int | Number, b: int | Number) -> int | Number:
    """``a / b``: a whole quotient of 32-bit integers is one, everything else a float's text.

    Raises:
        BuiltinError: division by zero.
    """
    if b == 0:
        raise BuiltinError("divide by zero")
    if type(a) is int and type(b) is int and a and abs(a) < _EXACT and abs(b) < _EXACT and a % b == 0:
        # Go divides 32-bit integers as such; a whole quotient of others is exact in its floats too.
        return a // b
    return _result(bigfloat.divide(_float(a), _float(b)))


def modulo(a: int | Number, b: int | Number) -> int:
    """``a % b`` with the sign of ``a``.

    Raises:
        BuiltinError: modulo by zero, or on numbers that are not whole.
    """
    x, y = as_integer(a), as_integer(b)
    if x is None or y is None:
        raise BuiltinError("modulo on floating-point number")
    if y == 0:
        raise BuiltinError("modulo by zero")
    rest = abs(x) % abs(y)
    return -rest if x < 0 else rest


def _plain(value: int | Number) -> bool:
    return type(value) is int and -_SMALL <= value < _SMALL


def absolute(value: int | Number) -> int | Number:
    """``abs``."""
    if _plain(value):
        return abs(int(value))
    return _result(_float(value)._replace(negative=False))


_HALF = bigfloat.BigFloat(negative=False, mantissa=1, exponent=-1)


def round_half_away(value: int | Number) -> int | Number:
    """``round``: halves away from zero."""
    if _plain(value):
        return value
    exact = _float(value)
    moved = bigfloat.subtract(exact, _HALF) if exact.negative else bigfloat.add(exact, _HALF)
    return bounded(moved.truncated())


def ceiling(value: int | Number) -> int | Number:
    """``ceil``, by OPA's rule: a fraction that truncates to a negative integer is already there."""
    if _plain(value):
        return value
    exact = _float(value)
    whole = exact.truncated()
    return bounded(whole if whole < 0 or exact.whole else whole + 1)


def floor(value: int | Number) -> int | Number:
    """``floor``, by OPA's rule: a fraction that truncates to zero or more is already there."""
    if _plain(value):
        return value
    exact = _float(value)
    whole = exact.truncated()
    return bounded(whole if whole >= 0 or exact.whole else whole - 1)
