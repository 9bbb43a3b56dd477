"""Ranges, bits, units, versions, identifiers and draws (OPA's *numbers*, *bits*, *units*, *semver*, *uuid*, *rand*)."""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from typing import Any

from maestro.rego import bigfloat
from maestro.rego.builtins.registry import Context, Family, integer, operand_error, operand_fault, string
from maestro.rego.errors import BuiltinError, EvaluationLimitError
from maestro.rego.golang.quoting import quote
from maestro.rego.numbers import MAX_DIGITS, Number, as_integer, bounded, is_number, number
from maestro.rego.values import UNDEFINED

__all__ = ["family"]

family = Family()


def whole(value: Any, position: int) -> int:
    """The operand, which must be a whole number however it is written."""
    if not is_number(value):
        raise operand_error(position, value, "integer")
    found = as_integer(value)
    if found is None:
        raise operand_fault(position, "must be integer number but got floating-point number")
    return found


# ---- ranges ----------------------------------------------------------------------------------------------


def _range(context: Context, first: int, last: int, step: int) -> list[int]:
    context.allow_items(abs(last - first) // step + 1)
    context.spend(abs(last - first) // step // 16)
    return list(range(first, last + 1, step) if first <= last else range(first, last - 1, -step))


@family.builtin("numbers.range", context=True)
def range_(context: Context, first: Any, last: Any) -> list[int]:
    """All integers from one to the other, both included, up or down."""
    return _range(context, whole(first, 1), whole(last, 2), 1)


@family.builtin("numbers.range_step", context=True)
def range_step(context: Context, first: Any, last: Any, step: Any) -> list[int]:
    """Every ``step``-th integer from one towards the other."""
    low, high, by = whole(first, 1), whole(last, 2), whole(step, 3)
    if by <= 0:
        raise BuiltinError("numbers.range_step: step must be a positive integer")
    return _range(context, low, high, by)


# ---- bits ------------------------------------------------------------------------------------------------


@family.builtin("bits.and")
def bits_and(a: Any, b: Any) -> int:
    """Bits of both."""
    return whole(a, 1) & whole(b, 2)


@family.builtin("bits.or")
def bits_or(a: Any, b: Any) -> int:
    """Bits of either."""
    return whole(a, 1) | whole(b, 2)


@family.builtin("bits.xor")
def bits_xor(a: Any, b: Any) -> int:
    """Bits of exactly one."""
    return whole(a, 1) ^ whole(b, 2)


@family.builtin("bits.negate")
def bits_negate(a: Any) -> int:
    """All bits flipped."""
    return ~whole(a, 1)


def _shift(a: Any, b: Any) -> tuple[int, int]:
    value, by = whole(a, 1), whole(b, 2)
    if by < 0:
        raise operand_fault(2, "must be an unsigned integer number but got a negative integer")
    return value, by % (1 << 64)


@family.builtin("bits.lsh")
def bits_lsh(a: Any, b: Any) -> int:
    """Bits moved up."""
    value, by = _shift(a, b)
    if value and value.bit_length() + by > 4 * MAX_DIGITS:
        raise EvaluationLimitError(
            f"An integer got more than {MAX_DIGITS} digits.", code="number_limit", remedy="Shift by less."
        )
    return bounded(value << by) if value else 0


@family.builtin("bits.rsh")
def bits_rsh(a: Any, b: Any) -> int:
    """Bits moved down, the sign kept."""
    value, by = _shift(a, b)
    return value >> min(by, value.bit_length() + 1)


# ---- units -----------------------------------------------------------------------------------------------

_SI = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15, "e": 10**18}
_BINARY = {f"{prefix}i": 1 << 10 * (i + 1) for i, prefix in enumerate("kmgtpe")}
_BYTES = {
    unit + end: size for unit, size in (_SI | _BINARY).items() for end in (("", "b") if unit else ("",))
}
# A double's thousandth, as OPA has it; "m" and "M" differ here, and "k" is the one SI unit in both cases, with g, t, p, e.
_UNITS = {"m": Fraction(0.001), "M": Fraction(10**6)} | {
    shown: Fraction(size)
    for unit, size in (_SI | _BINARY).items()
    if unit != "m"
    for shown in (unit, unit[:1].upper() + unit[1:])
}
_RATIONAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MOST_EXPONENT_DIGITS = 6


def _amount(text: str, name: str, thing: str) -> tuple[str, str]:
    """Number and unit, parted where OPA parts them."""
    if " " in text:
        raise BuiltinError(f"{name}: spaces not allowed in resource strings")
    at = 0
    while at < len(text):
        character = text[at]
        if character in "eE":
            following = text[at + 1 : at + 2]
            if not (following.isascii() and following.isdecimal()) and following not in {"+", "-"}:
                break
            at += following in {"+", "-"}
            digits = re.compile("[0-9]*").match(text, at + 1)
            if digits and len(digits[0]) > _MOST_EXPONENT_DIGITS:
                raise BuiltinError(f"{name}: exponent too large")
        elif character not in "0123456789.+-":
            break
        at += 1
    if at == 0:
        raise BuiltinError(f"{name}: no {thing} provided")
    return text[:at], text[at:]


def _exact(text: str) -> Fraction | None:
    return Fraction(text) if _RATIONAL.fullmatch(text) else None


@family.builtin("units.parse")
def parse_units(value: Any) -> int | Number:
    """An amount with a unit of Kubernetes: ``10K``, ``10Ki``, ``100m``."""
    name = "units.parse"
    amount, unit = _amount(string(value, 1).replace('"', ""), name, "amount")
    unit = unit[:1] + unit[1:].lower()
    factor = _UNITS.get(unit)
    if factor is None:
        raise BuiltinError(f"{name}: unit {unit} not recognized")
    _bound_exponent(amount)
    exact = _exact(amount)
    if exact is None:
        raise BuiltinError(f"{name}: could not parse amount to a number")
    product = exact * factor
    if product.denominator == 1:
        return bounded(product.numerator)
    return _fixed(product, 10)


def _fixed(value: Fraction, places: int) -> Number | int:
    """A decimal of so many places, halves away from zero, as ``big.Rat.FloatString`` writes it."""
    scaled, rest = divmod(abs(value.numerator) * 10**places, value.denominator)
    scaled += 2 * rest >= value.denominator
    whole_part, part = divmod(bounded(scaled), 10**places)
    return number(f"{'-' if value < 0 else ''}{whole_part}.{part:0{places}d}")


def _bound_exponent(amount: str) -> None:
    exponent = re.search(r"[eE][+-]?([0-9]+)$", amount)
    if exponent and int(exponent[1]) > MAX_DIGITS:
        raise EvaluationLimitError(
            f"An amount has an exponent beyond {MAX_DIGITS}.",
            code="number_limit",
            remedy="Write a smaller one.",
        )


@family.builtin("units.parse_bytes")
def parse_bytes(value: Any) -> int:
    """An amount of bytes: ``10KB`` and ``10Kib``, any case, without its fraction."""
    name = "units.parse_bytes"
    amount, unit = _amount(string(value, 1).lower().replace('"', ""), name, "byte amount")
    if unit not in _BYTES:
        raise BuiltinError(f"{name}: byte unit {unit} not recognized")
    _bound_exponent(amount)
    if not _RATIONAL.fullmatch(amount):
        raise BuiltinError(f"{name}: could not parse byte amount to a number")
    text = re.sub(r"^([+-]?)\.", r"\g<1>0.", amount).replace(".e", "e").rstrip(".")
    return bounded(bigfloat.multiply(bigfloat.parse(text), bigfloat.from_int(_BYTES[unit])).truncated())


# ---- versions --------------------------------------------------------------------------------------------

_IDENTIFIERS = re.compile(r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")
_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")


def _version(text: str) -> tuple[tuple[int, ...], str] | None:
    """Numbers and pre-release of a semantic version; a ``v`` before it is taken, as OPA does."""
    text, plus, metadata = text.removeprefix("v").partition("+")
    text, dash, pre = text.partition("-")
    if (plus and not _IDENTIFIERS.fullmatch(metadata)) or (dash and not _IDENTIFIERS.fullmatch(pre)):
        return None
    if any(part.isdecimal() and len(part) > 1 and part[0] == "0" for part in pre.split(".")):
        return None
    found = _VERSION.fullmatch(text)
    numbers = tuple(map(int, found.groups())) if found and len(text) < 100 else ()
    return (numbers, pre) if numbers and max(numbers) < 1 << 63 else None


def _precedence(pre: str) -> tuple[Any, ...]:
    if not pre:
        return (1,)
    parts = [(0, min(int(one), (1 << 63) - 1)) if one.isdecimal() else (1, one) for one in pre.split(".")]
    return (0, tuple(parts))


@family.builtin("semver.is_valid")
def semver_is_valid(value: Any) -> bool:
    """Whether a string is a semantic version."""
    return type(value) is str and _version(value) is not None


@family.builtin("semver.compare")
def semver_compare(a: Any, b: Any) -> int:
    """-1, 0 or 1 by the precedence of semantic versions."""
    texts = (string(a, 1), string(b, 2))
    found = [_version(text) for text in texts]
    for i, one in enumerate(found):
        if one is None:
            raise BuiltinError(f"operand {i + 1}: string {quote(texts[i])} is not a valid SemVer")
    left, right = ((one[0], _precedence(one[1])) for one in found if one)
    return (left > right) - (left < right)


# ---- draws and identifiers -------------------------------------------------------------------------------


def _draw(context: Context, *names: str) -> bytes:
    """32 bytes that follow from the evaluation's seed and the call's operands, and from nothing else."""
    content = b"\0".join([context.seed, *(name.encode("utf-8", "surrogateescape") for name in names)])
    return hashlib.sha256(content).digest()


@family.builtin("rand.intn", context=True, depends={"random"})
def rand_intn(context: Context, name: Any, bound: Any) -> int:
    """An integer from 0 to below ``bound``, the same for the same operands within one evaluation."""
    text, n = string(name, 1), abs(integer(bound, 2))
    return int.from_bytes(_draw(context, "rand.intn", text, str(n)), "big") % n if n else 0


@family.builtin("uuid.rfc4122", context=True, depends={"random"})
def uuid_rfc4122(context: Context, name: Any) -> str:
    """A version 4 identifier, the same for the same operand within one evaluation."""
    drawn = int.from_bytes(_draw(context, "uuid.rfc4122", repr(name))[:16], "big")
    drawn = drawn & ~(0xF << 76) | 4 << 76
    drawn = drawn & ~(0x3 << 62) | 2 << 62
    digits = f"{drawn:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_GREGORIAN = 0x01B21DD213814000  # 100 ns between 1582-10-15 and 1970-01-01


def _uuid_digits(text: str) -> str | None:
    if len(text) == 45 and text[:9].lower() == "urn:uuid:":
        text = text[9:]
    elif len(text) == 38:
        text = text[1:-1]  # in braces, or any two characters
    elif len(text) == 32:
        return text if re.fullmatch("[0-9a-fA-F]{32}", text) else None
    return text.replace("-", "") if _UUID.fullmatch(text) else None


@family.builtin("uuid.parse")
def uuid_parse(value: Any) -> Any:
    """What an identifier tells of itself; undefined if it is none (RFC 4122)."""
    digits = _uuid_digits(string(value, 1))
    if digits is None:
        return UNDEFINED
    octets = bytes.fromhex(digits)
    version = octets[6] >> 4
    found: dict[str, Any] = {"version": version, "variant": _variant(octets[8])}
    if version in {1, 2}:
        found |= _uuid_parts(octets, version)
    return found


def _variant(octet: int) -> str:
    if octet & 0xC0 == 0x80:
        return "RFC4122"
    if octet & 0xE0 == 0xC0:
        return "Microsoft"
    return "Future" if octet & 0xE0 == 0xE0 else "Reserved"


def _uuid_parts(octets: bytes, version: int) -> dict[str, Any]:
    ticks = int.from_bytes(octets[:4], "big")
    ticks |= int.from_bytes(octets[4:6], "big") << 32 | (int.from_bytes(octets[6:8], "big") & 0xFFF) << 48
    ticks -= _GREGORIAN
    multicast, local = octets[10] & 1, octets[10] & 2
    parts: dict[str, Any] = {
        "time": _wrapped(ticks * 100),
        "nodeid": octets[10:].hex("-"),
        "macvariables": f"{'local' if local else 'global'}:{'multicast' if multicast else 'unicast'}",
        "clocksequence": int.from_bytes(octets[8:10], "big") & 0x3FFF,
    }
    if version == 2:
        domains = {0: "Person", 1: "Group", 2: "Org"}
        parts["id"] = int.from_bytes(octets[:4], "big")
        parts["domain"] = domains.get(octets[9], f"Domain{octets[9]}")
    return parts


def _wrapped(value: int) -> int:
    """As a 64-bit integer."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
