"""Proofs as text (C2SP tlog-proof): all that somebody needs beside the entry and the log's public key."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import attrs

from maestro.audit.checkpoints import Checkpoint, open_checkpoint
from maestro.audit.hashing import leaf_hash
from maestro.audit.notes import Verifier
from maestro.audit.verification import verify_inclusion
from maestro.kernel.errors import UntrustedError

__all__ = ["InclusionProof", "encode_proof", "parse_proof", "verify_entry"]

_FIRST = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@attrs.frozen
class InclusionProof:
    """What proves one entry.

    Attributes:
        index: the place of the entry.
        hashes: the path from it to the root.
        checkpoint: the signed checkpoint that the path leads to.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes


def encode_proof(proof: InclusionProof) -> bytes:
    """The proof as text."""
    hashes = [base64.b64encode(each).decode() for each in proof.hashes]
    return "\n".join([_FIRST, f"index {proof.index}", *hashes, "", ""]).encode() + proof.checkpoint


def parse_proof(raw: bytes) -> InclusionProof:
    """Read a proof; nothing of it is trusted yet.

    Raises:
        UntrustedError: ``bad_proof``, it is none.
    """
    head, blank, checkpoint = raw.partition(b"\n\n")
    first, *lines = head.decode("utf-8", "replace").split("\n")
    if lines and lines[0].startswith("extra "):
        del lines[0]
    index = _INDEX.fullmatch(lines[0]) if lines else None
    if first != _FIRST or not blank or index is None:
        raise _malformed()
    try:
        hashes = tuple(base64.b64decode(line, validate=True) for line in lines[1:])
    except (binascii.Error, ValueError) as error:
        raise _malformed() from error
    return InclusionProof(int(index[1]), hashes, checkpoint)


def verify_entry(
    body: bytes, proof: InclusionProof, key: Verifier, *, cosigners: Sequence[Verifier] = ()
) -> Checkpoint:
    """Check that a log holds an entry; the checkpoint under which it does.

    Raises:
        UntrustedError: the checkpoint is not the log's, or the path does not lead from the entry to it.
    """
    checkpoint = open_checkpoint(proof.checkpoint, key, cosigners=cosigners)
    verify_inclusion(leaf_hash(body), proof.index, checkpoint.head, proof.hashes)
    return checkpoint


def _malformed() -> UntrustedError:
    return UntrustedError(
        "It is not a proof of an entry.", code="bad_proof", remedy="Ask the log for it again."
    )
