"""PostgreSQL changes as wal2json writes them, format version 2, to the same envelopes as Debezium's.

One JSON object a change (wal2json's README, "format-version"); ``B`` and ``C`` begin and end a transaction, ``I U D T``
change rows, ``M`` is a logical message. Options that must be on: ``include-lsn``, ``include-timestamp``,
``include-transaction``, ``include-types``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from maestro.formats.connect_types import WireType
from maestro.formats.debezium import Envelope, Kind, Origin
from maestro.kernel.errors import BadInputError, shown
from maestro.kernel.instants import EPOCH

__all__ = ["OPTIONS", "Change", "decode", "envelopes", "lsn_of", "lsn_text", "micros_of", "pg_type"]

OPTIONS: Mapping[str, str] = {
    "format-version": "2",
    "include-lsn": "true",
    "include-timestamp": "true",
    "include-transaction": "true",
    "include-types": "true",
}
"""What ``pg_logical_slot_peek_changes`` has to be told."""

_OPERATIONS = {"I": "c", "U": "u", "D": "d", "T": "t"}
_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", re.ASCII)
_MICROSECOND = 10**6


class _Column(msgspec.Struct, gc=False):
    name: str
    type: str = ""
    value: Any = None


class Change(msgspec.Struct, gc=False):
    """One line of wal2json.

    Attributes:
        action: ``B C I U D T M``.
        lsn: of the change; of ``B`` and ``C`` the transaction's commit.
        timestamp: of the commit, as PostgreSQL prints it.
        columns: the new row; a toasted value that the update did not touch is left out.
        identity: the old key, or the old row under ``REPLICA IDENTITY FULL``.
    """

    action: str
    lsn: str = ""
    timestamp: str = ""
    schema: str = ""
    table: str = ""
    prefix: str = ""
    columns: Sequence[_Column] = ()
    identity: Sequence[_Column] = ()


# Digits as they were printed: a numeric has more of them than a double.
_CHANGES = msgspec.json.Decoder(Change, float_hook=Decimal)


def decode(text: bytes | str) -> Change:
    """One line. Raises BadInputError (``bad_envelope``): not wal2json's second format."""
    try:
        return _CHANGES.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadInputError(
            f"is no change of wal2json's format 2: {error}.",
            field="value",
            value=shown(text[:80]),
            code="bad_envelope",
            remedy="Read the slot with format-version 2.",
        ) from error


def envelopes(change: Change, key: Sequence[str], source: str = "") -> list[Envelope]:
    """The change as Debezium would tell it; two when it gave a row another key: a delete and a create.

    Raises:
        BadInputError: ``bad_envelope``, the action is none of rows, or an update without the old key it needs.
    """
    if change.action not in _OPERATIONS:
        raise BadInputError("is no change of rows.", field="action", value=change.action, code="bad_envelope")
    op = _OPERATIONS[change.action]
    origin = Origin(
        connector="postgresql",
        name=source,
        schema=change.schema,
        table=change.table,
        ts_us=micros_of(change.timestamp),
        lsn=lsn_of(change.lsn),
    )
    if op == "t":
        return [Envelope(kind=Kind.TRUNCATE, op=op, origin=origin)]
    after = {column.name: column.value for column in change.columns} or None
    before = {column.name: column.value for column in change.identity} or None
    types = {column.name: pg_type(column.type) for column in change.columns or change.identity}
    old_key = _part(before, key)
    new_key = _part(after, key) or old_key
    told = Envelope(
        kind=Kind.CHANGE, op=op, before=before, after=after, key=new_key, origin=origin, types=types
    )
    if op == "u" and old_key and old_key != new_key:
        gone = msgspec.structs.replace(told, op="d", after=None, key=old_key)
        return [gone, msgspec.structs.replace(told, op="c", before=None)]
    return [told]


def lsn_of(text: str) -> int:
    """An LSN as PostgreSQL prints it (``16/B374D848``) as the 64-bit number it is. Raises BadInputError."""
    match = _LSN.fullmatch(text)
    if match is None:
        raise BadInputError("is no LSN.", field="lsn", value=text, code="bad_envelope")
    return int(match[1], 16) << 32 | int(match[2], 16)


def lsn_text(number: int) -> str:
    """The number as PostgreSQL reads it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def micros_of(timestamp: str) -> int | None:
    """Microseconds of the epoch of a commit's timestamp; None when there is none."""
    if not timestamp:
        return None
    try:
        since = datetime.fromisoformat(timestamp) - EPOCH
    except (ValueError, TypeError) as error:
        raise BadInputError(
            "is no timestamp with zone.", field="timestamp", value=timestamp, code="bad_envelope"
        ) from error
    return (since.days * 86_400 + since.seconds) * _MICROSECOND + since.microseconds


_NAMED: Mapping[str, WireType] = {
    "smallint": WireType("int", bits=16),
    "integer": WireType("int", bits=32),
    "bigint": WireType("int"),
    "real": WireType("float", bits=32),
    "double precision": WireType("float"),
    "boolean": WireType("boolean"),
    "date": WireType("date"),
    "timestamp": WireType("timestamp"),
    "timestamp without time zone": WireType("timestamp"),
    "timestamptz": WireType("timestamp", zoned=True),
    "timestamp with time zone": WireType("timestamp", zoned=True),
    "bytea": WireType("hex"),
}
_ARGUMENTS = re.compile(r"\((\d+)(?:,(-?\d+))?\)")


@lru_cache(maxsize=1024)
def pg_type(name: str) -> WireType:
    """What wal2json's values of a PostgreSQL type are, by the type's name as ``format_type`` prints it.

    A type that has no like in a table (arrays, ranges, intervals, uuid, json) comes as PostgreSQL's text of it.
    """
    arguments = _ARGUMENTS.search(name)
    plain = _ARGUMENTS.sub("", name)
    if plain == "numeric":
        if arguments is None:
            return WireType("decimal")
        return WireType("decimal", scale=int(arguments[2] or 0), precision=int(arguments[1]))
    return _NAMED.get(plain) or WireType("string")


def _part(row: Mapping[str, Any] | None, key: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in key if name in row} if row else {}
