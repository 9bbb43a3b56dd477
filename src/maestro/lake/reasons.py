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
    BAD_ENVELOPE = (
        "bad_envelope",
        "The record is no change event of the form that was told.",
        "Send Debezium's JSON envelope, with or without schema.",
    )
    WRONG_TYPE = (
        "wrong_type",
        "A value is not of its column's type, or out of its range; it is never cast.",
        "Correct the producer, or register a schema that allows it.",
    )
    UNKNOWN_COLUMN = (
        "unknown_column",
        "The change has a column that the table's contract lacks; it is never dropped.",
        "Register a schema that has it, or take it out of the producer.",
    )
    UNAVAILABLE_VALUE = (
        "unavailable_value",
        "An update left a large value as it was, and the source did not tell it.",
        "ALTER TABLE … REPLICA IDENTITY FULL at the source, then send the row again.",
    )
    TOO_LATE = (
        "too_late",
        "A change of an unknown key is older than the lateness bound, so whether the key was deleted is forgotten.",
        "Raise the table's lateness, or read the row from the source again with its present version.",
    )
    CLOCK_FAR_OFF = (
        "clock_far_off",
        "The change's event time lies more than a day ahead of the reader's clock.",
        "Set the source's clock; the version alone decides the order, so the event may be sent again unchanged.",
    )
