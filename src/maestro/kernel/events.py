"""Events: what happened, as values that an outbox keeps and delivers (CloudEvents 1.0 attributes)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

__all__ = ["Event"]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened.

    Attributes:
        id: unique within ``source``; the same happening told twice has the same id, so receivers can dedupe.
        source: URI reference of who tells it, for example ``/maestro/limits``.
        type: dotted name, for example ``mc.limits.run.admitted``.
        subject: what it is about within the source, for example ``acme/r-1``.
        time: when it happened, aware UTC.
        data: JSON-able content, fields as the documents spell them.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any]
