"""A log as one file that needs no database: JSON lines.

The first line is ``{"format":"maestro-audit/1","checkpoint":NOTE,"earlier":[NOTE,…]}``; then comes one line for each
entry, ``{"leaf":"BASE64","entry":ENTRY}``. ENTRY is the very bytes that were hashed: they begin after 63 bytes
that never change in length and end before the closing brace, so a verifier cuts them out and never writes JSON again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from maestro.audit.hashing import HASH_BYTES
from maestro.kernel.errors import BadInputError

__all__ = ["FORMAT", "ExportHeader", "decode_entry", "decode_header", "encode_entry", "encode_header"]

FORMAT = "maestro-audit/1"
_START = b'{"leaf":"'
_BETWEEN = b'","entry":'
_LEAF_END = len(_START) + 4 * ((HASH_BYTES + 2) // 3)
_ENTRY_START = _LEAF_END + len(_BETWEEN)
_END = b"}\n"


class ExportHeader(msgspec.Struct, frozen=True):
    """The first line.

    Attributes:
        format: ``FORMAT``.
        checkpoint: the log's newest checkpoint, a signed note; None for a log without one.
        earlier: older checkpoints, which help to find where a log was altered.
    """

    format: str
    checkpoint: str | None
    earlier: tuple[str, ...] = ()


_header = msgspec.json.Decoder(ExportHeader)


def encode_header(checkpoint: bytes | None, earlier: Sequence[bytes]) -> bytes:
    """The first line."""
    note = None if checkpoint is None else checkpoint.decode()
    return msgspec.json.encode(ExportHeader(FORMAT, note, tuple(each.decode() for each in earlier))) + b"\n"


def encode_entry(body: bytes, leaf: bytes) -> bytes:
    """The line of an entry: its bytes, and the hash kept of it."""
    return b"".join((_START, base64.b64encode(leaf), _BETWEEN, body, _END))


def decode_header(line: bytes) -> ExportHeader:
    """Read the first line.

    Raises:
        BadInputError: it does not begin an export.
    """
    try:
        header = _header.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _no_export() from error
    if header.format != FORMAT:
        raise _no_export()
    return header


def decode_entry(line: bytes) -> tuple[bytes, bytes] | None:
    """The bytes of an entry and the hash kept of it; None when the line is no whole record."""
    if not (line.startswith(_START) and line[_LEAF_END:_ENTRY_START] == _BETWEEN and line.endswith(_END)):
        return None
    try:
        leaf = base64.b64decode(line[len(_START) : _LEAF_END], validate=True)
    except (binascii.Error, ValueError):
        return None
    return line[_ENTRY_START : -len(_END)], leaf


def _no_export() -> BadInputError:
    return BadInputError(
        "is neither a SQLite store nor an export.",
        field="LOG",
        remedy="Name the store's file, or what 'maestro audit export' wrote.",
    )
