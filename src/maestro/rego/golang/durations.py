"""Durations as Go writes them, ``1h15m30.5s``, and OPA's longer units ``d``, ``w`` and ``y`` (``time.ParseDuration``)."""

from __future__ import annotations

import re

__all__ = ["parse_duration"]

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LONGER = {"d": 24, "w": 7 * 24, "y": 365 * 24}
_LIMIT = 1 << 63
_SEGMENT = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?([^0-9.]*)", re.ASCII)
_EXTENDED = re.compile(r"([-+]?)((?:[0-9.]+(?:ms|us|µs|ns|[a-z]))+)", re.ASCII)
_ONE = re.compile(r"([0-9.]+)(ms|us|µs|ns|[a-z])", re.ASCII)


def parse_duration(text: str) -> int:
    """Nanoseconds.

    Raises:
        ValueError: with Go's words.
    """
    if not set(text) & set("dwy"):
        return _parse(text)
    found = _EXTENDED.fullmatch(text)
    if found is None:
        raise ValueError(f'time: invalid duration "{text}"')
    parts = []
    for digits, unit in _ONE.findall(found[2]):
        if unit in _LONGER:
            if digits.count(".") > 1 or digits == ".":
                raise ValueError(f'time: invalid duration "{text}"')
            parts.append(f"{_fixed(float(digits) * _LONGER[unit])}h")
        else:
            parts.append(digits + unit)
    return _parse(found[1] + "".join(parts), shown=text)


def _fixed(hours: float) -> str:
    """All digits, without an exponent."""
    return f"{hours:f}".rstrip("0").rstrip(".") if hours.is_integer() else repr(hours)


def _parse(text: str, shown: str | None = None) -> int:
    invalid = ValueError(f'time: invalid duration "{text if shown is None else shown}"')
    rest = text[1:] if text[:1] in {"-", "+"} and text else text
    if rest == "0":
        return 0
    if not rest:
        raise invalid
    total = 0
    while rest:
        found = _SEGMENT.match(rest)
        if found is None or not (found[1] or found[3]):
            raise invalid
        unit = _UNITS.get(found[4])
        if unit is None:
            missing = "missing unit in" if not found[4] else f'unknown unit "{found[4]}" in'
            raise ValueError(f'time: {missing} duration "{text if shown is None else shown}"')
        total += _size(found[1], found[3] or "", unit)
        if total > _LIMIT:
            raise invalid
        rest = rest[found.end() :]
    negative = text[0] == "-"
    if total == _LIMIT and not negative:
        raise invalid
    return -total if negative else total


def _size(whole: str, fraction: str, unit: int) -> int:
    value = int(whole[:40] or "0")
    if value > _LIMIT // unit:
        return _LIMIT + 1
    total = value * unit
    kept, scale = 0, 1.0
    for digit in fraction[:30]:
        if kept > (_LIMIT - 1) // 10 or kept * 10 + int(digit) > _LIMIT:
            break
        kept, scale = kept * 10 + int(digit), scale * 10
    return total + int(float(kept) * (float(unit) / scale)) if kept else total
