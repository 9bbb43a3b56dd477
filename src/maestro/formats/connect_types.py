"""What a JSON value of a change event means: Kafka Connect's and Debezium's types.

A decimal comes as base64 of its unscaled big-endian bytes, a date as days, a timestamp as milli-, micro- or
nanoseconds or as text, depending on the column and the connector's settings (Debezium's documentation, "Data type
mappings" of the PostgreSQL connector; Connect's logical types). With a schema beside the value the meaning is told;
without one the table's own column type says what the value must be, and ``read_value`` reads it as that.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from maestro.kernel.errors import BadInputError, shown
from maestro.kernel.instants import EPOCH

__all__ = ["UNITS", "WireType", "decimal_of", "read_value", "wire_types"]

UNITS: Mapping[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""Ticks of a second by unit."""


class WireType(msgspec.Struct, frozen=True, gc=False):
    """What a column's JSON values are.

    Attributes:
        name: ``boolean int float string bytes hex decimal date time timestamp json array other``.
        unit: ``ms us ns`` of a time or timestamp that comes as a number.
        zoned: a timestamp is an instant (``timestamp with time zone``).
        scale: digits behind a decimal's point; None when each value tells its own.
        precision: all digits of a decimal, None when not told.
        bits: width of an int or float.
        optional: null is allowed.
    """

    name: str
    unit: str = "us"
    zoned: bool = False
    scale: int | None = None
    optional: bool = True
    precision: int | None = None
    bits: int = 64


class _Field(msgspec.Struct, gc=False):
    type: str = "other"
    name: str | None = None
    field: str | None = None
    optional: bool = True
    fields: list[_Field] = []
    parameters: dict[str, str] | None = None


_LOGICAL: Mapping[str, WireType] = {
    "io.debezium.time.Date": WireType("date"),
    "org.apache.kafka.connect.data.Date": WireType("date"),
    "io.debezium.time.Time": WireType("time", "ms"),
    "org.apache.kafka.connect.data.Time": WireType("time", "ms"),
    "io.debezium.time.MicroTime": WireType("time", "us"),
    "io.debezium.time.NanoTime": WireType("time", "ns"),
    "io.debezium.time.Timestamp": WireType("timestamp", "ms"),
    "org.apache.kafka.connect.data.Timestamp": WireType("timestamp", "ms"),
    "io.debezium.time.MicroTimestamp": WireType("timestamp", "us"),
    "io.debezium.time.NanoTimestamp": WireType("timestamp", "ns"),
    "io.debezium.time.ZonedTimestamp": WireType("timestamp", "us", zoned=True),
    "io.debezium.time.IsoTimestamp": WireType("timestamp", "us"),
    "io.debezium.time.IsoDate": WireType("date"),
    "io.debezium.time.IsoTime": WireType("time", "us"),
    "io.debezium.time.ZonedTime": WireType("string"),
    "io.debezium.time.MicroDuration": WireType("int"),
    "io.debezium.time.NanoDuration": WireType("int"),
    "io.debezium.time.Interval": WireType("string"),
    "io.debezium.data.VariableScaleDecimal": WireType("decimal"),
    "io.debezium.data.Json": WireType("json"),
    "io.debezium.data.Uuid": WireType("string"),
    "io.debezium.data.Enum": WireType("string"),
    "io.debezium.data.Xml": WireType("string"),
}
_PRIMITIVES: Mapping[str, WireType] = {
    "boolean": WireType("boolean"),
    "int8": WireType("int", bits=8),
    "int16": WireType("int", bits=16),
    "int32": WireType("int", bits=32),
    "int64": WireType("int"),
    "float": WireType("float", bits=32),
    "float32": WireType("float", bits=32),
    "double": WireType("float"),
    "float64": WireType("float"),
    "string": WireType("string"),
    "bytes": WireType("bytes"),
    "array": WireType("array"),
}
_OTHER = WireType("other")
_SCHEMAS = msgspec.json.Decoder(_Field)


@lru_cache(maxsize=256)
def wire_types(schema: bytes) -> Mapping[str, WireType]:
    """The row's columns from the schema of a whole change event.

    Args:
        schema: Connect's JSON schema of the envelope; the same bytes come with every event, so answers are kept.

    Raises:
        BadInputError: ``bad_envelope``, the schema describes no envelope.
    """
    try:
        envelope = _SCHEMAS.decode(schema)
    except msgspec.DecodeError as error:
        raise BadInputError(f"is no schema: {error}.", field="schema", code="bad_envelope") from error
    for part in envelope.fields:
        if part.field in ("after", "before") and part.fields:
            return {column.field: _wire_type(column) for column in part.fields if column.field is not None}
    raise BadInputError(
        "describes no row.",
        field="schema",
        code="bad_envelope",
        remedy="Send the schema that Debezium's JSON converter writes.",
    )


