"""Verify an exported audit log without Maestro: Python's standard library and `cryptography`, nothing else.

    python verify_export.py EXPORT PUBLIC_KEY [CHECKPOINT_KEPT_ELSEWHERE]

Exit 0: every entry is as it was signed. Exit 3: not, and the first line says why.

The file is JSON lines: a header with the log's signed checkpoint (C2SP signed-note and tlog-checkpoint), then one line
for each entry, {"leaf":"HASH","entry":ENTRY}. The bytes of ENTRY are the leaves of a Merkle tree (RFC 9162); its root
stands in the checkpoint. HASH only helps to find the first bad entry: nothing is trusted because of it.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BETWEEN = b'","entry":'
LEAF, ENTRY = slice(9, 53), slice(63, -2)


def sha256(data):
    return hashlib.sha256(data).digest()


def open_checkpoint(note, key):
    """Size and root of a signed checkpoint: its signature first, then its text."""
    name, key_id, encoded = key.strip().split("+", 2)
    kind_and_public = base64.b64decode(encoded)
    known = sha256(name.encode() + b"\n" + kind_and_public)[:4]
    if kind_and_public[:1] != b"\x01" or known.hex() != key_id:
        raise SystemExit("the key is no Ed25519 key of a log")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        _, signer, signature = line.split(" ")
        raw = base64.b64decode(signature)
        if (signer, raw[:4]) == (name, known):
            Ed25519PublicKey.from_public_bytes(kind_and_public[1:]).verify(raw[4:], text.encode())
            origin, size, root = text.splitlines()[:3]
            if origin != name:
                raise ValueError(f"the checkpoint is of the log {origin}, not of {name}")
            return int(size), base64.b64decode(root)
    raise ValueError(f"the checkpoint is not signed by {name}+{key_id}")


def root_of(peaks):
    """The root over complete subtrees, largest first."""
    root = peaks[-1] if peaks else sha256(b"")
    for left in reversed(peaks[:-1]):
        root = sha256(b"\x01" + left + root)
    return root


def verify(export, key, elsewhere=None):
    """The number of entries, all of them as signed. Raises ValueError that says what is wrong."""
    with Path(export).open("rb") as file:
        size, signed = open_checkpoint(json.loads(file.readline())["checkpoint"] or "", key)
        kept_size, kept = open_checkpoint(elsewhere, key) if elsewhere else (size, signed)
        peaks, count, suspect, root_then = [], 0, None, None
        for line in file:
            if line[LEAF.stop : ENTRY.start] != BETWEEN or not line.endswith(b"}\n"):
                raise ValueError(f"entry {count} is cut or is no record")
            node = sha256(b"\x00" + line[ENTRY])
            entry = json.loads(line[ENTRY])
            if suspect is None and (base64.b64decode(line[LEAF]) != node or entry["sequence"] != count):
                suspect = count
            number, count = count, count + 1
            while number & 1:
                node, number = sha256(b"\x01" + peaks.pop() + node), number >> 1
            peaks.append(node)
            root_then = root_of(peaks) if count == kept_size else root_then
    if suspect is not None:
        raise ValueError(f"entry {suspect} was altered, or does not stand where it was signed")
    if (count, root_of(peaks)) != (size, signed):
        raise ValueError(f"the {count} entries are not the {size} that were signed")
    if (kept_size, kept) != (size, signed) and root_then != kept:
        raise ValueError("the checkpoint kept elsewhere is of a longer log, or of another history")
    return count


if __name__ == "__main__":
    try:
        kept_note = Path(sys.argv[3]).read_text("utf-8") if len(sys.argv) > 3 else None
        print(
            f"OK: {verify(sys.argv[1], Path(sys.argv[2]).read_text('utf-8'), kept_note)} entries are as they were signed"
        )
    except (ValueError, KeyError, InvalidSignature) as fault:
        print(f"NOT OK: {str(fault) or 'the signature of the checkpoint is false'}")
        sys.exit(3)
