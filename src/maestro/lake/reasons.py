"""Why an event is quarantined: the stable codes, their meaning and remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["PoisonReason"]


class PoisonReason(StrEnum):
    """A reason code with its documentation (``docs/reference/reasons.md`` is made from it)."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """A member whose value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    NULL_KEY = (
        "null_key",
        "A key column of the change is null, so it names no row.",
        "Correct the producer, then send the change again with a newer version.",
    )
    UNKNOWN_OP = (
        "unknown_op",
        "The operation is none of c, r, u, d, t.",
        "Correct the producer, or map its operations onto these five.",
    )
    NO_VERSION = (
        "no_version",
        "The change has no source order (_version is null or negative), so it cannot be ordered.",
        "Give each change its LSN, offset or sequence number.",
    )
    PARTITION_CHANGED = (
        "partition_changed",
        "The change moves a row to another partition, which the table's declaration rules out.",
        "Declare a column that is fixed at insert, or delete the row and insert it under a new key.",
    )
    NO_PARTITION = (
        "no_partition",
        "A change with a full row has null in the partition column.",
        "Fill the column at the source, or declare another one.",
    )
    CLOCK_FAR_OFF = (
        "clock_far_off",
        "The change's event time lies more than a day ahead of the reader's clock.",
        "Set the source's clock; the version alone decides the order, so the event may be sent again unchanged.",
    )
