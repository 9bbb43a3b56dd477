"""Debezium change events: JSON envelopes, with and without their schema, to values.

The shapes are those of Debezium's documentation ("Change event values" of the PostgreSQL connector, "Converters" for
the schema-less form, "Transaction metadata", "Heartbeat"), and of Kafka Connect's ``JsonConverter`` for the schema
that rides along. Every kind of record that Debezium writes into a topic is told apart: a record that is none of them
is bad input, never skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from maestro.formats.connect_types import WireType, wire_types
from maestro.kernel.errors import BadInputError, shown
from maestro.kernel.instants import EPOCH

__all__ = ["Envelope", "Kind", "Origin", "decode", "instant_of", "micros_of", "type_of"]

_OPERATIONS = frozenset("cudrtm")
_FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


class Kind(StrEnum):
    """What a record is."""

    CHANGE = "change"
    """A row was created, updated, deleted or read by a snapshot."""
    TRUNCATE = "truncate"
    """All rows of the table were removed at once; it has no key."""
    TOMBSTONE = "tombstone"
    """A null value after a delete: it lets Kafka's compaction forget the key, and changes nothing."""
    TRANSACTION = "transaction"
    """Begin or end of a transaction (``provide.transaction.metadata``)."""
    HEARTBEAT = "heartbeat"
    """The connector lives and has read up to now, though the table is silent."""
    MESSAGE = "message"
    """A logical decoding message (``op`` ``m``), written by ``pg_logical_emit_message``: no row."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Debezium's ``source`` block, as far as it matters here.

    Attributes:
        connector: ``postgresql``, ``mysql``, …
        name: the connector's topic prefix.
        db: database; schema: schema; table: table.
        ts_ms, ts_us: when the change was committed in the source, milliseconds or microseconds of the epoch.
        snapshot: ``true``, ``first``, ``last``, ``incremental`` … for rows read by a snapshot; ``false`` or absent
            for changes.
        lsn: PostgreSQL's log sequence number of this change.
        txId: the source's transaction.
    """

    connector: str = ""
    name: str = ""
    db: str = ""
    schema: str | None = None
    table: str = ""
    ts_ms: int | None = None
    ts_us: int | None = None
    snapshot: str | bool | None = None
    lsn: int | None = None
    txId: int | None = None  # noqa: N815 -- Debezium's own name


class Envelope(msgspec.Struct, frozen=True):
    """One record of a topic, as values.

    Attributes:
        kind: what it is.
        op: ``c u d r t m`` of a change, empty for other records.
        before, after: the row, as JSON has it (see ``maestro.formats.connect_types`` for what a value means).
        key: the record's key, by column; empty without one.
        origin: who wrote it, when, at which LSN.
        captured_us: when Debezium handled it, microseconds of the epoch; None when not told.
        types: the row's columns by the schema that rode along, None in the schema-less form.
    """

    kind: Kind
    op: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    key: dict[str, Any] = {}
    origin: Origin = Origin()
    captured_us: int | None = None
    types: Mapping[str, WireType] | None = None


class _Value(msgspec.Struct, gc=False):
    """Any record's value, without its schema: absent fields tell the kinds apart."""

    op: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    source: Origin | None = None
    ts_ms: int | None = None
    ts_us: int | None = None
    status: str | None = None
    id: str | None = None


class _Wrapped(msgspec.Struct, gc=False):
    schema: msgspec.Raw = msgspec.Raw()
    payload: msgspec.Raw = msgspec.Raw()


_VALUES = msgspec.json.Decoder(_Value)
_WRAPPED = msgspec.json.Decoder(_Wrapped)
_ANY = msgspec.json.Decoder()
_TOMBSTONE = Envelope(kind=Kind.TOMBSTONE)


