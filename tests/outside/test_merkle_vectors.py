"""Every JSON vector of transparency-dev/merkle that is about whole trees: proofs made by other hands, good and bad.

The proofs of *subtrees* are of a younger draft. An entry's proof within a subtree is one of ours, moved to its start, so
those count too; the consistency of a subtree that does not begin at entry 0 is nothing that we offer.
"""

import base64
import json

import pytest

from maestro.audit import TreeHead, verify_consistency, verify_inclusion
from maestro.kernel.errors import UntrustedError

pytestmark = pytest.mark.outside(data="merkle/testdata")


def decoded(text):
    return base64.b64decode(text or "")


def proof(case):
    return [decoded(text) for text in case["proof"] or ()]


def inclusion(case):
    head = TreeHead(case["treeSize"], decoded(case["root"]))
    verify_inclusion(decoded(case["leafHash"]), case["leafIdx"], head, proof(case))


def consistency(case):
    old = TreeHead(case["size1"], decoded(case["root1"]))
    new = TreeHead(case["size2"], decoded(case["root2"]))
    verify_consistency(old, new, proof(case))


def subtree_inclusion(case):
    start, size = case["start"], case["end"] - case["start"]
    if size > 0 and start % (1 << (size - 1).bit_length()):
        raise UntrustedError("no subtree begins there", code="bad_proof")
    head = TreeHead(size, decoded(case["root"]))
    verify_inclusion(decoded(case["leafHash"]), case["leafIdx"] - start, head, proof(case))


def subtree_consistency(case):
    old = TreeHead(case["end"], decoded(case["root1"]))
    new = TreeHead(case["size"], decoded(case["root2"]))
    verify_consistency(old, new, proof(case))


def of_whole_trees(case):
    return case["start"] == 0 and case["end"] > 0


@pytest.mark.parametrize(
    ("folder", "verify", "concerns", "good", "bad"),
    [
        ("inclusion", inclusion, lambda _: True, 6, 92),
        ("consistency", consistency, lambda _: True, 6, 92),
        ("subtreeinclusion", subtree_inclusion, lambda _: True, 12, 192),
        ("subtreeconsistency", subtree_consistency, of_whole_trees, 6, 80),
    ],
)
def test_every_vector_is_judged_as_its_authors_say(outside_data, folder, verify, concerns, good, bad):
    judged, wrong = {True: 0, False: 0}, []
    for path in sorted((outside_data / "merkle" / "testdata" / folder).rglob("*.json")):
        case = json.loads(path.read_text())
        if not concerns(case):
            continue
        try:
            verify(case)
            refused = False
        except UntrustedError as error:
            refused = error.code == "bad_proof"
        judged[refused] += 1
        if refused != case["wantErr"]:
            wrong.append(f"{path.parent.name}/{path.stem}: {case['desc']}")
    assert wrong == []
    # So many there were when this was written; fewer would mean that the walk misses some.
    assert (judged[False] >= good, judged[True] >= bad) == (True, True), judged
