"""The tree against RFC 9162's recursion, written down once more from the text."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.audit import (
    EMPTY_ROOT,
    CompactRange,
    TreeHead,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from maestro.audit.tree import Node, subtrees
from maestro.kernel.errors import BadInputError, UntrustedError

MOST = 130


def mth(entries):
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m, entries):
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m, entries, whole):
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


ENTRIES = [b"entry %d" % number for number in range(MOST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


class Kept:
    """What a store keeps: beside each entry the hashes that it completes."""

    def __init__(self, size):
        tree = CompactRange()
        self.rows = [tree.append(leaf) for leaf in LEAVES[:size]]
        self.root = tree.root()
        self.reads = 0

    def __call__(self, nodes):
        self.reads += len(nodes)
        return [self.rows[node.kept_at][node.level] for node in nodes]


ALL = Kept(MOST)


def test_known_roots():
    # RFC 6962's own example tree d0…d6 has no published hashes; these are those of transparency-dev's tests.
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    tree = CompactRange()
    for entry in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657"):
        tree.append(leaf_hash(bytes.fromhex(entry)))
    assert tree.root().hex() == "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"


@pytest.mark.parametrize("size", range(MOST + 1))
def test_root_is_the_recursion(size):
    assert Kept(size).root == mth(ENTRIES[:size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 33, 64, MOST])
def test_every_inclusion_proof_is_the_recursion_and_verifies(size):
    head = TreeHead(size, mth(ENTRIES[:size]))
    for index in range(size):
        proof = inclusion_proof(ALL, index, size)
        assert list(proof) == path(index, ENTRIES[:size])
        verify_inclusion(LEAVES[index], index, head, proof)


@pytest.mark.parametrize("new", [1, 2, 3, 7, 8, 9, 31, 33, 64, MOST])
def test_every_consistency_proof_is_the_recursion_and_verifies(new):
    head = TreeHead(new, mth(ENTRIES[:new]))
    for old in range(1, new + 1):
        proof = consistency_proof(ALL, old, new)
        assert list(proof) == subproof(old, ENTRIES[:new], True)
        verify_consistency(TreeHead(old, mth(ENTRIES[:old])), head, proof)


@given(data=st.data(), size=st.integers(1, MOST))
def test_a_changed_inclusion_proof_is_refused(data, size):
    index = data.draw(st.integers(0, size - 1))
    root, proof = mth(ENTRIES[:size]), inclusion_proof(ALL, index, size)
    verify_inclusion(LEAVES[index], index, TreeHead(size, root), proof)
    for leaf, at, head, hashes in changed(data, LEAVES[index], index, TreeHead(size, root), proof):
        with pytest.raises(UntrustedError) as caught:
            verify_inclusion(leaf, at, head, hashes)
        assert caught.value.code == "bad_proof"


def changed(data, leaf, index, head, proof):
    """The same proof of another leaf, at another index, of another root, and other proofs."""
    yield flipped(data, leaf), index, head, proof
    yield leaf, index, TreeHead(head.size, flipped(data, head.root)), proof
    yield leaf, head.size, head, proof
    yield leaf, -1, head, proof
    yield leaf, index, head, (*proof, head.root)
    if head.size > 1:
        yield leaf, index ^ 1 if index ^ 1 < head.size else index - 1, head, proof
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        yield leaf, index, head, (*proof[:at], flipped(data, proof[at]), *proof[at + 1 :])
        yield leaf, index, head, (*proof[:at], *proof[at + 1 :])
        yield leaf, index, head, (*proof[:at], proof[at][:-1], *proof[at + 1 :])


def flipped(data, value):
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    return (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")


@given(data=st.data(), new=st.integers(2, MOST))
def test_a_changed_consistency_proof_is_refused(data, new):
    old = data.draw(st.integers(1, new - 1))
    before, after = TreeHead(old, mth(ENTRIES[:old])), TreeHead(new, mth(ENTRIES[:new]))
    proof = consistency_proof(ALL, old, new)
    verify_consistency(before, after, proof)
    at = data.draw(st.integers(0, len(proof) - 1))
    for one, other, hashes in [
        (TreeHead(old, flipped(data, before.root)), after, proof),
        (before, TreeHead(new, flipped(data, after.root)), proof),
        (after, before, proof),
        (before, after, (*proof, after.root)),
        (before, after, (*proof[:at], flipped(data, proof[at]), *proof[at + 1 :])),
        (before, after, (*proof[:at], *proof[at + 1 :])),
        (before, after, (*proof[:at], proof[at] + b"\0", *proof[at + 1 :])),
    ]:
        with pytest.raises(UntrustedError) as caught:
            verify_consistency(one, other, hashes)
        assert caught.value.code == "bad_proof"


def test_trees_of_one_size_are_consistent_only_when_they_are_one():
    head = TreeHead(5, mth(ENTRIES[:5]))
    verify_consistency(head, head, ())
    for other, proof in [(TreeHead(5, EMPTY_ROOT), ()), (head, (EMPTY_ROOT,))]:
        with pytest.raises(UntrustedError, match="same size"):
            verify_consistency(head, other, proof)


def test_nothing_goes_on_from_nothing():
    with pytest.raises(UntrustedError, match="cannot be shown"):
        verify_consistency(TreeHead(0, EMPTY_ROOT), TreeHead(1, LEAVES[0]), ())


def test_a_proof_reads_few_hashes():
    reader = Kept(MOST)
    for index in range(MOST):
        reader.reads = 0
        inclusion_proof(reader, index, MOST)
        assert reader.reads <= 2 * MOST.bit_length()


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_there_is_no_proof_of_what_is_not_there(index, size):
    with pytest.raises(BadInputError, match="is not an entry"):
        inclusion_proof(ALL, index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5), (-1, 5)])
def test_there_is_no_proof_between_what_is_not_there(old, new):
    with pytest.raises(BadInputError, match="is not between"):
        consistency_proof(ALL, old, new)


@given(size=st.integers(0, MOST))
def test_a_tree_goes_on_from_its_peaks(size):
    peaks = ALL(subtrees(0, size))
    tree = CompactRange(size, peaks)
    for leaf in LEAVES[size:]:
        tree.append(leaf)
    assert tree.head() == TreeHead(MOST, ALL.root)


def test_peaks_must_be_those_of_the_size():
    with pytest.raises(BadInputError, match="a tree of 5 entries has 2"):
        CompactRange(5, [EMPTY_ROOT])


def test_where_a_hash_is_kept():
    assert Node(0, 4).kept_at == 4
    assert Node(2, 1).kept_at == 7
