"""Keys as text, and what they sign: vectors of other hands, and every mangling refused."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.audit import (
    Cosigner,
    CosignerKey,
    LogKey,
    LogSigner,
    Note,
    parse_cosigner,
    parse_cosigner_key,
    parse_log_key,
    parse_log_signer,
    parse_note,
)
from maestro.audit.notes import is_key_name, require_signature
from maestro.kernel.errors import BadInputError, UntrustedError

# The documentation of golang.org/x/mod/sumdb/note; Ed25519 is deterministic, so the bytes must be the same.
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
# The tests of transparency-dev/formats: a witness's public key, and a plain one that is used by a witness.
WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
PLAIN = "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6"
AT = datetime(2026, 3, 30, 10, tzinfo=UTC)
SEED = bytes(range(32))


def test_go_signs_and_verifies_as_we_do():
    signer = parse_log_signer(f"{GO_PRIVATE}\n")
    assert signer.secret() == GO_PRIVATE
    assert str(signer.key) == GO_PUBLIC
    note = Note(GO_TEXT, (signer.sign(GO_TEXT.encode()),))
    assert note.encode().decode() == f"{GO_TEXT}\n{GO_LINE}\n"
    assert parse_note(note.encode()) == note
    require_signature(note, parse_log_key(GO_PUBLIC))


def test_keys_of_real_witnesses_are_read():
    assert str(parse_cosigner_key(WITNESS)) == WITNESS
    converted = parse_cosigner_key(PLAIN)
    assert (converted.name, converted.public) == (parse_log_key(PLAIN).name, parse_log_key(PLAIN).public)
    assert converted.key_id != parse_log_key(PLAIN).key_id


def test_keys_survive_being_written():
    signer, cosigner = LogSigner("example.org/a", SEED), Cosigner("example.org/w", SEED)
    assert parse_log_key(str(signer.key)) == signer.key
    assert parse_cosigner_key(str(cosigner.key)) == cosigner.key
    assert parse_log_signer(signer.secret()).key == signer.key
    assert parse_cosigner(cosigner.secret()).key == cosigner.key
    assert parse_cosigner(signer.secret()).key.public == signer.key.public
    assert len({signer.key, parse_log_key(str(signer.key)), cosigner.key}) == 2
    assert LogKey("a", SEED) != CosignerKey("a", SEED)


def test_no_private_key_is_shown():
    secret = base64.b64encode(SEED).decode()[:20]
    for key in (LogSigner("a", SEED), Cosigner("a", SEED)):
        assert secret not in f"{key!r} {key}"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_log_key, GO_PUBLIC),
        (parse_log_signer, GO_PRIVATE),
        (parse_cosigner_key, WITNESS),
        (parse_cosigner, Cosigner("w", SEED).secret()),
    ],
)
def test_no_part_of_a_key_may_be_missing_or_changed(parse, text):
    parse(text)
    bad = [text[:at] + text[at + 1 :] for at in range(len(text))]
    bad += [text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :] for at in range(len(text))]
    for mangled in bad:
        with pytest.raises(BadInputError) as caught:
            parse(mangled)
        assert caught.value.code == "bad_key"
        assert text.split("+")[-1][:12] not in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "text", "why"),
    [
        (parse_log_key, GO_PRIVATE, "no public key"),
        (parse_log_signer, GO_PUBLIC, "no private key"),
        (parse_log_key, WITNESS, "no Ed25519 key of a log"),
        (parse_log_signer, Cosigner("w", SEED).secret(), "no Ed25519 key of a log"),
        (parse_cosigner_key, f"a+00000000+{base64.b64encode(bytes([2]) + SEED).decode()}", "of a cosigner"),
        (parse_log_key, "a+b+c!", "not base64"),
        (parse_log_key, "a+b+é", "not base64"),
        (parse_log_key, "", "no Ed25519 key"),
        (parse_log_key, f"a b+00000000+{base64.b64encode(bytes([1]) + SEED).decode()}", "no name"),
    ],
)
def test_what_is_wrong_with_a_key_is_told(parse, text, why):
    with pytest.raises(BadInputError, match=why):
        parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\x01", "a\u00a0b"])
def test_names_that_no_key_may_have(name):
    assert not is_key_name(name)
    for make in (LogKey, CosignerKey, LogSigner, Cosigner):
        with pytest.raises(BadInputError, match="cannot name a key"):
            make(name, SEED)


@pytest.mark.parametrize("make", [LogKey, CosignerKey])
def test_a_key_has_32_bytes(make):
    with pytest.raises(BadInputError, match="32 bytes"):
        make("a", SEED[1:])


def test_a_cosignature_says_when():
    cosigner = Cosigner("example.org/w", SEED)
    text = b"example.org/a\n1\nAAAA\n"
    signature = cosigner.sign(text, AT)
    assert cosigner.key.verifies(text, signature.data)
    assert cosigner.key.signed_at(signature) == AT
    assert len(signature.data) == 8 + 64
    later = (int(AT.timestamp()) + 1).to_bytes(8, "big") + signature.data[8:]
    assert not cosigner.key.verifies(text, later)
    assert not cosigner.key.verifies(text, b"\xff" * 8 + signature.data[8:])
    assert not cosigner.key.verifies(text + b"x", signature.data)
    # The same seed signing plainly is another signature: the time line separates the domains.
    assert LogSigner("example.org/w", SEED).sign(text).data != signature.data[8:]


@given(st.binary(min_size=0, max_size=100))
def test_only_the_signature_verifies(signature):
    assert not LogSigner("a", SEED).key.verifies(b"text", signature)
    assert not Cosigner("a", SEED).key.verifies(b"text", signature)


GOOD = Note("text\n", (LogSigner("a", SEED).sign(b"text\n"),)).encode().decode()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xff\xfe\n\n", "not UTF-8"),
        (b"a" * (1024 * 1024 + 1), "longer than"),
        (GOOD.replace("text", "te\tt").encode(), "control characters"),
        (b"text\n", "no signatures"),
        (b"text\n\n", "no signatures"),
        (GOOD[:-1].encode(), "no signatures"),
        (GOOD[:-20].encode(), "may have been cut"),
        (GOOD.replace("— ", "- ").encode(), "not '— NAME SIGNATURE'"),
        (GOOD.replace("— a ", "— ").encode(), "not '— NAME SIGNATURE'"),
        (GOOD.replace("— a ", "— +a ").encode(), "not '— NAME SIGNATURE'"),
        (GOOD.replace("=", "!").encode(), "not base64"),
        ("text\n\n— a AAAAAA==\n".encode(), "too short"),
    ],
)
def test_what_is_no_note_is_told(raw, why):
    with pytest.raises(UntrustedError, match=why) as caught:
        parse_note(raw)
    assert (caught.value.code, bool(caught.value.remedy)) == ("bad_note", True)


def test_text_may_have_empty_lines():
    assert parse_note(GOOD.replace("text", "a\n\nb").encode()).text == "a\n\nb\n"


def test_signatures_of_others_are_not_looked_at():
    signer, other = LogSigner("a", SEED), LogSigner("a", bytes(32))
    note = Note("text\n", (other.sign(b"another text\n"), signer.sign(b"text\n")))
    assert require_signature(note, signer.key) == note.signatures[1]
    with pytest.raises(UntrustedError, match="does not fit") as caught:
        require_signature(note, other.key)
    assert caught.value.code == "bad_signature"
    with pytest.raises(UntrustedError, match="bears no signature of the key b") as caught:
        require_signature(note, LogSigner("b", SEED).key)
    assert caught.value.code == "wrong_key"


def test_one_false_signature_of_the_key_spoils_the_note():
    signer = LogSigner("a", SEED)
    note = Note("text\n", (signer.sign(b"text\n"), signer.sign(b"another\n")))
    with pytest.raises(UntrustedError, match="does not fit"):
        require_signature(note, signer.key)
