"""Certificates and keys (OPA's ``crypto.x509.*`` and ``crypto.parse_private_keys``) as Go's ``crypto/x509`` shows them."""

from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

from maestro.rego.builtins.encoding import as_bytes, base64_decode
from maestro.rego.builtins.keys import KeyFormatError, pem_blocks
from maestro.rego.builtins.registry import Context, Family, object_, string
from maestro.rego.errors import BuiltinError
from maestro.rego.golang.x509 import certificate_fields, private_key_fields, request_fields
from maestro.rego.numbers import is_number
from maestro.rego.values import unkey

__all__ = ["family"]

family = Family()

_CRYPTOGRAPHY = ("cryptography",)
_BEGIN = "-----BEGIN"


def _der(text: str) -> str:
    return as_bytes(base64_decode(text)).decode("latin-1")


def _certificates(text: str) -> list[Any]:
    """From PEM, or base64 of PEM or of DER one after another."""
    if not text.startswith(_BEGIN):
        text = _der(text)
    if text.startswith(_BEGIN):
        blocks, _ = pem_blocks(text)
        for label, _ in blocks:
            if label != "CERTIFICATE":
                raise BuiltinError(f"PEM block type is '{label}', expected CERTIFICATE")
        content = b"".join(block for _, block in blocks)
    else:
        content = text.encode("latin-1")
    return [_certificate(one) for one in _sequences(content)]


def _sequences(content: bytes) -> list[bytes]:
    """The DER sequences that stand one after another."""
    found = []
    while content:
        size = _size(content)
        if size is None or size > len(content):
            raise BuiltinError("x509: malformed certificate")
        found.append(content[:size])
        content = content[size:]
    return found


def _size(content: bytes) -> int | None:
    """Octets of the DER sequence at the start, with its head (X.690 section 8.1.3)."""
    if len(content) < 2 or content[0] != 0x30:
        return None
    if content[1] < 0x80:
        return 2 + content[1]
    count = content[1] & 0x7F
    return 2 + count + int.from_bytes(content[2 : 2 + count], "big") if 0 < count <= 4 else None


def _certificate(content: bytes) -> Any:
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise BuiltinError(f"x509: malformed certificate: {error}") from error


def _shown(certificate: Any) -> dict[str, Any]:
    try:
        return certificate_fields(certificate)
    except (ValueError, OverflowError) as error:
        raise BuiltinError(f"x509: malformed certificate: {error}") from error


@family.builtin("crypto.x509.parse_certificates", modules=_CRYPTOGRAPHY)
def parse_certificates(value: Any) -> list[Any]:
    """What certificates say of themselves."""
    return [_shown(one) for one in _certificates(string(value, 1))]


# ---- chains ----------------------------------------------------------------------------------------------


@family.builtin(
    "crypto.x509.parse_and_verify_certificates", context=True, depends={"now"}, modules=_CRYPTOGRAPHY
)
def parse_and_verify(context: Context, value: Any) -> list[Any]:
    """Whether the last certificate is vouched for by the first, over those between them, now."""
    text = string(value, 1)
    return _verified(text, {"CurrentTime": context.now_ns})


@family.builtin(
    "crypto.x509.parse_and_verify_certificates_with_options",
    context=True,
    depends={"now"},
    modules=_CRYPTOGRAPHY,
)
def parse_and_verify_with_options(context: Context, value: Any, options: Any) -> list[Any]:
    """As ``parse_and_verify_certificates``, at another time, for a name or for uses."""
    text, given = string(value, 1), object_(options, 2)
    found: dict[str, Any] = {"CurrentTime": context.now_ns}
    try:
        _certificates(text)
    except BuiltinError:
        return [False, []]
    for name, item in given.items():
        found[name] = _option(name, item)
    done = _verified(text, found)
    return [done[0], [{k: v for k, v in one.items() if k != "URIStrings"} for one in done[1]]]


