"""Names, spans and events with which the kit talks to a store: few, and each there to catch something."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from maestro.kernel.events import Event

__all__ = ["BODIES", "CONFUSABLE", "TTLS", "ZONED", "event", "families"]

_VALID_FAMILIES = (
    ("a", "A", "b", "B"),
    ("_", "a", "b", "a_", "ab"),
    ("0", "00", "0.0", "-0", "1e0"),
    ("a.b", "a-b", "a~b", "a_b", "aXb"),
    ("x" * 128, "x" * 127, "X" * 128, "x" * 127 + "y"),
    ("null", "None", "true", "r-1", "r-10"),
)
"""Names that pass ``maestro.kernel.names``, in families that careless stores take for one another."""

_RAW_FAMILIES = (
    *_VALID_FAMILIES,
    ("%", "a", "ab", "a%", "%b"),
    ("a", "a:", "a:b", "b", ":b", "b:c", "c"),
    ("a", "a ", " a", "", " "),
    ("a", "a\0", "a\0b", "\0"),
    ("\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}", "e", "E"),
    ("\N{LATIN SMALL LETTER SHARP S}", "ss", "SS", "\N{ROCKET}"),
    ("'", "''", '"', "\\", "a'--"),
    ("a/b", "a", "b", "a//b", "/"),
)
"""And names that only the port's type allows: separators, wildcards, NUL, one look in two spellings."""

CONFUSABLE = (
    ("a", "A"), ("a_", "ab"), ("_", "a"), ("0", "00"), ("x" * 128, "x" * 127 + "y"),
    ("a%", "ab"), ("%", "a"), ("a", "a "), ("a", "a\0"), ("a\0b", "a\0c"), ("", " "),
    ("\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"), ("\N{LATIN SMALL LETTER SHARP S}", "ss"),
)  # fmt: skip
"""Pairs of different names; the first five are valid ones."""


def families(*, raw: bool) -> tuple[tuple[str, ...], ...]:
    """Families of names that are taken for one another; raw: also such as only the port's type allows."""
    return _RAW_FAMILIES if raw else _VALID_FAMILIES


TTLS = (60.0, 1.0, 0.5, 30.0, 61.0, 90.0, 3600.0, 0.001)
"""Seconds, all exact in milliseconds."""

BODIES = (b"{}", b"[]", b'{"a":1}', b'{"a": 1}', b"\x00\xff", b"", b'"%"', b"x" * 20_000)
"""Bodies of documents; a store keeps bytes as they came."""

ZONED = timezone(timedelta(hours=-6))
"""Claims may come in any zone; stores answer UTC."""


def event(name: str, at: datetime, *, source: str = "/maestro/conformance", subject: str = "") -> Event:
    """An event with data that JSON must bring back unchanged."""
    return Event(
        id=name,
        source=source,
        type="mc.conformance",
        subject=subject,
        time=at,
        data={"text": "é\u0000", "number": 1, "none": None, "list": [1.5, "a"]},
    )
