"""Why a bundle, or what vouches for it, is not trusted: the stable codes, their meaning and remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["TrustReason"]

_ATTACK = "Somebody changed it on the way, or the publisher's key is not yours: keep it as evidence, fetch it again."
_SIGN = "Sign the bundle with 'maestro edge publish', or with 'opa sign' and one key."


class TrustReason(StrEnum):
    """Why a bundle that can be read is not trusted: signature, coverage, claims, revision, update metadata."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """A member whose value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    SIGNATURE_MISSING = ("signature_missing", "The bundle has no .signatures.json.", _SIGN)
    SIGNATURE_COUNT = (
        "signature_count",
        "The .signatures.json has not exactly one token.",
        _SIGN,
    )
    SIGNATURE_MALFORMED = (
        "signature_malformed",
        "The signature's file, token, header or payload is malformed, or has two readings.",
        _SIGN,
    )
    SIGNATURE_ALGORITHM = (
        "signature_algorithm",
        "The token names another algorithm than the configured key's: none, a weaker one, a secret for a public key.",
        "The key decides the algorithm. Correct its configuration, or sign with the key that is configured.",
    )
    KEY_UNKNOWN = (
        "key_unknown",
        "The token names a key that is not configured.",
        "Configure the key, or sign with one that is.",
    )
    KEYS_TOO_FEW = (
        "keys_too_few",
        "Fewer distinct keys than required vouch; the same bytes under two names are one key.",
        "Configure, or sign with, as many different keys as the threshold says.",
    )
    SIGNATURE_INVALID = (
        "signature_invalid",
        "The signature is not the key's over this content.",
        _ATTACK,
    )
    FILE_NOT_COVERED = (
        "file_not_covered",
        "The archive has a file that the signature does not cover; exclude_files is not honoured.",
        "Sign the whole bundle, or take the file out.",
    )
    FILE_MISSING = (
        "file_missing",
        "The signature covers a file that the archive does not have.",
        _ATTACK,
    )
    FILE_ALTERED = (
        "file_altered",
        "A file has not the hash that was signed.",
        _ATTACK,
    )
    HASH_WEAK = (
        "hash_weak",
        "A file is covered by a hash that is weaker than SHA-256, or unknown.",
        "Sign with SHA-256 or better; 'opa sign' does.",
    )
    SCOPE_MISMATCH = (
        "scope_mismatch",
        "The signature is for another scope.",
        "Sign for this scope, or verify with the one it is for.",
    )
    ROOT_NOT_ALLOWED = (
        "root_not_allowed",
        "The bundle claims a root that this edge does not give to its source.",
        "Narrow the bundle's roots, or allow this one.",
    )
    EXPIRED = (
        "expired",
        "The signed time until which the bundle may be used has passed.",
        "Publish it again.",
    )
    NOT_YET_VALID = (
        "not_yet_valid",
        "The signed time from which the bundle may be used has not come.",
        "Wait for it, or set the clock right.",
    )
    DIGEST_MISMATCH = (
        "digest_mismatch",
        "The content is not the one that was announced.",
        "Fetch it again; a delta is replaced by the full snapshot.",
    )
    REVISION_NOT_COMPARABLE = (
        "revision_not_comparable",
        "The revision is no decimal integer, so newer and older cannot be told apart.",
        "Publish decimal revisions, or choose another ordering for this source.",
    )
    REVISION_ROLLBACK = (
        "revision_rollback",
        "The revision is older than one that was already seen.",
        "Publish what should hold under a new, higher revision.",
    )
    REVISION_CONTENT_MISMATCH = (
        "revision_content_mismatch",
        "The revision was already seen with other content.",
        "Give each content its own revision.",
    )
    METADATA_MALFORMED = (
        "metadata_malformed",
        "Update metadata (TUF) cannot be read.",
        "Fetch it again; publish it again where that does not help.",
    )
    METADATA_TOO_LARGE = (
        "metadata_too_large",
        "Update metadata is larger than is read.",
        "Publish fewer targets, or raise the limit.",
    )
    METADATA_ROLLBACK = (
        "metadata_rollback",
        "Update metadata is older than what was already seen.",
        "A mirror serves an old copy, or somebody replays one: fetch elsewhere. After a key was lost, rotate the root.",
    )
    METADATA_EXPIRED = (
        "metadata_expired",
        "Update metadata is past its expiry: the source is frozen, or nobody publishes.",
        "Run 'maestro edge refresh' at the publisher.",
    )
    METADATA_MISMATCH = (
        "metadata_mismatch",
        "Update metadata is not what the level above announces: version, length or hash.",
        "The mirror mixes two states: fetch again.",
    )
    TARGET_MISSING = (
        "target_missing",
        "The update metadata names no bundle, or none that can be read from its custom data.",
        "Publish one.",
    )
    DELTA_MALFORMED = (
        "delta_malformed",
        "The delta cannot be read or leads outside its base.",
        "Fetch the full snapshot.",
    )
    DELTA_BASE = (
        "delta_base",
        "The delta is for another base.",
        "Fetch the full snapshot, or apply the delta to its base.",
    )
