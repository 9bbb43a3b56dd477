"""What may be wrong with a log: the stable codes, their meaning and remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["AuditReason"]


class AuditReason(StrEnum):
    """A reason code of ``maestro audit verify`` with its documentation."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """A member whose value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    ENTRY_ALTERED = (
        "entry_altered",
        "An entry does not have the hash that was kept of it.",
        "Keep the file as evidence; restore the log from a copy that verifies.",
    )
    ENTRY_OUT_OF_PLACE = (
        "entry_out_of_place",
        "An entry does not stand where it says: entries were dropped, added or reordered.",
        "Keep the file as evidence; restore the log from a copy that verifies.",
    )
    NOT_AS_SIGNED = (
        "not_as_signed",
        "The entries do not have the root that was signed, though each has the hash kept of it.",
        "Keep the file as evidence; restore the log from a copy that verifies.",
    )
    ENTRIES_MISSING = (
        "entries_missing",
        "The log ends before the entries that its own checkpoint covers.",
        "Keep the file as evidence; restore the log from a copy that verifies.",
    )
    ENTRIES_UNSIGNED = (
        "entries_unsigned",
        "Entries stand after those that the log's checkpoint covers.",
        "Do not trust them: the log signs what it keeps in the same step.",
    )
    LOG_CUT = (
        "log_cut",
        "The file ends in the middle of a record.",
        "Get the whole file again, or export the log again.",
    )
    LOG_DAMAGED = (
        "log_damaged",
        "The file cannot be read to its end.",
        "Restore it from a backup; what was read before is told.",
    )
    NO_CHECKPOINT = (
        "no_checkpoint",
        "The log has no signed checkpoint, so nothing says what it should hold.",
        "Name the file that the log is kept in; an empty log has nothing to verify.",
    )
    OTHER_LOG = (
        "other_log",
        "The file does not hold the log that the key is of.",
        "Use the public key and the file of the same log.",
    )
    TRUNCATED = (
        "truncated",
        "A checkpoint kept elsewhere covers more entries than the log has.",
        "Entries at its end are gone, or this is an old copy: restore the newest.",
    )
    FORKED = (
        "forked",
        "The log and a checkpoint kept elsewhere, both signed, tell different histories.",
        "Keep both as evidence: who holds the log's key signed two histories.",
    )