_USAGES = {
    "KeyUsageAny": "2.5.29.37.0",
    "KeyUsageServerAuth": "1.3.6.1.5.5.7.3.1",
    "KeyUsageClientAuth": "1.3.6.1.5.5.7.3.2",
    "KeyUsageCodeSigning": "1.3.6.1.5.5.7.3.3",
    "KeyUsageEmailProtection": "1.3.6.1.5.5.7.3.4",
    "KeyUsageIPSECEndSystem": "1.3.6.1.5.5.7.3.5",
    "KeyUsageIPSECTunnel": "1.3.6.1.5.5.7.3.6",
    "KeyUsageIPSECUser": "1.3.6.1.5.5.7.3.7",
    "KeyUsageTimeStamping": "1.3.6.1.5.5.7.3.8",
    "KeyUsageOCSPSigning": "1.3.6.1.5.5.7.3.9",
    "KeyUsageMicrosoftServerGatedCrypto": "1.3.6.1.4.1.311.10.3.3",
    "KeyUsageNetscapeServerGatedCrypto": "2.16.840.1.113730.4.1",
    "KeyUsageMicrosoftCommercialCodeSigning": "1.3.6.1.4.1.311.2.1.22",
    "KeyUsageMicrosoftKernelCodeSigning": "1.3.6.1.4.1.311.61.1.1",
}


def _option(name: Any, item: Any) -> Any:
    if name == "DNSName":
        if type(item) is not str:
            raise BuiltinError("'DNSName' should be a string")
        return item.strip('"')
    if name in {"CurrentTime", "MaxConstraintComparisons"}:
        if not is_number(item):
            raise BuiltinError(f"'{name}' should be a number")
        if type(item) is not int or not -(1 << 63) <= item < 1 << 63:
            raise BuiltinError(f"'{name}' should be a valid int64 number")
        return item
    if name == "KeyUsages":
        if type(item) not in {list, set}:
            raise BuiltinError("'KeyUsages' should be an Array or Set")
        named = [one.strip('"') for one in map(unkey, item) if type(one) is str]
        if unknown := [one for one in named if one not in _USAGES]:
            raise BuiltinError(f"invalid entries for 'KeyUsages' found: [{' '.join(unknown)}]")
        return [_USAGES[one] for one in named]
    raise BuiltinError("invalid key option")


def _verified(text: str, options: dict[str, Any]) -> list[Any]:
    try:
        found = _certificates(text)
        chain = _chain(found, options) if len(found) > 1 else None
    except BuiltinError:
        return [False, []]
    return [True, [_shown(one) for one in chain]] if chain else [False, []]


