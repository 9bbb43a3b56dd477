"""Keys of tokens, from PEM and JWK (RFC 7517), and their signatures (RFC 7518). ``cryptography`` is imported late."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection
from typing import Any

import attrs

__all__ = ["KeyFormatError", "VerificationKey", "jwk_keys", "pem_blocks", "pem_keys", "sign", "verify"]


class KeyFormatError(ValueError):
    """A key that cannot be read, or does not fit its algorithm; the message is for the policy's author."""


@attrs.frozen
class VerificationKey:
    """A key as a set names it.

    Attributes:
        key: of ``cryptography``, or the bytes of a shared secret.
        algorithm: that it may be used with alone, if the set says so.
        kid: its name in the set.
    """

    key: Any
    algorithm: str = ""
    kid: str = ""


def pem_blocks(text: str) -> tuple[list[tuple[str, bytes]], str]:
    """Every PEM block (RFC 7468) with its label, and what follows the last one."""
    found: list[tuple[str, bytes]] = []
    rest = text
    while True:
        _, begin, after = rest.partition("-----BEGIN ")
        label, dashes, body = after.partition("-----")
        content, end, following = body.partition(f"-----END {label}-----")
        if not (begin and dashes and end):
            return found, rest
        lines = [line.strip() for line in content.splitlines()]
        try:
            decoded = base64.b64decode("".join(line for line in lines if ":" not in line), validate=True)
        except ValueError:
            return found, rest
        found.append((label, decoded))
        rest = following.removeprefix("\r").removeprefix("\n")


