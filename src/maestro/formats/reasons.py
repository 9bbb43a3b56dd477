"""Why the bytes of a bundle are refused before anybody asks who signed them: codes, meaning, remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from maestro.kernel.errors import UntrustedError

__all__ = ["BundleReason", "reason_of", "refused"]

_REBUILD = "Build the bundle again, with 'maestro edge publish' or 'opa build'."


class BundleReason(StrEnum):
    """Why the bytes of a bundle are refused: archive, names, manifest and data."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """A member whose value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    ARCHIVE_TOO_LARGE = (
        "archive_too_large",
        "The archive, one of its files or what it unpacks to is larger than allowed; gzip bombs end here.",
        "Publish less, or raise the limits where the bundle is read.",
    )
    ARCHIVE_TOO_MANY_FILES = (
        "archive_too_many_files",
        "The archive has more entries than allowed.",
        "Publish fewer files, or raise the limits where the bundle is read.",
    )
    ARCHIVE_TRUNCATED = (
        "archive_truncated",
        "The archive ends before its end mark.",
        "Fetch it again.",
    )
    ARCHIVE_MALFORMED = (
        "archive_malformed",
        "The bytes are no gzip or no tar archive of the strict kind that is read.",
        _REBUILD,
    )
    ARCHIVE_TRAILING = (
        "archive_trailing",
        "Bytes stand after the end of the archive, where two readers may see two bundles.",
        _REBUILD,
    )
    ENTRY_LINK = (
        "entry_link",
        "The archive has a symbolic or hard link.",
        "Put the file itself into the bundle.",
    )
    ENTRY_KIND = (
        "entry_kind",
        "The archive has an entry that is neither a plain file nor a folder.",
        "Put plain files into the bundle.",
    )
    ENTRY_NAME = (
        "entry_name",
        "A file's name leaves the bundle (..), is absolute, or is no plain UTF-8 path.",
        "Name files by their path inside the bundle.",
    )
    ENTRY_DUPLICATE = (
        "entry_duplicate",
        "Two entries have the same name.",
        _REBUILD,
    )
    MANIFEST_MISSING = (
        "manifest_missing",
        "The bundle has no .manifest, so nothing says what it is.",
        "Add one with a revision and roots.",
    )
    MANIFEST_MALFORMED = (
        "manifest_malformed",
        "The .manifest is no strict JSON object with a revision and roots.",
        _REBUILD,
    )
    MANIFEST_SECOND = (
        "manifest_second",
        "The bundle has a second manifest, in another folder or as protobuf; readers may pick either.",
        "Keep the one .manifest at the root.",
    )
    SIGNATURES_SECOND = (
        "signatures_second",
        "A .signatures.json stands in a folder of the bundle; readers may take it for the signature.",
        "Keep the one .signatures.json at the root.",
    )
    DELTA_IN_BUNDLE = (
        "delta_in_bundle",
        "A patch.json makes this an OPA delta bundle, which cannot be signed.",
        "Publish a snapshot; deltas of 'maestro edge delta' are made beside it.",
    )
    ROOTS_OVERLAP = (
        "roots_overlap",
        "Two roots of the manifest overlap.",
        "Keep the shorter one.",
    )
    OUTSIDE_ROOTS = (
        "outside_roots",
        "Data or a policy stands outside the roots that the manifest claims.",
        "Add the root, or move the file.",
    )
    DATA_MALFORMED = (
        "data_malformed",
        "A data file is no strict JSON or YAML: bad syntax, a key twice, no UTF-8, not a finite number.",
        "Correct the file.",
    )
    DATA_CONFLICT = (
        "data_conflict",
        "Two data files say different things about the same path.",
        "Keep one of them.",
    )
    POLICY_MALFORMED = (
        "policy_malformed",
        "A Rego file does not begin with its package.",
        "Correct the file; 'opa check' finds the place.",
    )


def refused(reason: BundleReason, message: str) -> UntrustedError:
    """The error that says so."""
    return UntrustedError(message, code=reason.value, remedy=reason.remedy)


def reason_of(error: UntrustedError) -> BundleReason:
    """The reason of an error that ``refused`` made."""
    return _BY_CODE[error.code]


_BY_CODE = {each.value: each for each in BundleReason}