def _chain(found: list[Any], options: dict[str, Any]) -> list[Any] | None:
    """From the last certificate to the first, each issued by the next; None if there is no such way."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=options["CurrentTime"] // 1000)
    root, leaf = found[0], found[-1]
    if not _fits(leaf, options.get("DNSName", ""), options.get("KeyUsages", ["1.3.6.1.5.5.7.3.1"])):
        return None
    chain, others = [leaf], found[1:-1]
    while True:
        here = chain[-1]
        if not here.not_valid_before_utc <= at <= here.not_valid_after_utc:
            return None
        if here.fingerprint(_sha256()) == root.fingerprint(_sha256()):
            return chain
        issuer = next((one for one in [root, *others] if _issued(here, one)), None)
        if issuer is None or len(chain) > len(found):
            return None
        chain.append(issuer)
        others = [one for one in others if one is not issuer]


def _sha256() -> Any:
    from cryptography.hazmat.primitives.hashes import SHA256

    return SHA256()


def _issued(certificate: Any, issuer: Any) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    fields = certificate_fields(issuer)
    # Version 1 has no constraints; Go takes such a certificate for a root alone, which the first one is.
    return bool(fields["IsCA"] or fields["Version"] < 3)


def _fits(leaf: Any, name: str, usages: list[str]) -> bool:
    from cryptography import x509

    fields = certificate_fields(leaf)
    if name and not any(_matches(name.lower(), one.lower()) for one in fields["DNSNames"] or ()):
        return False
    try:
        own = {
            one.dotted_string for one in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        }
    except x509.ExtensionNotFound:
        return True
    return "2.5.29.37.0" in {*own, *usages} or bool(own & set(usages))


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:] and "." in name
    return name.rstrip(".") == pattern


# ---- requests and keys -----------------------------------------------------------------------------------


@family.builtin("crypto.x509.parse_certificate_request", modules=_CRYPTOGRAPHY)
def parse_certificate_request(value: Any) -> dict[str, Any]:
    """What a signing request asks for."""
    from cryptography import x509

    text = string(value, 1)
    if not text.startswith("-----BEGIN CERTIFICATE REQUEST-----"):
        text = _der(text)
    blocks, _ = pem_blocks(text)
    if blocks and blocks[0][0] != "CERTIFICATE REQUEST":
        raise BuiltinError("invalid PEM-encoded certificate signing request")
    content = blocks[0][1] if blocks else text.encode("latin-1", "replace")
    try:
        return request_fields(x509.load_der_x509_csr(content))
    except ValueError as error:
        raise BuiltinError(f"asn1: structure error: {error}") from error


def _private_keys(text: str) -> list[Any]:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    with contextlib.suppress(BuiltinError):
        text = _der(text)
    found = []
    for label, content in pem_blocks(text)[0]:
        if label in {"RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY"}:
            try:
                found.append(load_der_private_key(content, None))
            except (ValueError, TypeError) as error:
                raise BuiltinError(f"x509: failed to parse private key: {error}") from error
    return found


@family.builtin("crypto.parse_private_keys", modules=_CRYPTOGRAPHY)
def parse_private_keys(value: Any) -> Any:
    """The numbers of private keys."""
    text = string(value, 1)
    if not text:
        return None
    return [_key_fields(key) for key in _private_keys(text)]


def _key_fields(key: Any) -> Any:
    try:
        return private_key_fields(key)
    except KeyFormatError as error:
        raise BuiltinError(str(error)) from error


@family.builtin("crypto.x509.parse_rsa_private_key", modules=_CRYPTOGRAPHY)
def parse_rsa_private_key(value: Any) -> Any:
    """A private key as a JWK (RFC 7517)."""
    text = string(value, 1)
    if not text:
        raise BuiltinError("input PEM data was empty")
    if not text.startswith(_BEGIN):
        text = _der(text)
    keys = _private_keys(text)
    return _jwk(keys[0]) if keys else None


def _octets(number: int, size: int | None = None) -> str:
    content = number.to_bytes(size or (number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _jwk(key: Any) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, rsa.RSAPrivateKey):
        private = key.private_numbers()
        public = private.public_numbers
        named = {"n": public.n, "e": public.e, "d": private.d, "p": private.p, "q": private.q}
        named |= {"dp": private.dmp1, "dq": private.dmq1, "qi": private.iqmp}
        return {"kty": "RSA"} | {name: _octets(number) for name, number in named.items()}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.curve.key_size + 7) // 8
        numbers = key.private_numbers()
        point = numbers.public_numbers
        found = {"kty": "EC", "crv": f"P-{key.curve.key_size}", "d": _octets(numbers.private_value, size)}
        return found | {"x": _octets(point.x, size), "y": _octets(point.y, size)}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = [key.private_bytes_raw(), key.public_key().public_bytes_raw()]
        d, x = (base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in raw)
        return {"kty": "OKP", "crv": "Ed25519", "d": d, "x": x}
    raise BuiltinError("unsupported key type")


@family.builtin("crypto.x509.parse_keypair", modules=_CRYPTOGRAPHY)
def parse_keypair(certificate: Any, key: Any) -> dict[str, Any]:
    """A certificate with its private key, which must belong together."""
    chain = _certificates(string(certificate, 1))
    text = string(key, 1)
    if not text.startswith(_BEGIN):
        decoded = _der(text)
        wrapped = base64.b64encode(decoded.encode("latin-1")).decode()
        text = (
            decoded
            if decoded.startswith(_BEGIN)
            else f"{_BEGIN} PRIVATE KEY-----\n{wrapped}\n-----END PRIVATE KEY-----\n"
        )
    keys = _private_keys(text)
    if not keys:
        raise BuiltinError("tls: failed to find any PEM data in key input")
    if keys[0].public_key() != chain[0].public_key():
        raise BuiltinError("tls: private key does not match public key")
    shown = [_shown(one) for one in chain]
    leaf = {name: item for name, item in shown[0].items() if name != "URIStrings"}
    return {
        "Certificate": [one["Raw"] for one in shown],
        "PrivateKey": _key_fields(keys[0]),
        "SupportedSignatureAlgorithms": None,
        "OCSPStaple": None,
        "SignedCertificateTimestamps": None,
        "Leaf": leaf,
    }