def decode(key: bytes | None, value: bytes | None) -> Envelope:
    """One record of a Debezium topic.

    Args:
        key: the record's key, JSON with or without schema; None when it has none.
        value: the record's value likewise; None (or JSON ``null``) is a tombstone.

    Raises:
        BadInputError: ``bad_envelope``, naming the field: no JSON, no known record, an unknown operation, a row
            that the operation needs and that is missing.
    """
    if value is None or value == b"null":
        return _TOMBSTONE if key is None else Envelope(kind=Kind.TOMBSTONE, key=_key(key))
    try:
        payload, schema = _unwrap(value)
        if payload is None:
            return Envelope(kind=Kind.TOMBSTONE, key=_key(key))
        found = _VALUES.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad(f"is no change event: {error}.", "value", shown(value[:80])) from error
    if found.op is None:
        return _without_operation(found, key)
    return _change(found, _key(key), schema)


def micros_of(envelope: Envelope) -> int | None:
    """When the source committed the change, microseconds of the epoch, at the calendar's edge when beyond it."""
    origin = envelope.origin
    micros = origin.ts_us if origin.ts_us is not None else _times_1000(origin.ts_ms)
    return None if micros is None else min(max(micros, _FIRST), _LAST)


def instant_of(envelope: Envelope) -> datetime | None:
    """When the source committed the change, aware UTC with all the digits there are; None when it does not say."""
    micros = micros_of(envelope)
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def type_of(envelope: Envelope, column: str) -> WireType | None:
    """What the schema that rode along says of a column; None when there is no schema or no such column."""
    return None if envelope.types is None else envelope.types.get(column)


def _unwrap(text: bytes) -> tuple[bytes | None, bytes | None]:
    """Payload and schema, None for null; the schema-less form is all payload. The converter writes these first."""
    if not text.lstrip().startswith((b'{"schema"', b'{"payload"')):
        return text, None
    wrapped = _WRAPPED.decode(text)
    payload, schema = bytes(wrapped.payload), bytes(wrapped.schema)
    if not payload or not schema:  # a row of a table that has a column of such a name
        return text, None
    return (None if payload == b"null" else payload), (None if schema == b"null" else schema)


def _key(key: bytes | None) -> dict[str, Any]:
    if key is None or key == b"null":
        return {}
    try:
        payload, _ = _unwrap(key)
        found = None if payload is None else _ANY.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad(f"is not JSON: {error}.", "key", shown(key[:80])) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _bad("is no object of key columns.", "key", shown(found))
    return found


def _without_operation(found: _Value, key: bytes | None) -> Envelope:
    if found.status in ("BEGIN", "END") and found.id is not None:
        return Envelope(kind=Kind.TRANSACTION, captured_us=_micros(found))
    if found.source is None and found.after is None and found.ts_ms is not None:
        return Envelope(kind=Kind.HEARTBEAT, captured_us=_micros(found))
    raise _bad("is missing; this is no change event.", "op", shown(key))


def _change(found: _Value, key: dict[str, Any], schema: bytes | None) -> Envelope:
    op = found.op or ""
    if op not in _OPERATIONS:
        raise _bad("is no operation of Debezium's (c u d r t m).", "op", op)
    if op in "cur" and found.after is None:
        raise _bad(f"is missing, and operation {op} needs it.", "after", None)
    if op == "d" and found.before is None and not key:
        raise _bad("is missing, and the delete has no key either.", "before", None)
    kind = {"t": Kind.TRUNCATE, "m": Kind.MESSAGE}.get(op, Kind.CHANGE)
    return Envelope(
        kind=kind,
        op=op,
        before=found.before,
        after=found.after,
        key=key,
        origin=found.source or Origin(),
        captured_us=_micros(found),
        types=None if schema is None else wire_types(schema),
    )


def _micros(found: _Value) -> int | None:
    return found.ts_us if found.ts_us is not None else _times_1000(found.ts_ms)


def _times_1000(millis: int | None) -> int | None:
    return None if millis is None else millis * 1000


def _bad(message: str, field: str, value: object) -> BadInputError:
    return BadInputError(
        message,
        field=field,
        value=value,
        code="bad_envelope",
        remedy="Send Debezium's JSON envelope, with or without schema.",
    )
