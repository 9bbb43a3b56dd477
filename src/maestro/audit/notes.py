"""Signed notes (C2SP signed-note): a text, and lines that sign it, by anyone.

A text is not to be used before ``require_signature`` has found the signature of a key that is trusted.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Protocol

import attrs

from maestro.kernel.errors import UntrustedError

__all__ = ["Note", "Signature", "Verifier", "is_key_name", "parse_note", "require_signature"]

NOTE_LIMIT = 1024 * 1024
"""Bytes of a note; hundreds of signatures fit."""
_KEY_ID_BYTES = 4
_DASH = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+\x00-\x1f]+")


class Verifier(Protocol):
    """A public key that may sign notes: one name, one key, one kind of signature."""

    @property
    def name(self) -> str:
        """The key's name, as signature lines spell it."""
        ...

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell keys of one name apart."""
        ...

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over the text."""
        ...


@attrs.frozen
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        """The line, without its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.data).decode()}"


@attrs.frozen
class Note:
    """A text that ends with a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The note as it is kept and sent."""
        return "".join(
            [self.text, "\n", *(f"{signature.line()}\n" for signature in self.signatures)]
        ).encode()


def is_key_name(name: str) -> bool:
    """Whether a key may be called that: not empty, no spaces, no plus, no control characters."""
    return _NAME.fullmatch(name) is not None


def parse_note(raw: bytes) -> Note:
    """Take a note apart; nothing of it is trusted yet.

    Raises:
        UntrustedError: ``bad_note``, it is not a signed note.
    """
    if len(raw) > NOTE_LIMIT:
        raise _malformed(f"it is longer than {NOTE_LIMIT} bytes")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    if _CONTROL.search(whole):
        raise _malformed("it has control characters")
    head, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise _malformed("no signatures stand after a blank line at its end; it may have been cut")
    return Note(f"{head}\n", tuple(_signature(line) for line in tail[:-1].split("\n")))


def require_signature(note: Note, key: Verifier) -> Signature:
    """The key's signature, verified. Lines of other keys are not looked at.

    Raises:
        UntrustedError: ``wrong_key``, it bears no signature of the key; ``bad_signature``, it bears a false one.
    """
    own = [one for one in note.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
    if not own:
        raise UntrustedError(
            f"It bears no signature of the key {_shown(key.name, key.key_id)}, but of {_signers(note.signatures)}.",
            code="wrong_key",
            remedy="Use the public key of the one who signed it, or get it from the log's owner again.",
        )
    text = note.text.encode()
    if not all(key.verifies(text, one.data) for one in own):
        raise UntrustedError(
            f"The signature of the key {_shown(key.name, key.key_id)} does not fit the text.",
            code="bad_signature",
            remedy="One of both was altered: get it from the log's owner again.",
        )
    return own[0]


def _signers(signatures: Iterable[Signature]) -> str:
    return ", ".join(_shown(one.name, one.key_id) for one in signatures)


def _shown(name: str, key_id: bytes) -> str:
    return f"{name}+{key_id.hex()}"


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).rpartition(" ")
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise _malformed("a line at its end is not '— NAME SIGNATURE'")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("a signature is not base64") from error
    if len(data) <= _KEY_ID_BYTES:
        raise _malformed("a signature is too short")
    return Signature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _malformed(why: str) -> UntrustedError:
    return UntrustedError(
        f"It is not a signed note: {why}.", code="bad_note", remedy="Get it from the log's owner again."
    )