def pem_keys(text: str) -> list[VerificationKey]:
    """The public key of one PEM block: a certificate, or a public key.

    Raises:
        KeyFormatError: neither, or more than one block.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    blocks, rest = pem_blocks(text)
    if len(blocks) > 1 or (blocks and rest):
        raise KeyFormatError("extra data after a PEM certificate block")
    label, content = blocks[0] if blocks else ("", b"")
    try:
        if label == "CERTIFICATE":
            return [VerificationKey(x509.load_der_x509_certificate(content).public_key())]
        if label == "PUBLIC KEY":
            return [VerificationKey(load_der_public_key(content))]
    except Exception as error:
        what = "certificate" if label == "CERTIFICATE" else "public key"
        raise KeyFormatError(f"failed to parse a PEM {what}: {error}") from error
    raise KeyFormatError("failed to extract a Key from the PEM certificate")


def jwk_keys(document: Any, algorithms: Collection[str] | None) -> list[VerificationKey]:
    """The keys of a JWK or JWK set.

    Args:
        document: the parsed JSON.
        algorithms: keys for others are left out; None keeps all.

    Raises:
        KeyFormatError: one of them cannot be read.
    """
    if type(document) is not dict:
        raise KeyFormatError("failed to parse a JWK key (set): not an object")
    jwks = document["keys"] if type(document.get("keys")) is list else [document]
    found = []
    for jwk in jwks:
        if type(jwk) is not dict:
            raise KeyFormatError("failed to parse a JWK key (set): not an object")
        try:
            key = _from_jwk(jwk)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise KeyFormatError(f"failed to parse a JWK key (set): {error}") from error
        algorithm, kid = jwk.get("alg", ""), jwk.get("kid", "")
        if type(algorithm) is not str or type(kid) is not str:
            raise KeyFormatError("failed to parse a JWK key (set): alg and kid must be strings")
        if algorithms is not None and algorithm and algorithm not in _KNOWN | set(algorithms):
            raise KeyFormatError(f"failed to parse a JWK key (set): unknown algorithm {algorithm}")
        if algorithms is None or not algorithm or algorithm in algorithms:
            found.append(VerificationKey(key, algorithm, kid))
    return found


_KNOWN = frozenset(
    [
        "RSA1_5",
        "RSA-OAEP",
        "RSA-OAEP-256",
        "RSA-OAEP-384",
        "RSA-OAEP-512",
        "A128KW",
        "A192KW",
        "A256KW",
        "dir",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A192KW",
        "ECDH-ES+A256KW",
        "A128GCMKW",
        "A192GCMKW",
        "A256GCMKW",
        "PBES2-HS256+A128KW",
        "PBES2-HS384+A192KW",
        "PBES2-HS512+A256KW",
        "ES256K",
        "none",
    ]
)
"""Algorithms of RFC 7518 that sign nothing here: keys for them are left out, others are malformed."""


def _octets(text: str) -> bytes:
    return base64.b64decode(
        text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True
    )


def _integer(text: str) -> int:
    return int.from_bytes(_octets(text), "big")


def _from_jwk(jwk: dict[str, Any]) -> Any:
    kind = jwk["kty"]
    if kind == "oct":
        return _octets(jwk["k"])
    if kind == "RSA":
        return _rsa(jwk)
    if kind == "EC":
        return _elliptic(jwk)
    if kind == "OKP" and jwk["crv"] == "Ed25519":
        from cryptography.hazmat.primitives.asymmetric import ed25519

        if "d" in jwk:
            return ed25519.Ed25519PrivateKey.from_private_bytes(_octets(jwk["d"]))
        return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk["x"]))
    raise ValueError(f"invalid key type from JSON ({kind})")


def _rsa(jwk: dict[str, Any]) -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    public = rsa.RSAPublicNumbers(_integer(jwk["e"]), _integer(jwk["n"]))
    if "d" not in jwk:
        return public.public_key()
    d = _integer(jwk["d"])
    if "p" in jwk and "q" in jwk:
        p, q = _integer(jwk["p"]), _integer(jwk["q"])
    else:
        p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
    dp, dq, inverse = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, inverse, public).private_key()


def _elliptic(jwk: dict[str, Any]) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    curves: dict[str, Any] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
    curve = curves[jwk["crv"]]()
    public = ec.EllipticCurvePublicNumbers(_integer(jwk["x"]), _integer(jwk["y"]), curve)
    if "d" in jwk:
        return ec.EllipticCurvePrivateNumbers(_integer(jwk["d"]), public).private_key()
    return public.public_key()


# ---- signatures ------------------------------------------------------------------------------------------


def _hash(bits: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    if bits == "256":
        return hashes.SHA256()
    return hashes.SHA384() if bits == "384" else hashes.SHA512()


def verify(key: Any, algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Whether the key made the signature by the algorithm; False too when they do not go together."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    kind, bits = algorithm[:2], algorithm[2:]
    if type(key) is bytes:
        return kind == "HS" and hmac.compare_digest(signature, hmac.digest(key, signed, f"sha{bits}"))
    try:
        _verify(_public(key), kind, bits, signed, signature)
    except (InvalidSignature, UnsupportedAlgorithm, KeyFormatError, ValueError, KeyError):
        return False
    return True


def _public(key: Any) -> Any:
    return key.public_key() if hasattr(key, "public_key") else key


def _verify(key: Any, kind: str, bits: str, signed: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if kind == "Ed" and isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, signed)
    elif kind == "ES" and isinstance(key, ec.EllipticCurvePublicKey):
        half = len(signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_hash(bits)))
    elif kind == "RS" and isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), _hash(bits))
    elif kind == "PS" and isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(_hash(bits)), padding.PSS.AUTO)
        key.verify(signature, signed, pss, _hash(bits))
    else:
        raise KeyFormatError("incorrect public key type")


def sign(key: Any, algorithm: str, content: bytes) -> bytes:
    """The signature of ``content``; elliptic ones are deterministic (RFC 6979), those of PSS are not.

    Raises:
        KeyFormatError: the key is of another kind than the algorithm.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    kind, bits = algorithm[:2], algorithm[2:]
    if kind == "HS" and type(key) is bytes:
        return hmac.digest(key, content, f"sha{bits}")
    if kind == "Ed" and isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(content)
    if kind == "RS" and isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), _hash(bits))
    if kind == "PS" and isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(_hash(bits)), padding.PSS.DIGEST_LENGTH)
        return key.sign(content, pss, _hash(bits))
    if kind == "ES" and isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(content, ec.ECDSA(_hash(bits), deterministic_signing=True)))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    raise KeyFormatError(f"a key of this kind does not sign with {algorithm}")
