"""JSON Web Signatures, compact form (RFC 7515), with the algorithms that OPA signs bundles with (RFC 7518 section 3).

A verifier is made of a key *and* its algorithm; what a token's header says chooses neither. Primitives are
``cryptography``'s, imported when first needed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import attrs

from maestro.kernel.errors import BadInputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = [
    "ALGORITHMS",
    "SigningKey",
    "Token",
    "VerifyingKey",
    "encode_token",
    "generate_pem",
    "parse_private_key",
    "parse_public_key",
    "parse_secret",
    "parse_token",
]

_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_OF_CURVE = {curve: algorithm for algorithm, curve in _CURVES.items()}
_SECRETS = ("HS256", "HS384", "HS512")
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS = (*_CURVES, *_RSA, *_SECRETS)
"""What OPA's ``keys`` configuration accepts (``v1/keys``); EdDSA is not among it."""
_LEAST_RSA_BITS = 2048
_LEAST_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_PART = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


@attrs.frozen
class Token:
    """A compact token's parts, decoded; nothing is verified yet."""

    header: bytes
    payload: bytes
    signed: bytes
    signature: bytes


@attrs.frozen(eq=False, repr=False)
class VerifyingKey:
    """A key with the one algorithm it is used with.

    Attributes:
        algorithm: one of ``ALGORITHMS``.
        fingerprint: SHA-256 of the key's bytes in hex (of the SubjectPublicKeyInfo; of a secret, its own): two names
            for the same bytes are one key.
    """

    algorithm: str
    fingerprint: str
    _material: Any

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over the message, by this key's algorithm."""
        if self.algorithm in _SECRETS:
            return hmac.compare_digest(_mac(self._material, self.algorithm, message), signature)
        from cryptography.exceptions import InvalidSignature

        try:
            _verify(self._material, self.algorithm, message, signature)
        except (InvalidSignature, ValueError):
            return False
        return True


@attrs.frozen(eq=False, repr=False)
class SigningKey:
    """A private key, or a secret, with its algorithm."""

    algorithm: str
    public: VerifyingKey
    _material: Any

    def sign(self, message: bytes) -> bytes:
        """The signature as JWS has it (RFC 7518 section 3.4 for ECDSA: r and s side by side)."""
        if self.algorithm in _SECRETS:
            return _mac(self._material, self.algorithm, message)
        return _sign(self._material, self.algorithm, message)


def parse_token(text: str) -> Token:
    """Split and decode a compact token.

    Raises:
        ValueError: not three parts of base64url without padding, in their one spelling.
    """
    parts = text.split(".")
    if len(parts) != 3:
        raise ValueError("it has not three parts")
    header, payload, signature = (_decoded(part) for part in parts)
    return Token(header, payload, f"{parts[0]}.{parts[1]}".encode(), signature)


def encode_token(header: bytes, payload: bytes, key: SigningKey) -> str:
    """A compact token signed by the key; the header must name the key's algorithm."""
    signed = f"{_encoded(header)}.{_encoded(payload)}"
    return f"{signed}.{_encoded(key.sign(signed.encode()))}"


# ---- keys ------------------------------------------------------------------------------------------------


def parse_public_key(pem: bytes, algorithm: str | None = None) -> VerifyingKey:
    """A public key from PEM (SubjectPublicKeyInfo, PKCS #1 or an X.509 certificate).

    Args:
        pem: the text.
        algorithm: what it is used with; None takes the curve's for ECDSA and RS256, OPA's default, for RSA.

    Raises:
        BadInputError: ``bad_key``: none, a private one, too short, or not fit for the algorithm.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in pem:
        raise _bad_key("is a private key.", "Give the public key; keep the private one to itself.")
    try:
        if b"BEGIN CERTIFICATE" in pem:
            from cryptography.x509 import load_pem_x509_certificate

            return _verifying(load_pem_x509_certificate(pem).public_key(), algorithm)
        return _verifying(load_pem_public_key(pem), algorithm)
    except (ValueError, TypeError) as error:
        raise _bad_key(
            "is no public key in PEM.", "Name a file that begins with -----BEGIN PUBLIC KEY-----."
        ) from error


def parse_private_key(pem: bytes, algorithm: str | None = None) -> SigningKey:
    """A private key from PEM without password (PKCS #8, PKCS #1 or SEC 1); see ``parse_public_key``."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise _bad_key(
            "is no private key in PEM without a password.",
            "Make one with 'maestro edge keygen', or name its file.",
        ) from error
    public = _verifying(key.public_key(), algorithm)
    return SigningKey(public.algorithm, public, key)


