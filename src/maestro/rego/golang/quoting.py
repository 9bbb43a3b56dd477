"""Quoted text as Go writes it (package ``strconv``: ``Quote``, ``QuoteToASCII``, ``CanBackquote``).

Bytes that are no UTF-8 are lone surrogates in our strings (``surrogateescape``), as everywhere in ``maestro.rego``.
"""

from __future__ import annotations

__all__ = ["can_backquote", "quote", "quote_character"]

_SHORT = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_ASCII_END = 0x7F


def quote(text: str, *, ascii_only: bool = False) -> str:
    """``text`` in double quotes, with everything escaped that Go does not print as it is."""
    return '"' + "".join(_escaped(character, '"', ascii_only=ascii_only) for character in text) + '"'


def quote_character(character: str, *, ascii_only: bool = False) -> str:
    """One character in single quotes."""
    return "'" + _escaped(character, "'", ascii_only=ascii_only) + "'"


def can_backquote(text: str) -> bool:
    """Whether ``text`` can stand unchanged between backquotes: one line, no control characters but tab."""
    return not any(
        (ord(c) < 0x20 and c != "\t") or c in "`\x7f\ufeff" or "\ud800" <= c <= "\udfff" for c in text
    )


def _escaped(character: str, mark: str, *, ascii_only: bool) -> str:
    code = ord(character)
    if character == mark:
        return "\\" + mark
    if character in _SHORT:
        return _SHORT[character]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable() and (code < _ASCII_END or not ascii_only):
        return character
    if code < 0x20 or code == _ASCII_END:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
