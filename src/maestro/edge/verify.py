"""Whether a bundle's archive is to be trusted: signature, coverage, roots, claims, revision. One verdict, all reasons.

Nothing in the bundle chooses how it is judged: keys, their algorithms, scope and time come from the caller.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

import attrs

from maestro.edge.trust_reasons import TrustReason
from maestro.formats.jws import VerifyingKey
from maestro.formats.opa_bundle import (
    DEFAULT_LIMITS,
    SIGNATURES,
    Bundle,
    BundleLimits,
    bundle_of,
    read_archive,
)
from maestro.formats.opa_signature import (
    HASHES,
    Claims,
    FileHash,
    Signature,
    parse_signatures,
    read_claims,
    read_signature,
)
from maestro.formats.opa_structured import hashed_bytes
from maestro.formats.reasons import BundleReason, reason_of
from maestro.kernel.errors import UntrustedError

__all__ = [
    "Expected",
    "Finding",
    "TrustedKey",
    "Verdict",
    "decimal_revision",
    "verify_archive",
    "verify_files",
]

_REVISION = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


@attrs.frozen
class TrustedKey:
    """A key under the name that tokens call it by; the empty name answers to every one."""

    id: str
    key: VerifyingKey


@attrs.frozen
class Expected:
    """What the caller holds the archive against; what is None is not checked and is told so.

    Attributes:
        scope: of the signature.
        min_revision: the oldest that is accepted.
        revision_digest: the digest already seen with exactly ``min_revision``.
        digest: what was announced for this archive.
        roots: those that the bundle may claim, or lie below.
    """

    scope: str = ""
    min_revision: int | None = None
    revision_digest: str | None = None
    digest: str | None = None
    roots: Collection[str] | None = None


@attrs.frozen
class Finding:
    """One reason with the words for this case."""

    reason: TrustReason | BundleReason
    message: str


@attrs.frozen
class Verdict:
    """What was found. ``bundle`` is there only if it is trusted.

    Attributes:
        findings: why it is not trusted, in the order of checking; empty if it is.
        revision: the manifest's, where it could be read.
        digest: of the canonical archive, where it could be read.
        file_digest: of the bytes that were given.
        not_checked: what nobody asked about, or the signature does not say.
        claims: what was signed, if the signature is valid.
        key: fingerprint of the key that signed, if it is valid.
    """

    findings: tuple[Finding, ...]
    file_digest: str
    revision: str | None = None
    digest: str | None = None
    not_checked: tuple[str, ...] = ()
    claims: Claims | None = None
    key: str | None = None
    bundle: Bundle | None = None

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.findings

    @property
    def reasons(self) -> tuple[str, ...]:
        """The codes, each once."""
        return tuple(dict.fromkeys(each.reason.value for each in self.findings))


def verify_archive(
    data: bytes,
    keys: Sequence[TrustedKey],
    *,
    at: datetime,
    expected: Expected = Expected(),
    limits: BundleLimits = DEFAULT_LIMITS,
) -> Verdict:
    """Judge a bundle by its archive alone.

    Args:
        data: a tar archive, packed with gzip or not.
        keys: those that may have signed.
        at: the instant at which it would be used.
        expected: what else it must be.
        limits: how much is read.

    Returns:
        The verdict; content is never a reason to raise.
    """
    file_digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    try:
        files = read_archive(data, limits)
    except UntrustedError as error:
        return Verdict((_finding(error),), file_digest)
    return verify_files(files, keys, at=at, expected=expected, file_digest=file_digest)


def verify_files(
    files: Mapping[str, bytes],
    keys: Sequence[TrustedKey],
    *,
    at: datetime,
    expected: Expected = Expected(),
    file_digest: str = "",
) -> Verdict:
    """Judge a bundle by its files, as a delta leaves them; see ``verify_archive``."""
    findings: list[Finding] = []
    bundle = claims = None
    try:
        bundle = bundle_of(files)
    except UntrustedError as error:
        findings.append(_finding(error))
    signer = None
    try:
        signer, claims = _open(files, keys)
    except _RefusedError as error:
        findings.append(Finding(error.reason, str(error)))
    if claims is not None:
        findings += _coverage(files, claims.files)
        findings += _claims(claims, at, expected)
    if bundle is not None:
        findings += _content(bundle, expected)
    return Verdict(
        findings=tuple(findings),
        file_digest=file_digest,
        revision=None if bundle is None else bundle.revision,
        digest=None if bundle is None else bundle.digest,
        not_checked=_not_checked(claims, expected),
        claims=claims,
        key=None if signer is None else signer.key.fingerprint,
        bundle=None if findings else bundle,
    )


def decimal_revision(revision: str) -> int | None:
    """The revision as the integer it is compared by, or None: at least 1, no sign, no leading zero, 19 digits."""
    return int(revision) if _REVISION.fullmatch(revision) else None


class _RefusedError(Exception):
    def __init__(self, reason: TrustReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def _finding(error: UntrustedError) -> Finding:
    return Finding(reason_of(error), error.message)


# ---- the signature ---------------------------------------------------------------------------------------


def _open(files: Mapping[str, bytes], keys: Sequence[TrustedKey]) -> tuple[TrustedKey, Claims]:
    """The key that signed, and what. Claims are read only after the signature over them holds."""
    if SIGNATURES not in files:
        raise _RefusedError(TrustReason.SIGNATURE_MISSING, "The bundle has no .signatures.json.")
    try:
        tokens = parse_signatures(files[SIGNATURES])
        signatures = [read_signature(token) for token in tokens[:1]]
    except ValueError as error:
        raise _RefusedError(TrustReason.SIGNATURE_MALFORMED, f".signatures.json: {error}.") from error
    if len(tokens) != 1:
        raise _RefusedError(
            TrustReason.SIGNATURE_COUNT, f".signatures.json has {len(tokens)} tokens; exactly one is read."
        )
    signer = _check_signature(signatures[0], keys)
    try:
        claims = read_claims(signatures[0].token.payload)
    except ValueError as error:
        raise _RefusedError(TrustReason.SIGNATURE_MALFORMED, f".signatures.json: {error}.") from error
    return signer, claims


def _check_signature(signature: Signature, keys: Sequence[TrustedKey]) -> TrustedKey:
    signer = _signer(signature.key_id, keys)
    if signature.algorithm != signer.key.algorithm:
        raise _RefusedError(
            TrustReason.SIGNATURE_ALGORITHM,
            f"The token says {signature.algorithm!r}; the key is for {signer.key.algorithm}.",
        )
    if not signer.key.verifies(signature.token.signed, signature.token.signature):
        raise _RefusedError(
            TrustReason.SIGNATURE_INVALID, "The signature is not the key's over this content."
        )
    return signer


def _signer(key_id: str, keys: Sequence[TrustedKey]) -> TrustedKey:
    named = [key for key in keys if key.id == key_id] or [key for key in keys if not key.id]
    if not named and not key_id and len(keys) == 1:
        return keys[0]  # a token that names no key, as `opa sign` makes without --signing-key-id
    if len(named) != 1:
        raise _RefusedError(TrustReason.KEY_UNKNOWN, f"The token names the key {key_id!r}.")
    return named[0]


def _coverage(files: Mapping[str, bytes], covered: Mapping[str, FileHash]) -> Iterator[Finding]:
    """Every file but the signature itself is covered, by a good hash, and is as it was."""
    for name in files:
        if name != SIGNATURES and name not in covered:
            yield Finding(TrustReason.FILE_NOT_COVERED, f"{name!r} is not covered by the signature.")
    for name, known in covered.items():
        if name not in files or name == SIGNATURES:
            yield Finding(TrustReason.FILE_MISSING, f"The signature covers {name!r}, which is not there.")
        elif known.algorithm not in HASHES:
            yield Finding(TrustReason.HASH_WEAK, f"{name!r} is covered by {known.algorithm!r} only.")
        elif not _is_hash_of(known, name, files[name]):
            yield Finding(TrustReason.FILE_ALTERED, f"{name!r} has not the hash that was signed.")


def _is_hash_of(known: FileHash, name: str, content: bytes) -> bool:
    try:
        found = hashlib.new(HASHES[known.algorithm], hashed_bytes(name, content)).hexdigest()
    except UntrustedError:  # a structured file that is none has no hash
        return False
    return found == known.hash.lower()


# ---- what was signed, and what it is ---------------------------------------------------------------------


def _claims(claims: Claims, at: datetime, expected: Expected) -> Iterator[Finding]:
    if claims.scope != expected.scope:
        yield Finding(
            TrustReason.SCOPE_MISMATCH,
            f"The signature is for the scope {claims.scope!r}, not {expected.scope!r}.",
        )
    if claims.expires is not None and at >= claims.expires:
        yield Finding(TrustReason.EXPIRED, f"The signature ended at {claims.expires.isoformat()}.")
    if claims.not_before is not None and at < claims.not_before:
        yield Finding(TrustReason.NOT_YET_VALID, f"The signature begins at {claims.not_before.isoformat()}.")


def _content(bundle: Bundle, expected: Expected) -> Iterator[Finding]:
    if expected.digest is not None and bundle.digest != expected.digest:
        yield Finding(
            TrustReason.DIGEST_MISMATCH, f"The content is {bundle.digest}, announced was {expected.digest}."
        )
    if expected.roots is not None:
        allowed = [root.strip("/") for root in expected.roots]
        for root in bundle.manifest.roots:
            if not any(not each or root == each or root.startswith(f"{each}/") for each in allowed):
                yield Finding(TrustReason.ROOT_NOT_ALLOWED, f"The bundle claims the root {root!r}.")
    if expected.min_revision is not None:
        yield from _revision(bundle, expected.min_revision, expected.revision_digest)


def _revision(bundle: Bundle, least: int, seen: str | None) -> Iterator[Finding]:
    number = decimal_revision(bundle.revision)
    if number is None:
        yield Finding(
            TrustReason.REVISION_NOT_COMPARABLE, f"The revision {bundle.revision!r} is no decimal integer."
        )
    elif number < least:
        yield Finding(TrustReason.REVISION_ROLLBACK, f"Revision {number} is older than {least}.")
    elif number == least and seen is not None and bundle.digest != seen:
        yield Finding(TrustReason.REVISION_CONTENT_MISMATCH, f"Revision {number} was already seen as {seen}.")


def _not_checked(claims: Claims | None, expected: Expected) -> tuple[str, ...]:
    open_questions = {
        "exp": claims is None or claims.expires is None,
        "nbf": claims is None or claims.not_before is None,
        "iat": claims is None or claims.issued_at is None,
        "revision": expected.min_revision is None,
        "digest": expected.digest is None,
        "allowedRoots": expected.roots is None,
    }
    return tuple(name for name, unchecked in open_questions.items() if unchecked)
