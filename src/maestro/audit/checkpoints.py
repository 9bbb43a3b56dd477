"""Checkpoints (C2SP tlog-checkpoint): what a log signs and a cosigner (C2SP tlog-cosignature) confirms."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime

import attrs

from maestro.audit.hashing import HASH_BYTES
from maestro.audit.keys import Cosigner, LogSigner
from maestro.audit.notes import Note, Verifier, parse_note, require_signature
from maestro.audit.tree import TreeHead
from maestro.audit.verification import verify_consistency
from maestro.kernel.errors import UntrustedError

__all__ = ["Checkpoint", "cosign", "issue", "open_checkpoint", "parse_checkpoint", "size_of"]

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@attrs.frozen
class Checkpoint:
    """What a checkpoint says.

    Attributes:
        origin: which log, the name of its key.
        size: how many entries it had.
        root: the hash over all of them.
        extensions: further lines, of which nothing is known.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def head(self) -> TreeHead:
        """Size and root."""
        return TreeHead(self.size, self.root)

    def text(self) -> str:
        """The lines that are signed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a note as a checkpoint; it is as trusted as the note.

    Raises:
        UntrustedError: ``bad_note``, it is none.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or "" in lines:
        raise _malformed("it has not the three lines origin, size, root")
    origin, size, encoded, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise _malformed("its second line is no number of entries")
    try:
        root = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("its root is not base64") from error
    if len(root) != HASH_BYTES:
        raise _malformed(f"its root has not {HASH_BYTES} bytes")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def size_of(raw: bytes) -> int:
    """The number of entries that a checkpoint speaks of; nothing is verified. Raises UntrustedError."""
    return parse_checkpoint(parse_note(raw).text).size


def open_checkpoint(
    raw: bytes, key: Verifier, *, cosigners: Sequence[Verifier] = (), origin: str | None = None
) -> Checkpoint:
    """Verify a signed checkpoint, then read it.

    Args:
        raw: the note.
        key: the log's.
        cosigners: keys that must all have cosigned it.
        origin: the log's name where it is not that of its key.

    Raises:
        UntrustedError: ``bad_note``; ``wrong_log``, it is another log's; ``wrong_key``, ``bad_signature``;
            ``not_cosigned``, a cosigner's signature is missing.
    """
    note = parse_note(raw)
    checkpoint = parse_checkpoint(note.text)
    expected = key.name if origin is None else origin
    if checkpoint.origin != expected:
        raise UntrustedError(
            f"It is a checkpoint of the log {checkpoint.origin!r}, not of {expected!r}.",
            code="wrong_log",
            remedy="Use the checkpoint and the public key of the same log.",
        )
    require_signature(note, key)
    for cosigner in cosigners:
        try:
            require_signature(note, cosigner)
        except UntrustedError as error:
            if error.code != "wrong_key":
                raise
            raise UntrustedError(
                f"It is not cosigned by {cosigner.name}.",
                code="not_cosigned",
                remedy="Get a cosigned checkpoint, or use the key of the one who cosigned it.",
            ) from error
    return checkpoint


def issue(
    checkpoint: Checkpoint, signer: LogSigner, *, cosigned: tuple[Cosigner, datetime] | None = None
) -> bytes:
    """Sign a checkpoint, as the log and maybe also as a cosigner at that time: the note."""
    text = checkpoint.text()
    signatures = [signer.sign(text.encode())]
    if cosigned is not None:
        cosigner, at = cosigned
        signatures.append(cosigner.sign(text.encode(), at))
    return Note(text, tuple(signatures)).encode()


def cosign(
    raw: bytes,
    key: Verifier,
    cosigner: Cosigner,
    at: datetime,
    *,
    seen: Checkpoint | None = None,
    proof: Sequence[bytes] = (),
) -> bytes:
    """Confirm a log's checkpoint as a second party: the note with one more signature.

    A cosigner that remembers what it confirmed last (``seen``) never confirms a log that forgot or changed an entry.

    Args:
        raw: the checkpoint, signed by the log.
        key: the log's public key.
        cosigner: who confirms.
        at: when.
        seen: the checkpoint of this log that the cosigner confirmed last, None for its first.
        proof: the consistency proof from ``seen`` to this one.

    Raises:
        UntrustedError: the checkpoint is not the log's, or does not go on from ``seen``; nothing was signed.
    """
    checkpoint = open_checkpoint(raw, key)
    if seen is not None and seen.size:
        verify_consistency(seen.head, checkpoint.head, proof)
    note = parse_note(raw)
    return attrs.evolve(note, signatures=(*note.signatures, cosigner.sign(note.text.encode(), at))).encode()


def _malformed(why: str) -> UntrustedError:
    return UntrustedError(
        f"It is not a checkpoint: {why}.", code="bad_note", remedy="Get it from the log's owner again."
    )
