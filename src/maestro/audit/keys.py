"""Keys as text (C2SP signed-note, as Go's ``sumdb/note`` writes them): who signs checkpoints, and who cosigns them.

A log signs as type 0x01, plain Ed25519. A cosigner signs as type 0x04, ``cosignature/v1``: the same curve over the
text *and a time*, so that a cosignature also says when. Randomness is an argument here: ``seed`` is 32 random bytes.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from hashlib import sha256
from typing import ClassVar

from maestro.audit.notes import Signature, is_key_name
from maestro.kernel.errors import BadInputError
from maestro.kernel.instants import epoch_seconds, from_epoch_seconds, require_aware

__all__ = [
    "Cosigner",
    "CosignerKey",
    "LogKey",
    "LogSigner",
    "parse_cosigner",
    "parse_cosigner_key",
    "parse_log_key",
    "parse_log_signer",
]

_ED25519 = 0x01
_COSIGNATURE = 0x04
_KEY_BYTES = 32
_TIME_BYTES = 8
_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z; the format itself goes further than any calendar."""


class _PublicKey:
    """Name and public key, and what they are called together."""

    __slots__ = ("key_id", "name", "public")
    kind: ClassVar[int]

    def __init__(self, name: str, public: bytes) -> None:
        self.name = _require_name(name)
        self.public = _require_bytes(public)
        self.key_id = _key_id(self.name, self.kind, public)

    def __str__(self) -> str:
        """The text that others verify by: ``NAME+ID+BASE64``."""
        return f"{self.name}+{self.key_id.hex()}+{_encoded(self.kind, self.public)}"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and str(other) == str(self)

    def __hash__(self) -> int:
        return hash(str(self))


class LogKey(_PublicKey):
    """The public key of a log (``Verifier``)."""

    __slots__ = ()
    kind = _ED25519

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over the text."""
        from maestro.audit.primitives import verifies

        return verifies(self.public, text, signature)


class CosignerKey(_PublicKey):
    """The public key of a cosigner (``Verifier``)."""

    __slots__ = ()
    kind = _COSIGNATURE

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over its own time and the text."""
        from maestro.audit.primitives import verifies

        seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
        if seconds > _LAST_SECOND:
            return False
        return verifies(self.public, _cosigned(seconds, text), signature[_TIME_BYTES:])

    @staticmethod
    def signed_at(signature: Signature) -> datetime:
        """The time that a verified signature tells."""
        return from_epoch_seconds(int.from_bytes(signature.data[:_TIME_BYTES], "big"))


class _PrivateKey:
    """Name and private key. Its text is a secret; ``repr`` does not show it."""

    __slots__ = ("_private", "_seed", "key_id", "name")
    kind: ClassVar[int]

    def __init__(self, name: str, seed: bytes) -> None:
        from maestro.audit.primitives import PrivateKey

        self.name = _require_name(name)
        self._seed = _require_bytes(seed)
        self._private = PrivateKey(seed)
        self.key_id = _key_id(name, self.kind, self._private.public)

    def secret(self) -> str:
        """The text to keep, in a file that nobody else may read: ``PRIVATE+KEY+NAME+ID+BASE64``."""
        return f"PRIVATE+KEY+{self.name}+{self.key_id.hex()}+{_encoded(self.kind, self._seed)}"


class LogSigner(_PrivateKey):
    """The private key of a log."""

    __slots__ = ()
    kind = _ED25519

    @property
    def key(self) -> LogKey:
        """The public key."""
        return LogKey(self.name, self._private.public)

    def sign(self, text: bytes) -> Signature:
        """Sign a note's text."""
        return Signature(self.name, self.key_id, self._private.sign(text))


class Cosigner(_PrivateKey):
    """The private key of a cosigner."""

    __slots__ = ()
    kind = _COSIGNATURE

    @property
    def key(self) -> CosignerKey:
        """The public key."""
        return CosignerKey(self.name, self._private.public)

    def sign(self, text: bytes, at: datetime) -> Signature:
        """Sign a checkpoint's text and the time."""
        seconds = epoch_seconds(require_aware(at, "at"))
        data = seconds.to_bytes(_TIME_BYTES, "big") + self._private.sign(_cosigned(seconds, text))
        return Signature(self.name, self.key_id, data)


def parse_log_key(text: str) -> LogKey:
    """Read the public key of a log. Raises BadInputError naming what is wrong."""
    name, public = _parse(text, "public key", {_ED25519})
    return LogKey(name, public)


def parse_cosigner_key(text: str) -> CosignerKey:
    """Read the public key of a cosigner, also one written as a plain Ed25519 key. Raises BadInputError."""
    name, public = _parse(text, "public key", {_ED25519, _COSIGNATURE})
    return CosignerKey(name, public)


def parse_log_signer(text: str) -> LogSigner:
    """Read the private key of a log. Raises BadInputError naming what is wrong, never the key."""
    name, seed = _parse(text, "private key", {_ED25519})
    return LogSigner(name, seed)


def parse_cosigner(text: str) -> Cosigner:
    """Read the private key of a cosigner. Raises BadInputError naming what is wrong, never the key."""
    name, seed = _parse(text, "private key", {_ED25519, _COSIGNATURE})
    return Cosigner(name, seed)


def _parse(text: str, what: str, kinds: set[int]) -> tuple[str, bytes]:
    """Name and key bytes; the key id in the text must be the right one, so that no typing error passes."""
    private = what == "private key"
    rest = text.strip()
    if rest.startswith("PRIVATE+KEY+") != private:
        raise _bad_key(what, f"it is no {what}")
    name, _, rest = rest.removeprefix("PRIVATE+KEY+").partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad_key(what, "its last part is not base64") from error
    if len(data) != _KEY_BYTES + 1 or data[0] not in kinds:
        whose = "a cosigner" if _COSIGNATURE in kinds else "a log"
        raise _bad_key(what, f"it is no Ed25519 key of {whose}")
    if not is_key_name(name):
        raise _bad_key(what, "it has no name")
    kind, key = data[0], data[1:]
    if key_id != _key_id(name, kind, _public_of(key) if private else key).hex():
        raise _bad_key(what, "its parts do not belong together")
    return name, key


def _public_of(seed: bytes) -> bytes:
    from maestro.audit.primitives import PrivateKey

    return PrivateKey(seed).public


def _key_id(name: str, kind: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def _encoded(kind: int, key: bytes) -> str:
    return base64.b64encode(bytes([kind]) + key).decode()


def _cosigned(seconds: int, text: bytes) -> bytes:
    return b"cosignature/v1\ntime %d\n" % seconds + text


def _require_name(name: str) -> str:
    if not is_key_name(name):
        raise BadInputError(
            "cannot name a key.",
            field="name",
            value=name or '""',
            remedy="Use a name without spaces and plus signs, for example example.org/node-1.",
        )
    return name


def _require_bytes(key: bytes) -> bytes:
    if len(key) != _KEY_BYTES:
        raise BadInputError(f"has not {_KEY_BYTES} bytes.", field="key")
    return key


def _bad_key(what: str, why: str) -> BadInputError:
    return BadInputError(
        f"is not usable: {why}.",
        field=what,
        remedy="Give one line as 'maestro audit keygen' writes it.",
        code="bad_key",
    )
