"""Verifying proofs by RFC 9162 sections 2.1.3.2 and 2.1.4.2; shares no code with what makes them.

What does not verify raises, so that forgetting to look at an answer cannot pass for trust.
"""

from __future__ import annotations

from collections.abc import Sequence

from maestro.audit.hashing import HASH_BYTES, node_hash
from maestro.audit.tree import TreeHead
from maestro.kernel.errors import UntrustedError

__all__ = ["root_from_inclusion", "verify_consistency", "verify_inclusion"]


def verify_inclusion(leaf: bytes, index: int, head: TreeHead, proof: Sequence[bytes]) -> None:
    """Check that the tree holds the leaf hash at that index.

    Raises:
        UntrustedError: ``bad_proof``, the proof does not lead from the leaf to the root.
    """
    if root_from_inclusion(leaf, index, head.size, proof) != head.root:
        raise _bad("The proof does not lead from the entry to the root.")


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to.

    Raises:
        UntrustedError: ``bad_proof``, it has not the shape that index and size ask for.
    """
    if not 0 <= index < size:
        raise _bad(f"Entry {index} is not in a tree of {size}.")
    place, last, found = index, size - 1, leaf
    for sibling in _whole((leaf, *proof))[1:]:
        if not last:
            raise _bad("The proof is too long.")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise _bad("The proof is too short.")
    return found


def verify_consistency(old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> None:
    """Check that the new tree begins with all entries of the old one, unchanged and in order.

    Raises:
        UntrustedError: ``bad_proof``. An empty old tree is refused too: everything begins with nothing, so the
            answer would say nothing.
    """
    if not 0 < old.size <= new.size:
        raise _bad(f"A tree of {new.size} entries cannot be shown to go on from one of {old.size}.")
    if old.size == new.size:
        if proof or old.root != new.root:
            raise _bad("Two trees of the same size have different roots.")
        return
    path = list(_whole(proof))
    if old.size.bit_count() == 1:
        path.insert(0, old.root)
    if not path:
        raise _bad("The proof is empty.")
    if _roots(old.size - 1, new.size - 1, path) != (old.root, new.root):
        raise _bad("The proof does not lead to both roots.")


def _roots(place: int, last: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """The old and the new root that a consistency path leads to."""
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if not last:
            raise _bad("The proof is too long.")
        if place & 1 or place == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise _bad("The proof is too short.")
    return before, after


def _whole(proof: Sequence[bytes]) -> Sequence[bytes]:
    if any(len(each) != HASH_BYTES for each in proof):
        raise _bad(f"A hash has not {HASH_BYTES} bytes.")
    return proof


def _bad(message: str) -> UntrustedError:
    return UntrustedError(
        message, code="bad_proof", remedy="Ask the log for a proof between exactly these two checkpoints."
    )
