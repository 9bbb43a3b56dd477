"""CloudEvents 1.0 in the JSON event format (structured mode)."""

from __future__ import annotations

from typing import Any

import msgspec

from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event
from maestro.kernel.instants import format_instant, parse_instant

__all__ = ["decode_event", "encode_event"]

EVENT_LIMIT = 1024 * 1024
_ENCODER = msgspec.json.Encoder()
_TEXTS = ("id", "source", "type")


def encode_event(event: Event) -> bytes:
    """One event as a CloudEvents JSON object."""
    return _ENCODER.encode(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": format_instant(event.time),
            "datacontenttype": "application/json",
            "data": event.data,
        }
    )


def decode_event(body: bytes) -> Event:
    """Read a CloudEvents JSON object with JSON object data.

    Raises:
        BadInputError: not strict JSON, another spec version, a missing attribute, data that is no object.
    """
    raw: Any = strict_json.loads(body, limit=EVENT_LIMIT)
    if not isinstance(raw, dict) or raw.get("specversion") != "1.0":
        raise BadInputError(
            "is not CloudEvents 1.0.", field="specversion", remedy='Send an object with "specversion": "1.0".'
        )
    for name in _TEXTS:
        if not isinstance(raw.get(name), str) or not raw[name]:
            raise BadInputError("must be a non-empty string.", field=name, value=repr(raw.get(name)))
    if not isinstance(raw.get("time"), str):
        raise BadInputError("is missing.", field="time", remedy="Add the RFC 3339 instant of the event.")
    if not isinstance(raw.get("data"), dict):
        raise BadInputError(
            "must be a JSON object.", field="data", remedy="Send the event's content as an object."
        )
    return Event(
        id=raw["id"],
        source=raw["source"],
        type=raw["type"],
        subject=str(raw.get("subject", "")),
        time=parse_instant(raw["time"], "time"),
        data=raw["data"],
    )
