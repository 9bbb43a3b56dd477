"""Checkpoints: what is signed, who cosigned, and that no second history gets a witness."""

from datetime import UTC, datetime, timedelta

import pytest

from maestro.audit import (
    Checkpoint,
    CompactRange,
    Cosigner,
    InclusionProof,
    LogSigner,
    consistency_proof,
    cosign,
    encode_proof,
    inclusion_proof,
    issue,
    leaf_hash,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    parse_proof,
    verify_entry,
)
from maestro.audit.checkpoints import size_of
from maestro.kernel.errors import UntrustedError

AT = datetime(2026, 3, 30, 10, tzinfo=UTC)
LOG, OTHER = LogSigner("example.org/a", bytes(range(32))), LogSigner("example.org/b", bytes(32))
WITNESS = Cosigner("example.org/w", bytes(32))
ROOT = leaf_hash(b"1")
ONE = Checkpoint(LOG.name, 1, ROOT)


def code_of(raw, key=LOG.key, **options):
    with pytest.raises(UntrustedError) as caught:
        open_checkpoint(raw, key, **options)
    assert caught.value.remedy
    return caught.value.code


def test_a_checkpoint_is_three_lines_that_are_signed():
    raw = issue(ONE, LOG)
    lines = "example.org/a\n1\nIhXorE4rhxwqSBieeXOMlWwIHiOsLyQVv3faGZ39kgw=\n\n— example.org/a "
    assert raw.startswith(lines.encode())
    assert parse_note(raw).text == ONE.text()
    assert open_checkpoint(raw, LOG.key) == ONE
    assert size_of(raw) == 1
    assert ONE.head == (1, ROOT)


def test_the_specification_s_own_example_is_read():
    raw = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
        "zyWE+xeMcTOAYQ8=\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs"
        "X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    ).encode()
    note = parse_note(raw)
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert note.encode() == raw
    assert WITNESS.key.signed_at(note.signatures[1]) == datetime(2023, 3, 20, 12, 25, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a\n1\n", "three lines"),
        ("a\n\nAAAA\n", "three lines"),
        ("a\n1\n{root}\n\nx\n", "three lines"),
        ("a\n01\n{root}\n", "number of entries"),
        ("a\n-1\n{root}\n", "number of entries"),
        ("a\n+1\n{root}\n", "number of entries"),
        ("a\n\u0661\n{root}\n", "number of entries"),
        ("a\n99999999999999999999\n{root}\n", "number of entries"),
        ("a\n1\n*\n", "not base64"),
        ("a\n1\nAAAA\n", "32 bytes"),
    ],
)
def test_what_is_no_checkpoint_is_told(text, why):
    with pytest.raises(UntrustedError, match=why) as caught:
        parse_checkpoint(text.replace("{root}", ONE.text().split("\n")[2]))
    assert caught.value.code == "bad_note"


def test_extension_lines_are_signed_too():
    raw = issue(Checkpoint(LOG.name, 1, ROOT, ("more",)), LOG)
    assert open_checkpoint(raw, LOG.key).extensions == ("more",)
    assert code_of(raw.replace(b"more", b"less")) == "bad_signature"


def test_another_log_another_key_and_another_text_are_told_apart():
    raw = issue(ONE, LOG)
    assert code_of(raw, OTHER.key) == "wrong_log"
    assert code_of(raw, LogSigner(LOG.name, bytes(32)).key) == "wrong_key"
    assert code_of(raw.replace(b"\n1\n", b"\n2\n")) == "bad_signature"
    assert code_of(raw, origin="example.org/c") == "wrong_log"


def test_a_cosigner_is_asked_for():
    plain = issue(ONE, LOG)
    both = cosign(plain, LOG.key, WITNESS, AT)
    assert both.startswith(plain)
    assert open_checkpoint(both, LOG.key, cosigners=[WITNESS.key]) == ONE
    assert open_checkpoint(both, LOG.key) == ONE
    assert code_of(plain, cosigners=[WITNESS.key]) == "not_cosigned"
    assert code_of(both, cosigners=[Cosigner("example.org/w", bytes([1] * 32)).key]) == "not_cosigned"
    forged = parse_note(both).signatures[1].line().encode()
    later = parse_note(cosign(issue(Checkpoint(LOG.name, 2, ROOT), LOG), LOG.key, WITNESS, AT)).signatures[1]
    assert code_of(both.replace(forged, later.line().encode()), cosigners=[WITNESS.key]) == "bad_signature"


def heads(*sizes):
    tree, rows, found = CompactRange(), [], {}
    for number in range(max(sizes)):
        rows.append(tree.append(leaf_hash(b"%d" % number)))
        found[tree.size] = Checkpoint(LOG.name, *tree.head())
    return [found[size] for size in sizes], lambda nodes: [rows[node.kept_at][node.level] for node in nodes]


def test_a_witness_confirms_only_what_goes_on_from_what_it_saw():
    (old, new), read = heads(5, 9)
    proof = consistency_proof(read, 5, 9)
    raw = cosign(issue(new, LOG), LOG.key, WITNESS, AT, seen=old, proof=proof)
    assert open_checkpoint(raw, LOG.key, cosigners=[WITNESS.key]) == new
    fork = Checkpoint(LOG.name, 9, ROOT)
    for checkpoint, seen, hashes in [(fork, old, proof), (old, new, ()), (new, old, ()), (fork, new, ())]:
        with pytest.raises(UntrustedError) as caught:
            cosign(issue(checkpoint, LOG), LOG.key, WITNESS, AT, seen=seen, proof=hashes)
        assert caught.value.code == "bad_proof"
    empty = Checkpoint(LOG.name, 0, ROOT)
    assert cosign(issue(old, LOG), LOG.key, WITNESS, AT, seen=empty)
    with pytest.raises(UntrustedError):
        cosign(issue(new, OTHER), LOG.key, WITNESS, AT + timedelta(1), seen=old, proof=proof)


def test_a_proof_is_text_that_stands_alone():
    (old,), read = heads(5)
    proof = InclusionProof(3, inclusion_proof(read, 3, 5), issue(old, LOG))
    raw = encode_proof(proof)
    assert raw.startswith(b"c2sp.org/tlog-proof@v1\nindex 3\n")
    assert parse_proof(raw) == proof
    assert parse_proof(raw.replace(b"index", b"extra AAAA\nindex", 1)) == proof
    assert verify_entry(b"3", parse_proof(raw), LOG.key) == old
    for body, key in [(b"4", LOG.key), (b"3", OTHER.key)]:
        with pytest.raises(UntrustedError):
            verify_entry(body, proof, key)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"c2sp.org/tlog-proof@v1",
        b"c2sp.org/tlog-proof@v1\n\nx",
        b"c2sp.org/tlog-proof@v2\nindex 3\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 03\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 3\n*\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 3\nAAAA\n",
    ],
)
def test_what_is_no_proof_is_told(raw):
    with pytest.raises(UntrustedError, match="not a proof") as caught:
        parse_proof(raw)
    assert caught.value.code == "bad_proof"
