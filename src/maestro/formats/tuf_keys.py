"""Keys of update metadata (TUF specification, sections 2.2 and 4.2): made, read, and told apart by their bytes.

A threshold of two means two keys. Key ids are names, and PEM has many spellings of the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestro.kernel.errors import BadInputError

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

__all__ = ["generate_role_key", "key_bytes", "role_key", "role_signer"]


def key_bytes(key: Key) -> bytes:
    """The public key itself: of PEM its SubjectPublicKeyInfo, of hex what it spells, else the text.

    Raises:
        ValueError: PEM that is none.
    """
    text = str(key.keyval.get("public", ""))
    if "-----BEGIN" in text:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

        public = load_pem_public_key(text.encode())
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode()


def generate_role_key() -> tuple[bytes, bytes]:
    """A new Ed25519 pair: private (PKCS #8) and public (SubjectPublicKeyInfo), both PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
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


def role_key(pem: bytes) -> Key:
    """A public key as the root lists it, its id made from its content.

    Raises:
        BadInputError: ``bad_key``.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(pem))
    except (ValueError, TypeError) as error:
        raise _bad_key("is no public key in PEM that metadata can be signed with.") from error


def role_signer(pem: bytes) -> Signer:
    """A private key in PEM without password, ready to sign metadata.

    Raises:
        BadInputError: ``bad_key``.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        return CryptoSigner(load_pem_private_key(pem, None))
    except (ValueError, TypeError) as error:
        raise _bad_key("is no private key in PEM that metadata can be signed with.") from error


def _bad_key(message: str) -> BadInputError:
    return BadInputError(message, field="key", remedy="Make keys with 'maestro edge keygen'.", code="bad_key")
