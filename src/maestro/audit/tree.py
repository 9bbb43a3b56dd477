"""The shape of the tree: which hashes an entry completes, where each is kept, which of them make a proof.

Only hashes of *complete* subtrees are ever kept: they never change again. Entry ``i`` completes one hash on each level
from 0 (its own) up to the number of ones that the binary form of ``i`` ends with, so a store keeps those beside the
entry and has no second table that could disagree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from maestro.audit.hashing import EMPTY_ROOT, node_hash
from maestro.kernel.errors import BadInputError

__all__ = [
    "CompactRange",
    "Node",
    "ReadHashes",
    "TreeHead",
    "consistency_proof",
    "inclusion_proof",
    "subtrees",
]


class TreeHead(NamedTuple):
    """A tree: how many entries, and the hash over all of them."""

    size: int
    root: bytes


class Node(NamedTuple):
    """A complete subtree: the entries from ``number << level`` on, ``1 << level`` of them."""

    level: int
    number: int

    @property
    def kept_at(self) -> int:
        """The entry that completes it, beside which its hash is kept, as the one of number ``level``."""
        return ((self.number + 1) << self.level) - 1


ReadHashes = Callable[[Sequence[Node]], Sequence[bytes]]
"""Answers the hashes of complete subtrees, in the order asked."""


def subtrees(begin: int, end: int) -> list[Node]:
    """The complete subtrees that make up a range which the RFC's recursion meets, from left to right."""
    found = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        found.append(Node(level, begin >> level))
        begin += 1 << level
    return found


def inclusion_proof(read: ReadHashes, index: int, size: int) -> tuple[bytes, ...]:
    """``PATH(index, D[size])`` of RFC 9162 section 2.1.3.1, from O(log size) kept hashes, read at once.

    Raises:
        BadInputError: there is no such entry in a tree of that size.
    """
    if not 0 <= index < size:
        raise BadInputError(
            f"is not an entry of a log of {size}.",
            field="index",
            value=index,
            remedy="Count from 0; ask for a log that is long enough.",
        )
    begin, end, ranges = 0, size, []
    while end - begin > 1:
        split = _split(begin, end)
        if index < split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((begin, split))
            begin = split
    return _hashes(read, reversed(ranges))


def consistency_proof(read: ReadHashes, old: int, new: int) -> tuple[bytes, ...]:
    """``PROOF(old, D[new])`` of RFC 9162 section 2.1.4.1; empty when the sizes are equal.

    Raises:
        BadInputError: not 0 < old <= new.
    """
    if not 0 < old <= new:
        raise BadInputError(
            f"is not between 1 and {new}.", field="old", value=old, remedy="Ask from a size that was there."
        )
    begin, end, ranges = 0, new, []
    while old != end:
        split = _split(begin, end)
        if old <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((begin, split))
            begin = split
    if begin:
        ranges.append((begin, end))
    return _hashes(read, reversed(ranges))


class CompactRange:
    """As much of a tree as is needed to add entries: the hashes of its complete subtrees, largest first.

    Args:
        size: how many entries there are.
        peaks: the hashes of ``subtrees(0, size)``.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise BadInputError(
                f"has {len(peaks)} hashes; a tree of {size} entries has {size.bit_count()}.", field="peaks"
            )
        self.size = size
        self._peaks = list(peaks)

    def append(self, leaf: bytes) -> list[bytes]:
        """Add an entry by its leaf hash; the hashes that it completes, from level 0 upward."""
        completed, number = [leaf], self.size
        while number & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            completed.append(leaf)
            number >>= 1
        self._peaks.append(leaf)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """The hash over all entries."""
        return _fold(self._peaks) if self._peaks else EMPTY_ROOT

    def head(self) -> TreeHead:
        """Size and root."""
        return TreeHead(self.size, self.root())


def _split(begin: int, end: int) -> int:
    """Where the RFC splits a range: after the largest power of two that is smaller than it."""
    return begin + (1 << ((end - begin - 1).bit_length() - 1))


def _fold(hashes: Sequence[bytes]) -> bytes:
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def _hashes(read: ReadHashes, ranges: Iterable[tuple[int, int]]) -> tuple[bytes, ...]:
    parts = [subtrees(begin, end) for begin, end in ranges]
    kept = iter(read([node for part in parts for node in part]))
    return tuple(_fold([next(kept) for _ in part]) for part in parts)
