"""Binary floats of 64 bits of mantissa, as OPA computes with whatever is not an integer.

OPA's arithmetic is Go's ``math/big.Float`` at its default precision: operands are read from their text, each
operation rounds once to nearest even, and the result is written with the fewest digits that read back as the same
float. The decision to use these and no other floats is OPA's (``v1/topdown/arithmetic.go``); the rules of reading
and writing are those of ``math/big``.
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from typing import NamedTuple

__all__ = ["BigFloat", "add", "divide", "from_int", "multiply", "parse", "subtract", "text"]

PRECISION = 64
"""Bits of mantissa that every result is rounded to."""

_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<whole>\d+)(?:\.(?P<part>\d+))?(?:[eE](?P<exp>[+-]?\d+))?")
_STEP = 27
"""5**27 is the greatest power of five in 64 bits: where Go's table of exact powers ends."""
_LONG = 14_000
"""Bits from which the interpreter may refuse to write an int as decimal text (4,300 digits)."""


class BigFloat(NamedTuple):
    """``(-1)**negative * mantissa * 2**exponent``; zero has mantissa 0 and keeps its sign."""

    negative: bool
    mantissa: int
    exponent: int

    @property
    def whole(self) -> bool:
        """Whether the value is an integer."""
        m, e = self.mantissa, self.exponent
        return m == 0 or e >= 0 or m & ((1 << -e) - 1) == 0

    def truncated(self) -> int:
        """The value without its fraction, towards zero."""
        m, e = self.mantissa, self.exponent
        size = m << e if e >= 0 else m >> -e
        return -size if self.negative else size


def rounded(negative: bool, mantissa: int, exponent: int, bits: int = PRECISION) -> BigFloat:  # noqa: FBT001 - a sign bit
    """Round an exact product or sum to ``bits``, halves to the even neighbour."""
    excess = mantissa.bit_length() - bits
    if excess > 0:
        kept = mantissa >> excess
        rest = mantissa & ((1 << excess) - 1)
        half = 1 << (excess - 1)
        if rest > half or (rest == half and kept & 1):
            kept += 1
        return BigFloat(negative, kept, exponent + excess)
    return BigFloat(negative, mantissa, exponent)


def from_int(value: int) -> BigFloat:
    """The float nearest to an integer."""
    return rounded(value < 0, abs(value), 0)


def parse(number: str) -> BigFloat:
    """Read JSON number text as Go does: exact digits, then one operation by a power of five."""
    match = _NUMBER.fullmatch(number)
    if match is None:
        raise ValueError(number)
    part = match["part"] or ""
    digits = int(Decimal(match["whole"] + part))
    power = int(match["exp"] or 0) - len(part)
    exact = BigFloat(match["sign"] == "-", digits, power)
    if digits == 0:
        return BigFloat(exact.negative, 0, 0)
    if power == 0:
        return rounded(*exact)
    scale = _power_of_five(abs(power))
    return divide(exact, scale) if power < 0 else multiply(exact, scale)


@functools.lru_cache(maxsize=512)
def _power_of_five(n: int) -> BigFloat:
    if n <= _STEP:
        return BigFloat(negative=False, mantissa=5**n, exponent=0)
    result = BigFloat(negative=False, mantissa=5**_STEP, exponent=0)
    square = BigFloat(negative=False, mantissa=5, exponent=0)
    n -= _STEP
    while n:
        if n & 1:
            result = _product(result, square, 2 * PRECISION)
        square = _product(square, square, 3 * PRECISION)
        n >>= 1
    return result


def _product(a: BigFloat, b: BigFloat, bits: int) -> BigFloat:
    return rounded(a.negative != b.negative, a.mantissa * b.mantissa, a.exponent + b.exponent, bits)


def multiply(a: BigFloat, b: BigFloat, bits: int = PRECISION) -> BigFloat:
    """``a * b``."""
    return _product(a, b, bits)


