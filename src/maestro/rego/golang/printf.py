"""``Sprintf`` of Go's package ``fmt``, for the three kinds of operands that Rego passes: integers, floats, text.

An ``int`` in the range of 64 bits is Go's ``int64``, a greater one ``*big.Int``, ``float`` is ``float64`` and ``str``
is ``string``. Mistakes in a format are shown in its result, as Go does: ``%!d(string=hi)``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import attrs

from maestro.rego.golang.quoting import can_backquote, quote, quote_character

__all__ = ["Operand", "sprintf"]

Operand = int | float | str

_MOST: Final = 1_000_000  # the greatest width and precision that fmt accepts
_BASES: Final = {"d": 10, "v": 10, "b": 2, "o": 8, "O": 8, "x": 16, "X": 16}
_FLOAT_VERBS: Final = "vbeEfFgGxX"
_DIGITS: Final = "0123456789abcdef"


@attrs.define
class _Flags:
    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    plus_v: bool = False
    sharp_v: bool = False
    width: int | None = None
    precision: int | None = None

    def for_v(self) -> None:
        self.sharp_v, self.sharp = self.sharp, False
        self.plus_v, self.plus = self.plus, False

    def pad(self, text: str) -> str:
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if self.minus:
            return text + " " * missing
        return ("0" if self.zero else " ") * missing + text


def sprintf(form: str, operands: Sequence[Operand]) -> str:
    """``form`` with its verbs replaced by ``operands``."""
    return _Printer(form, operands).run()


class _Printer:
    """One call: a place in the format and the next operand."""

    def __init__(self, form: str, operands: Sequence[Operand]) -> None:
        self.form = form
        self.operands = operands
        self.at = 0
        self.operand = 0
        self.reordered = False
        self.good_index = True
        self.out: list[str] = []

    def run(self) -> str:
        end = len(self.form)
        while self.at < end:
            percent = self.form.find("%", self.at)
            if percent < 0:
                percent = end
            self.out.append(self.form[self.at : percent])
            self.at = percent + 1
            if percent < end:
                self.verb()
        if not self.reordered and self.operand < len(self.operands):
            extra = (f"{_kind(one)}={_printed(one, 'v', _Flags())}" for one in self.operands[self.operand :])
            self.out.append(f"%!(EXTRA {', '.join(extra)})")
        return "".join(self.out)

    def verb(self) -> None:
        self.good_index = True
        flags = self.flags()
        after_index = self.index()
        after_index = self.width(flags, after_index=after_index)
        after_index = self.precision(flags, after_index=after_index)
        if not after_index:
            self.index()
        if self.at >= len(self.form):
            self.out.append("%!(NOVERB)")
            return
        verb = self.form[self.at]
        self.at += 1
        if verb == "%":
            self.out.append("%")
        elif not self.good_index:
            self.out.append(f"%!{verb}(BADINDEX)")
        elif self.operand >= len(self.operands):
            self.out.append(f"%!{verb}(MISSING)")
        else:
            if verb in "vw":
                flags.for_v()
            self.out.append(_printed(self.operands[self.operand], verb, flags))
            self.operand += 1

    def flags(self) -> _Flags:
        flags = _Flags()
        names = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}
        while self.at < len(self.form) and (name := names.get(self.form[self.at])):
            setattr(flags, name, True)
            self.at += 1
        return flags

    def index(self) -> bool:
        """Take an explicit operand index, as ``[3]``; whether there was one."""
        if not self.form.startswith("[", self.at):
            return False
        self.reordered = True
        close = self.form.find("]", self.at + 1)
        inner = self.form[self.at + 1 : close] if close > 0 and len(self.form) - self.at >= 3 else None
        self.at = self.at + 1 if inner is None else close + 1
        number = int(inner) if inner and re.fullmatch("[0-9]{1,7}", inner) else None
        if number is not None and number <= _MOST and 1 <= number <= len(self.operands):
            self.operand = number - 1
            return True
        self.good_index = False
        return number is not None and number <= _MOST

    def number(self) -> int | None:
        """The digits here; past a million they are no number and, as in Go, end the format."""
        found = re.compile("[0-9]*").match(self.form, self.at)
        digits = found[0] if found else ""
        self.at += len(digits)
        if digits and int(digits[-20:]) > _MOST:
            self.at = len(self.form)
            return None
        return int(digits) if digits else None

    def star(self) -> int | None:
        """The operand that a ``*`` takes as a number, None if it is none."""
        value = self.operands[self.operand] if self.operand < len(self.operands) else None
        self.operand = min(self.operand + 1, len(self.operands))
        return value if isinstance(value, int) and -_MOST <= value <= _MOST else None

    def width(self, flags: _Flags, *, after_index: bool) -> bool:
        if self.form.startswith("*", self.at):
            self.at += 1
            flags.width = self.star()
            if flags.width is None:
                self.out.append("%!(BADWIDTH)")
            elif flags.width < 0:
                flags.width, flags.minus, flags.zero = -flags.width, True, False
            return False
        flags.width = self.number()
        if after_index and flags.width is not None:
            self.good_index = False
        return after_index

    def precision(self, flags: _Flags, *, after_index: bool) -> bool:
        if not self.form.startswith(".", self.at) or self.at + 1 >= len(self.form):
            return after_index
        self.at += 1
        if after_index:
            self.good_index = False
        after_index = self.index()
        if self.form.startswith("*", self.at):
            self.at += 1
            flags.precision = self.star()
            if flags.precision is None or flags.precision < 0:
                flags.precision = None
                self.out.append("%!(BADPREC)")
            return False
        flags.precision = self.number() or 0
        return after_index


def _kind(value: Operand) -> str:
    if isinstance(value, str):
        return "string"
    if isinstance(value, float):
        return "float64"
    return "int64" if -(1 << 63) <= value < 1 << 63 else "*big.Int"


def _printed(value: Operand, verb: str, flags: _Flags) -> str:
    kind = _kind(value)
    if verb == "T":
        return _text(kind, "s", flags) or ""
    if isinstance(value, str):
        shown = _text(value, verb, flags)
    elif isinstance(value, float):
        shown = _float(value, verb, flags) if verb in _FLOAT_VERBS else None
    elif kind == "int64":
        shown = _integer(value, verb, flags)
    else:
        return _big(value, verb, flags)
    return f"%!{verb}({kind}={_printed(value, 'v', flags)})" if shown is None else shown


def _text(value: str, verb: str, flags: _Flags) -> str | None:
    if verb in "xX":
        return _hex(value, verb, flags)
    if verb not in "vsq":
        return None
    if flags.precision is not None:
        value = value[: flags.precision]
    if verb == "q" or (verb == "v" and flags.sharp_v):
        if flags.sharp and can_backquote(value):
            return flags.pad(f"`{value}`")
        return flags.pad(quote(value, ascii_only=flags.plus))
    return flags.pad(value)


def _hex(value: str, verb: str, flags: _Flags) -> str:
    content = value.encode("utf-8", "surrogateescape")[: flags.precision]
    prefix = f"0{verb}" if flags.sharp and content else ""
    between = f" {prefix}" if flags.space else ""
    pairs = [f"{byte:02x}" if verb == "x" else f"{byte:02X}" for byte in content]
    return flags.pad(prefix + between.join(pairs))


def _integer(value: int, verb: str, flags: _Flags) -> str | None:
    if verb in _BASES:
        return _based(value, verb, flags)
    code = value if 0 <= value <= 0x10FFFF else 0xFFFD
    if verb in "cq":
        character = "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)
        return flags.pad(character if verb == "c" else quote_character(character, ascii_only=flags.plus))
    if verb == "U":
        digits = f"{value & (1 << 64) - 1:X}"
        shown = "U+" + digits.rjust(max(4, flags.precision or 0), "0")
        if flags.sharp and 0 <= value <= 0x10FFFF and chr(value).isprintable():
            shown += f" '{chr(value)}'"
        flags.zero = False
        return flags.pad(shown)
    return None


def _based(value: int, verb: str, flags: _Flags) -> str:
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    digits = _digits(abs(value), _BASES[verb])
    zero, flags.zero = flags.zero, False
    try:
        if flags.precision is not None:
            if flags.precision == 0 and value == 0:
                return flags.pad("")
            least = flags.precision
        else:
            least = (flags.width or 0) - len(sign) if zero and not flags.minus else 0
        digits = digits.rjust(least, "0")
        leading = "" if digits.startswith("0") else "0"
        prefix = {"b": "0b", "o": leading, "O": leading, "x": "0x", "X": "0X"}
        shown = (prefix.get(verb, "") if flags.sharp else "") + (digits.upper() if verb == "X" else digits)
        return flags.pad(sign + ("0o" if verb == "O" else "") + shown)
    finally:
        flags.zero = zero


def _digits(value: int, base: int) -> str:
    return format(value, {2: "b", 8: "o", 10: "d", 16: "x"}[base])


def _big(value: int, verb: str, flags: _Flags) -> str:
    if verb not in {*_BASES, "s"}:
        return f"%!{verb}(big.Int={value})"
    plus, sharp = flags.plus or flags.plus_v, flags.sharp or flags.sharp_v
    sign = "-" if value < 0 else "+" if plus else " " if flags.space else ""
    prefix = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}.get(verb, "") if sharp else ""
    prefix = "0o" if verb == "O" else prefix
    digits = _digits(abs(value), _BASES.get(verb, 10))
    digits = (digits.upper() if verb == "X" else digits).rjust(flags.precision or 0, "0")
    missing = (flags.width or 0) - len(sign + prefix + digits)
    if flags.zero and not flags.minus and flags.precision is None and missing > 0:
        digits = "0" * missing + digits
    shown = sign + prefix + digits
    return shown.ljust(flags.width or 0) if flags.minus else shown.rjust(flags.width or 0)


def _float(value: float, verb: str, flags: _Flags) -> str:
    precision = flags.precision
    if precision is None and verb in "eEfF":
        precision = 6
    shown = _float_digits(abs(value), "g" if verb == "v" else verb, precision)
    if flags.sharp and verb != "b":
        shown = _sharp(shown, verb, precision)
    negative = value < 0 or (value == 0 and str(value).startswith("-"))
    sign = "-" if negative else "+" if flags.plus else " " if flags.space else ""
    missing = (flags.width or 0) - len(sign + shown)
    if flags.zero and not flags.minus and sign and missing > 0:
        return sign + "0" * missing + shown
    return flags.pad(sign + shown)


def _float_digits(value: float, verb: str, precision: int | None) -> str:
    if verb == "b":
        mantissa, exponent = _mantissa(value)
        return f"{mantissa}p{exponent:+d}"
    if verb in "xX":
        shown = _hex_float(value, precision)
        return shown.upper() if verb == "X" else shown
    if precision is not None:
        return f"{value:.{precision}{verb}}"
    return _shortest(value, verb)


def _shortest(value: float, verb: str) -> str:
    """``%g`` with as many digits as tell the value from its neighbours."""
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if not isinstance(exponent, int):  # pragma: no cover - Rego has neither infinities nor NaN
        return str(value)
    text = "".join(map(str, digits))
    power = len(text) - 1 + exponent if value else 0
    if -4 <= power < 6:
        return f"{Decimal(repr(value)).normalize():f}"
    part = f".{text[1:]}" if len(text) > 1 else ""
    mark = "E" if verb == "G" else "e"
    return f"{text[0]}{part}{mark}{'-' if power < 0 else '+'}{abs(power):02d}"


def _mantissa(value: float) -> tuple[int, int]:
    """The value as an integer of 53 bits and its power of two, as Go's ``%b`` shows them."""
    numerator, denominator = value.as_integer_ratio()
    exponent = numerator.bit_length() - 53 - (denominator.bit_length() - 1)
    exponent = max(exponent, -1074) if value else -1074
    scaled = numerator * 2**-exponent // denominator if exponent <= 0 else numerator // 2**exponent
    return scaled, exponent