def parse_secret(secret: bytes, algorithm: str) -> SigningKey:
    """A shared secret for HS256, HS384 or HS512, as long as its hash at least (RFC 7518 section 3.2).

    Raises:
        BadInputError: ``bad_key``: too short, another algorithm, or a key in PEM: a public key is no secret.
    """
    if algorithm not in _SECRETS:
        raise _bad_key(f"is not used with {algorithm}.", f"Secrets go with {', '.join(_SECRETS)}.")
    if b"-----BEGIN" in secret:
        raise _bad_key("is a key in PEM, no secret.", "Name the key's own algorithm, as ES256.")
    if len(secret) < _LEAST_SECRET_BYTES[algorithm]:
        raise _bad_key(
            f"has {len(secret)} bytes, {_LEAST_SECRET_BYTES[algorithm]} are needed.", "Take a longer one."
        )
    public = VerifyingKey(algorithm, hashlib.sha256(secret).hexdigest(), secret)
    return SigningKey(algorithm, public, secret)


def generate_pem(algorithm: str) -> tuple[bytes, bytes]:
    """A new key pair: private (PKCS #8) and public (SubjectPublicKeyInfo), both PEM.

    Raises:
        BadInputError: no algorithm with a key pair.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    private: Any
    curves: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    if algorithm in _CURVES:
        private = ec.generate_private_key(curves[algorithm]())
    elif algorithm in _RSA:
        private = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    else:
        raise _bad_key(f"cannot be of {algorithm}.", f"Choose one of {', '.join((*_CURVES, *_RSA))}.")
    return (
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )


def _verifying(key: PublicKeyTypes, algorithm: str | None) -> VerifyingKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _OF_CURVE:
        fitting: tuple[str, ...] = (_OF_CURVE[key.curve.name],)
    elif isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        fitting = _RSA
    else:
        raise _bad_key(
            "is of a kind that OPA does not sign bundles with, or too short.",
            f"Use P-256, P-384, P-521, or RSA of {_LEAST_RSA_BITS} bits or more.",
        )
    chosen = algorithm or fitting[0]
    if chosen not in fitting:
        raise _bad_key(f"does not fit {chosen}.", f"It goes with {', '.join(fitting)}.")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return VerifyingKey(chosen, hashlib.sha256(der).hexdigest(), key)


def _bad_key(message: str, remedy: str) -> BadInputError:
    return BadInputError(message, field="key", remedy=remedy, code="bad_key")


# ---- primitives ------------------------------------------------------------------------------------------


def _mac(secret: bytes, algorithm: str, message: bytes) -> bytes:
    return hmac.digest(secret, message, f"sha{algorithm[2:]}")


def _verify(key: Any, algorithm: str, message: bytes, signature: bytes) -> None:
    if algorithm in _CURVES:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        half = (key.key_size + 7) // 8
        if len(signature) != 2 * half:
            raise ValueError("an ECDSA signature of another length")
        numbers = (int.from_bytes(part) for part in (signature[:half], signature[half:]))
        key.verify(encode_dss_signature(*numbers), message, ECDSA(_hash(algorithm)))
    else:
        key.verify(signature, message, _padding(algorithm), _hash(algorithm))


def _sign(key: Any, algorithm: str, message: bytes) -> bytes:
    if algorithm in _CURVES:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        half = (key.key_size + 7) // 8
        numbers = decode_dss_signature(key.sign(message, ECDSA(_hash(algorithm))))
        return b"".join(number.to_bytes(half) for number in numbers)
    signature: bytes = key.sign(message, _padding(algorithm), _hash(algorithm))
    return signature


def _hash(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    every: dict[str, Any] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
    return every[algorithm[2:]]()


def _padding(algorithm: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15

    if algorithm.startswith("RS"):
        return PKCS1v15()
    return PSS(MGF1(_hash(algorithm)), PSS.DIGEST_LENGTH)


def _decoded(part: str) -> bytes:
    if not _PART.fullmatch(part) or len(part) % 4 == 1:
        raise ValueError("a part is not base64url without padding")
    decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if _encoded(decoded) != part:  # bits left over: a second spelling of the same bytes
        raise ValueError("a part is not the one spelling of its bytes")
    return decoded


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
