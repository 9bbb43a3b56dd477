"""``.signatures.json`` of OPA bundles: one JWT over the hashes of all files (openpolicyagent.org, "Signing")."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
import msgspec

from maestro.formats.jws import SigningKey, Token, encode_token, parse_token
from maestro.formats.opa_bundle import SIGNATURES
from maestro.formats.opa_manifest import check_spelling
from maestro.formats.opa_structured import hashed_bytes, parse_json, parse_number
from maestro.kernel.errors import UntrustedError

__all__ = [
    "HASHES",
    "Claims",
    "FileHash",
    "Signature",
    "parse_signatures",
    "read_claims",
    "read_signature",
    "signed",
]

HASHES: Mapping[str, str] = {
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
    "SHA-512-256": "sha512_256",
}
"""Hashes that are accepted, by OPA's name and Python's; OPA itself takes MD5 and SHA-1 too."""
_SIGNATURE_FIELDS = ("signatures", "plugin")
_CLAIM_FIELDS = ("files", "keyid", "scope", "iat", "iss", "exp", "nbf")
_HEADER_FIELDS = ("alg", "kid", "crit", "typ")
_FILE_FIELDS = ("name", "hash", "algorithm")
_FAR = 253402300799
"""The last second of year 9999; no clock shows more."""


@attrs.frozen
class Signature:
    """One token with what its header says, which is believed in nothing but which key to try."""

    token: Token
    algorithm: str
    key_id: str


@attrs.frozen
class FileHash:
    """What the signature says of one file."""

    algorithm: str
    hash: str


@attrs.frozen
class Claims:
    """A verified payload. Times are None where the claim is absent."""

    files: Mapping[str, FileHash]
    key_id: str
    scope: str
    issued_at: datetime | None
    not_before: datetime | None
    expires: datetime | None


def parse_signatures(content: bytes) -> tuple[str, ...]:
    """The tokens of a ``.signatures.json``.

    Raises:
        ValueError: it is malformed, or asks for a verifier that is not the default.
    """
    value = _object(content, SIGNATURES, _SIGNATURE_FIELDS)
    tokens = value.get("signatures")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("it has no list of signatures")
    if value.get("plugin", "") not in ("", "_default"):
        raise ValueError(f"it asks for the verifier {value['plugin']!r}")
    return tuple(tokens)


def read_signature(token: str) -> Signature:
    """Split a token and read its header.

    Raises:
        ValueError: malformed.
    """
    parsed = parse_token(token)
    header = _object(parsed.header, "the header", _HEADER_FIELDS)
    if "crit" in header:  # RFC 7515 section 4.1.11: what is not understood must be refused
        raise ValueError("the header has critical extensions")
    return Signature(parsed, _text(header, "alg"), _text(header, "kid"))


def read_claims(payload: bytes) -> Claims:
    """The claims of a payload.

    Raises:
        ValueError: malformed, a file named twice, or a time that is none.
    """
    value = _object(payload, "the payload", _CLAIM_FIELDS)
    listed = value.get("files")
    if not isinstance(listed, list):
        raise ValueError("the payload has no list of files")  # noqa: TRY004 - bad content, not a bad call
    files: dict[str, FileHash] = {}
    for each in listed:
        texts = isinstance(each, dict) and all(isinstance(each.get(name), str) for name in _FILE_FIELDS)
        if not texts or check_spelling(each, _FILE_FIELDS):
            raise ValueError("a file's entry lacks name, hash or algorithm")
        if each["name"] in files:
            raise ValueError(f"the file {each['name']!r} is named twice")
        files[each["name"]] = FileHash(each["algorithm"], each["hash"])
    return Claims(
        files,
        _text(value, "keyid"),
        _text(value, "scope"),
        *(_time(value, name) for name in ("iat", "nbf", "exp")),
    )


def signed(
    files: Mapping[str, bytes], key: SigningKey, key_id: str, claims: Mapping[str, Any]
) -> dict[str, bytes]:
    """The files with a ``.signatures.json`` over all others, as ``opa sign`` would make it.

    Args:
        files: the bundle's; an older signature is replaced.
        key: who signs.
        key_id: goes into the header as ``kid``.
        claims: further ones, as ``scope``, ``iat``, ``exp``.
    """
    rest = {name: content for name, content in files.items() if name != SIGNATURES}
    hashes = [
        {
            "name": name,
            "hash": hashlib.sha256(hashed_bytes(name, rest[name])).hexdigest(),
            "algorithm": "SHA-256",
        }
        for name in sorted(rest)
    ]
    header = msgspec.json.encode({"alg": key.algorithm, "kid": key_id, "typ": "JWT"})
    token = encode_token(header, msgspec.json.encode({"files": hashes, **claims}), key)
    return rest | {SIGNATURES: msgspec.json.encode({"signatures": [token]})}


def _object(content: bytes, what: str, names: Sequence[str]) -> dict[str, Any]:
    try:
        value = parse_json(content, what, parse_number)
    except UntrustedError as error:
        raise ValueError(error.message) from error
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no JSON object")  # noqa: TRY004 - bad content, not a bad call
    if wrong := check_spelling(value, names):
        raise ValueError(f"{what} has the field {wrong!r}")
    return value


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 - bad content, not a bad call
    return text


def _time(value: Mapping[str, Any], name: str) -> datetime | None:
    """A NumericDate (RFC 7519 section 2)."""
    seconds = value.get(name)
    if seconds is None and name not in value:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _FAR:
        raise ValueError(f"the claim {name} is no time")
    return datetime.fromtimestamp(seconds, UTC)