def _hex_float(value: float, precision: int | None) -> str:
    mantissa, exponent = _mantissa(value)
    if not mantissa:
        return "0x0" + ("." + "0" * precision if precision else "") + "p+00"
    shift = 53 - mantissa.bit_length()
    mantissa, exponent = mantissa << shift, exponent - shift + 52
    if precision is not None and precision < 13:
        drop = 4 * (13 - precision)
        half, rest = 1 << (drop - 1), mantissa & ((1 << drop) - 1)
        mantissa >>= drop
        mantissa += rest > half or (rest == half and mantissa & 1)
        if mantissa.bit_length() > 53 - drop:
            mantissa, exponent = mantissa >> 1, exponent + 1
        mantissa <<= drop
    digits = f"{mantissa - (1 << 52):013x}"
    digits = digits.rstrip("0") if precision is None else digits[:precision].ljust(precision, "0")
    return f"0x1{'.' if digits else ''}{digits}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _sharp(shown: str, verb: str, precision: int | None) -> str:
    """With ``#``: a decimal point always, and for ``%g`` its trailing zeros."""
    digits = (6 if precision is None else precision) if verb in "vgGx" else 0
    body, tail = shown, ""
    for mark in "pP" if verb in "xX" else "pPeE":
        at = body.find(mark)
        if at >= 0:
            body, tail = body[:at], body[at:] + tail
    significant = body.replace(".", "").lstrip("0")
    if verb == "x":
        significant = body.replace(".", "")[1:]
    digits -= len(significant)
    if "." not in body:
        if body == "0":
            digits -= 1
        body += "."
    return body + "0" * max(digits, 0) + tail