def divide(a: BigFloat, b: BigFloat) -> BigFloat:
    """``a / b``; ``b`` must not be zero, which callers refuse by name."""
    negative = a.negative != b.negative
    if a.mantissa == 0:
        return BigFloat(negative, 0, 0)
    shift = max(0, PRECISION + 2 + b.mantissa.bit_length() - a.mantissa.bit_length())
    quotient, rest = divmod(a.mantissa << shift, b.mantissa)
    # One more bit tells that something is left over, so that a half is only called one when it is exact.
    return rounded(negative, quotient << 1 | (rest != 0), a.exponent - b.exponent - shift - 1)


def add(a: BigFloat, b: BigFloat) -> BigFloat:
    """``a + b``; a sum of zero is positive unless both are negative zeros."""
    if a.mantissa == 0 and b.mantissa == 0:
        return BigFloat(a.negative and b.negative, 0, 0)
    exponent = min(a.exponent, b.exponent) if a.mantissa and b.mantissa else (a if a.mantissa else b).exponent
    total = 0
    for term in (a, b):
        if term.mantissa:
            size = term.mantissa << (term.exponent - exponent)
            total += -size if term.negative else size
    return rounded(total < 0, abs(total), exponent)


def subtract(a: BigFloat, b: BigFloat) -> BigFloat:
    """``a - b``."""
    return add(a, BigFloat(not b.negative, b.mantissa, b.exponent))


def text(value: BigFloat, bits: int = PRECISION) -> str:
    """The shortest text that reads back as the value: plain digits for integers, else like ``%g``."""
    sign = "-" if value.negative else ""
    if value.mantissa == 0:
        return sign + "0"
    digits, point = _shortest(value, bits)
    if value.whole or -4 < point <= 6:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        whole = digits[:point].ljust(point, "0")
        return f"{sign}{whole}.{digits[point:]}" if len(digits) > point else sign + whole
    part = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{part}e{point - 1:+03d}"


def _digits(mantissa: int, exponent: int) -> tuple[str, int]:
    """All decimal digits of ``mantissa * 2**exponent`` without trailing zeros, and where the point stands."""
    scaled = mantissa << exponent if exponent >= 0 else mantissa * 5**-exponent
    written = f"{Decimal(scaled):f}" if scaled.bit_length() > _LONG else str(scaled)
    return written.rstrip("0"), len(written) + min(exponent, 0)


def _shortest(value: BigFloat, bits: int) -> tuple[str, int]:
    """Fewest digits between the midpoints to both neighbours (``math/big``'s roundShortest)."""
    widen = bits + 1 - value.mantissa.bit_length()
    mantissa, exponent = value.mantissa << widen, value.exponent - widen
    digits, point = _digits(mantissa, exponent)
    lower, _ = _digits(mantissa - 1, exponent)
    upper, _ = _digits(mantissa + 1, exponent)
    inclusive = mantissa & 2 == 0
    for i in range(_common(lower, upper), len(digits)):
        digit = digits[i]
        low = lower[i] if i < len(lower) else "0"
        high = upper[i] if i < len(upper) else "0"
        down = low != digit or (inclusive and i + 1 == len(lower))
        up = digit != high and (inclusive or ord(digit) + 1 < ord(high) or i + 1 < len(upper))
        if down and up:
            return _cut(digits, point, i + 1, up=_rounds_up(digits, i + 1))
        if down or up:
            return _cut(digits, point, i + 1, up=up)
    return digits, point


def _common(a: str, b: str) -> int:
    """How many digits two numbers begin with alike: those between them do too."""
    n = 0
    for step in (16, 8, 4, 2, 1):
        if a[n : n + step] == b[n : n + step] and n + step <= len(a):
            n += step
    return n


def _rounds_up(digits: str, n: int) -> bool:
    if n >= len(digits):
        return False
    if digits[n] == "5" and n + 1 == len(digits):
        return (ord(digits[n - 1]) & 1) == 1
    return digits[n] >= "5"


def _cut(digits: str, point: int, n: int, *, up: bool) -> tuple[str, int]:
    if n >= len(digits):
        return digits, point
    if not up:
        return digits[:n].rstrip("0"), point
    kept = digits[:n].rstrip("9")
    if not kept:
        return "1", point + 1
    return kept[:-1] + chr(ord(kept[-1]) + 1), point
