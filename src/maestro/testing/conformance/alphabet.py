"""Names, spans and events with which the kit talks to a store: few, and each there to catch something."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from maestro.kernel.events import Event

__all__ = ["BODIES", "RAW_NAMES", "TTLS", "VALID_NAMES", "ZONED", "event"]

VALID_NAMES = ("a", "A", "b", "a_", "_", "a~", "a.b", "a-b", "ab", "aB", "0", "00", "r-1", "x" * 128)
"""Names that pass ``maestro.kernel.names``: case variants, ``LIKE``'s wildcard ``_``, numbers as text, long ones."""

RAW_NAMES = (
    *VALID_NAMES, "%", "a%", "a:", "a:b", ":b", "a/b", "", " ", "a ", "'", "ß", "ss", "é", "e\u0301", "\u0000",
    "a\u0000", "a\u0000b", "\U0001f680", "None",
)  # fmt: skip
"""Names that only the port's type allows: separators, wildcards, Unicode of one look and two spellings, NUL."""

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