def _wire_type(column: _Field) -> WireType:
    if column.name == "org.apache.kafka.connect.data.Decimal":
        given = column.parameters or {}
        precision = given.get("connect.decimal.precision")
        return WireType(
            "decimal",
            scale=int(given.get("scale", "0")),
            optional=column.optional,
            precision=None if precision is None else int(precision),
        )
    found = _LOGICAL.get(column.name or "") or _PRIMITIVES.get(column.type, _OTHER)
    return msgspec.structs.replace(found, optional=column.optional)


def decimal_of(value: Any, scale: int | None) -> Decimal:
    """A decimal, whichever of Debezium's four ways it was written in.

    ``decimal.handling.mode`` ``precise`` writes base64 of the unscaled two's complement big-endian integer (or, with a
    scale per value, ``{"scale": …, "value": base64}``), ``string`` the digits, ``double`` a number. In the
    schema-less form base64 and digits cannot be told apart by their look alone ("1234" is both): ``precise`` is
    Debezium's default and is assumed when ``scale`` is given.

    Raises:
        ValueError: none of the four.
    """
    if isinstance(value, bool):
        raise TypeError("a boolean is no decimal")
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int | float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return decimal_of(value["value"], int(value["scale"]))
    if scale is not None:
        try:
            unscaled = int.from_bytes(base64.b64decode(value, validate=True), "big", signed=True)
        except (binascii.Error, TypeError):
            return Decimal(value)
        return Decimal(unscaled).scaleb(-scale)
    return Decimal(value)


def read_value(value: Any, wanted: WireType) -> Any:
    """One JSON value as the Python value of the wanted type; None stays None.

    Raises:
        BadInputError: ``wrong_type``, the value is none of that type; it is never bent into one (3.7 is no int).
    """
    if value is None:
        return None
    try:
        return _READERS[wanted.name](value, wanted)
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, InvalidOperation) as error:
        raise BadInputError(f"is no {wanted.name}.", value=shown(value), code="wrong_type") from error


def _boolean(value: Any, _wanted: WireType) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("not a boolean")


def _integer(value: Any, _wanted: WireType) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("not an integer")


def _float(value: Any, _wanted: WireType) -> float:
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):  # as PostgreSQL writes them
        return float(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return float(value)
    raise ValueError("not a number")


def _string(value: Any, _wanted: WireType) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("not a text")


def _bytes(value: Any, _wanted: WireType) -> bytes:
    return base64.b64decode(value, validate=True)


def _hex(value: Any, _wanted: WireType) -> bytes:
    return bytes.fromhex(value.removeprefix("\\x"))


def _json(value: Any, _wanted: WireType) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _decimal(value: Any, wanted: WireType) -> Decimal:
    return decimal_of(value, wanted.scale)


def _date(value: Any, _wanted: WireType) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value.removesuffix("Z"))
    return EPOCH.date() + timedelta(days=_integer(value, _wanted))


def _time(value: Any, wanted: WireType) -> time:
    if isinstance(value, str):
        return time.fromisoformat(value.removesuffix("Z"))
    micros = _integer(value, wanted) * 1_000_000 // UNITS[wanted.unit]
    return (EPOCH + timedelta(microseconds=micros)).time()


def _timestamp(value: Any, wanted: WireType) -> datetime:
    if isinstance(value, str):
        found = datetime.fromisoformat(value if wanted.zoned else value.removesuffix("Z"))
        if wanted.zoned and found.tzinfo is None:
            raise ValueError("an instant needs its zone")
    else:
        found = EPOCH + timedelta(microseconds=_integer(value, wanted) * 1_000_000 // UNITS[wanted.unit])
    return found if wanted.zoned else found.replace(tzinfo=None)


def _as_it_is(value: Any, _wanted: WireType) -> Any:
    return value


_READERS: Mapping[str, Callable[[Any, WireType], Any]] = {
    "boolean": _boolean,
    "int": _integer,
    "float": _float,
    "string": _string,
    "bytes": _bytes,
    "hex": _hex,
    "json": _json,
    "decimal": _decimal,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "array": _as_it_is,
    "other": _as_it_is,
}
