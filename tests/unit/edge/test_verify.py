"""Whether an archive is trusted: one signature by a configured key over everything, and what it says."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_support.bundles import (
    AT,
    FILES,
    HOUR,
    b64,
    bundle,
    packed,
    pair,
    payload_of,
    revision,
    seconds,
    signed_payload,
    signing_key,
    token_of,
    trusted,
    with_tokens,
)
from maestro.edge.trust_reasons import TrustReason
from maestro.edge.verify import Expected, TrustedKey, decimal_revision, verify_archive, verify_files
from maestro.formats import jws
from maestro.formats.opa_bundle import SIGNATURES, canonical_tar, digest


def judge(files, *keys, at=AT, **expected):
    return verify_files(files, keys or (trusted(),), at=at, expected=Expected(**expected))


def reasons(files, *keys, **options):
    return judge(files, *keys, **options).reasons


def test_a_bundle_as_it_was_signed_is_trusted():
    files = bundle(exp=seconds(AT + HOUR), nbf=seconds(AT))
    verdict = verify_archive(packed(files), [trusted()], at=AT)
    assert verdict.trusted
    assert verdict.reasons == ()
    assert verdict.revision == "7"
    assert verdict.digest == digest(files) == verdict.bundle.digest
    assert verdict.file_digest != verdict.digest
    assert verdict.claims.issued_at == AT
    assert verdict.key == trusted().key.fingerprint
    assert verdict.not_checked == ("revision", "digest", "allowedRoots")


def test_packing_changes_the_file_and_not_the_identity():
    files = bundle()
    plain, gzip = (verify_archive(data, [trusted()], at=AT) for data in (canonical_tar(files), packed(files)))
    assert plain.digest == gzip.digest
    assert plain.file_digest == plain.digest != gzip.file_digest


def test_what_nobody_says_is_told():
    verdict = judge(bundle(iat=None))
    assert verdict.not_checked == ("exp", "nbf", "iat", "revision", "digest", "allowedRoots")
    full = judge(
        bundle(exp=seconds(AT + HOUR), nbf=0), min_revision=7, digest=None, roots=[""], revision_digest=None
    )
    assert full.not_checked == ("digest",)


@pytest.mark.parametrize("algorithm", [name for name in jws.ALGORITHMS if not name.startswith("HS")])
def test_every_algorithm_of_opa(algorithm):
    files = bundle(key=signing_key(algorithm))
    assert judge(files, trusted(algorithm=algorithm)).trusted
    assert reasons(files, trusted(algorithm=algorithm, name="other")) == ("signature_invalid",)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_secret_counts_only_where_it_was_configured_as_one(algorithm):
    secret = jws.parse_secret(b"s" * 64, algorithm)
    files = bundle(key=secret)
    assert judge(files, TrustedKey("default", secret.public)).trusted
    assert reasons(files) == ("signature_algorithm",)
    other = jws.parse_secret(b"t" * 64, algorithm)
    assert reasons(files, TrustedKey("default", other.public)) == ("signature_invalid",)


def test_a_public_key_is_no_secret():
    """The classic: sign with HMAC, the public key's PEM as the secret, and say HS256."""
    forged = jws.SigningKey("HS256", trusted().key, pair()[1])
    assert reasons(bundle(key=forged)) == ("signature_algorithm",)


def test_none_is_no_algorithm():
    files = bundle()
    _, payload, _ = token_of(files).split(".")
    for name in ("none", "None", "", "ES384", "HS256"):
        header = b64(json.dumps({"alg": name, "kid": "default"}).encode())
        for tail in ("", token_of(files).split(".")[2]):
            assert reasons(with_tokens(files, f"{header}.{payload}.{tail}")) == ("signature_algorithm",)


@pytest.mark.parametrize("key_id", ["other", "", None])
def test_the_key_is_found_by_its_name(key_id):
    files = bundle()
    named = with_tokens(files, signed_payload(payload_of(files), kid=key_id))
    one = trusted("default")
    expected = () if not key_id else ("key_unknown",)
    assert reasons(named, one) == expected
    assert reasons(named, one, trusted("second", name="second")) == ("key_unknown",)
    assert reasons(named, trusted("")) == (), "the key without a name answers to every one"
    assert reasons(named, trusted(""), trusted("")) == ("key_unknown",), "two such cannot be told apart"
    assert reasons(named) == expected


def test_the_second_of_two_keys_may_sign():
    both = trusted("a", name="a"), trusted("b", name="b")
    assert reasons(bundle(key=signing_key(name="b"), key_id="b"), *both) == ()
    assert reasons(bundle(key=signing_key(name="b"), key_id="a"), *both) == ("signature_invalid",)


def test_exactly_one_token():
    files = bundle()
    assert reasons(FILES) == ("signature_missing",)
    assert reasons(with_tokens(files)) == ("signature_count",)
    assert reasons(with_tokens(files, token_of(files), token_of(files))) == ("signature_count",)
    assert reasons(with_tokens(files, token_of(files), "rubbish")) == ("signature_count",)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b'{"signatures": "x"}', b'{"signatures": [1]}', b'{"signatures": ["a.b"]}',
        b'{"signatures": ["a.b.c.d"]}', b'{"signatures": ["!.b.c"]}', b'{"signatures": ["QQ=.QQ.QQ"]}',
        b'{"signatures": ["QR.QQ.QQ"]}', b'{"signatures": ["Q.QQ.QQ"]}', b'{"signatures": ["QQ.QQ.QQ"]}',
        b'{"signatures": [], "Signatures": []}', b'{"signatures": [], "signatures": []}',
        '{"signatures": ["\u00e9.b.c"]}'.encode(),
    ],
)  # fmt: skip
def test_a_malformed_signature(content):
    expected = ("signature_count",) if content == b'{"signatures": []}' else ("signature_malformed",)
    assert reasons(bundle() | {SIGNATURES: content}) == expected


def test_another_verifier_is_not_asked():
    files = bundle()
    assert reasons(with_tokens(files, token_of(files), plugin="theirs")) == ("signature_malformed",)
    assert reasons(with_tokens(files, token_of(files), plugin="_default")) == ()


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"alg": 5}, {"kid": 5}, {"KID": "x"}, {"Alg": "none"}])
def test_a_header_with_two_readings(header):
    files = bundle()
    token = signed_payload(payload_of(files), **header)
    assert reasons(with_tokens(files, token)) == ("signature_malformed",)


@pytest.mark.parametrize(
    "payload",
    [
        b"x", b"[]", {}, {"files": 1}, {"files": [1]}, {"files": [{"name": "a", "hash": "b"}]},
        {"files": [{"name": "a", "hash": 1, "algorithm": "SHA-256"}]},
        {"files": [{"name": "a", "Name": "b", "hash": "", "algorithm": "SHA-256"}]},
        {"files": [{"name": "a", "hash": "", "algorithm": "SHA-256"}] * 2},
        {"files": [], "Files": []}, {"files": [], "scope": 1}, {"files": [], "keyid": 1},
        {"files": [], "exp": "soon"}, {"files": [], "exp": True}, {"files": [], "exp": None}, {"files": [], "nbf": -1},
        {"files": [], "iat": 1e300},
    ],
)  # fmt: skip
def test_a_malformed_payload_is_refused_though_its_signature_holds(payload):
    assert reasons(with_tokens(bundle(), signed_payload(payload))) == ("signature_malformed",)


def test_claims_of_an_invalid_signature_are_not_read():
    verdict = judge(bundle(key=signing_key(name="other"), exp=0))
    assert (verdict.reasons, verdict.claims, verdict.key, verdict.bundle) == (
        ("signature_invalid",), None, None, None,
    )  # fmt: skip


def test_every_file_is_covered_and_as_it_was():
    files = bundle()
    assert reasons(files | {"more.json": b"{}"}) == ("file_not_covered",)
    assert reasons(files | {"x.signatures.json": b"{}"}) == ("file_not_covered",)
    assert reasons(files | {"x/.signatures.json": b"{}"}) == ("signatures_second", "file_not_covered")
    without = {name: content for name, content in files.items() if not name.endswith(".rego")}
    assert reasons(without) == ("file_missing",)
    assert reasons(files | {"limits/data.json": b'{"users":["eve"],"cap":1e3}'}) == ("file_altered",)
    assert reasons(files | {"limits/data.json": b"{"}) == ("data_malformed", "file_altered")
    assert reasons(files | {"limits/limits.rego": FILES["limits/limits.rego"] + b"\n"}) == ("file_altered",)
    same = b'{"cap": 1e3,\n "users": ["ann"]}'
    assert reasons(files | {"limits/data.json": same}) == (), "white space and order of keys do not matter"


def test_the_signature_cannot_cover_itself():
    payload = payload_of(bundle())
    payload["files"].append({"name": SIGNATURES, "hash": "00", "algorithm": "SHA-256"})
    assert reasons(with_tokens(bundle(), signed_payload(payload))) == ("file_missing",)


@pytest.mark.parametrize(
    ("name", "accepted"),
    [("SHA-256", True), ("SHA-384", True), ("SHA-512", True), ("SHA-512-256", True), ("MD5", False),
     ("SHA-1", False), ("SHA-224", False), ("SHA-512-224", False), ("sha-256", False), ("", False)],
)  # fmt: skip
def test_sha_256_or_better(name, accepted):
    import hashlib

    from maestro.formats.opa_structured import hashed_bytes

    known = {"MD5": "md5", "SHA-1": "sha1", "SHA-512-256": "sha512_256", "SHA-512-224": "sha512_224"}
    function = known.get(name, name.replace("-", "").lower() or "sha256")
    payload = {
        "files": [
            {
                "name": each,
                "hash": hashlib.new(function, hashed_bytes(each, content)).hexdigest().upper(),
                "algorithm": name,
            }
            for each, content in FILES.items()
        ]
    }
    found = reasons(with_tokens(FILES, signed_payload(payload)))
    assert found == (() if accepted else ("hash_weak",))


def test_scope():
    assert reasons(bundle(scope="write")) == ("scope_mismatch",)
    assert reasons(bundle(scope="write"), scope="write") == ()
    assert reasons(bundle(), scope="write") == ("scope_mismatch",)


def test_times():
    files = bundle(nbf=seconds(AT), exp=seconds(AT + HOUR))
    tick = timedelta(seconds=1)
    assert reasons(files, at=AT - tick) == ("not_yet_valid",)
    assert reasons(files, at=AT) == reasons(files, at=AT + HOUR - tick) == ()
    assert reasons(files, at=AT + HOUR) == ("expired",)


def test_roots_that_a_source_may_claim():
    assert reasons(bundle(), roots=["limits"]) == reasons(bundle(), roots=["/"]) == ()
    assert reasons(bundle(), roots=["lim", "other"]) == ("root_not_allowed",)
    deeper = FILES | {".manifest": b'{"revision":"1","roots":["limits/a"]}'}
    files = {name: content for name, content in deeper.items() if name == ".manifest"}
    assert reasons(bundle(files), roots=["limits"]) == ()


@pytest.mark.parametrize(
    ("number", "least", "expected"),
    [("8", 7, ()), ("7", 7, ()), ("10", 9, ()), ("6", 7, ("revision_rollback",)),
     ("v7", 7, ("revision_not_comparable",)), ("07", 7, ("revision_not_comparable",)), ("+7", 7, ("revision_not_comparable",)),
     ("0", 0, ("revision_not_comparable",)), ("9" * 20, 7, ("revision_not_comparable",)), ("\u0667", 7, ("revision_not_comparable",))],
)  # fmt: skip
def test_revisions_are_compared_as_integers(number, least, expected):
    assert reasons(bundle(revision(number)), min_revision=least) == expected
    assert reasons(bundle(revision(number))) == ()


def test_one_revision_has_one_content():
    files = bundle()
    assert reasons(files, min_revision=7, revision_digest=digest(files)) == ()
    assert reasons(files, min_revision=7, revision_digest="sha256:0") == ("revision_content_mismatch",)
    assert reasons(files, min_revision=6, revision_digest="sha256:0") == ()
    assert reasons(files, digest="sha256:0") == ("digest_mismatch",)
    assert decimal_revision("12") == 12
    assert decimal_revision("") is None


def test_an_archive_that_cannot_be_read_has_a_verdict_too():
    verdict = verify_archive(b"rubbish", [trusted()], at=AT)
    assert verdict.reasons == ("archive_truncated",)
    assert (verdict.revision, verdict.digest, verdict.bundle) == (None, None, None)


def test_all_reasons_are_told():
    files = bundle(exp=seconds(AT), scope="x") | {"more": b"", ".manifest": b"{}"}
    assert reasons(files, min_revision=9) == (
        "manifest_malformed", "file_not_covered", "file_altered", "scope_mismatch", "expired",
    )  # fmt: skip
    assert all(each.meaning and each.remedy for each in TrustReason)


@given(st.data())
def test_no_byte_of_a_trusted_archive_can_be_changed_to_another_content(data):
    """Whatever is done to the archive: either it still holds the very same files, or it is refused by a reason."""
    files = bundle()
    whole = bytearray(canonical_tar(files))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    verdict = verify_archive(bytes(whole), [trusted()], at=AT)
    if verdict.trusted:
        assert verdict.bundle.data == {"limits": {"users": ["ann"], "cap": 1000}}
        assert verdict.bundle.revision == "7"
        assert verdict.bundle.files["limits/limits.rego"] == FILES["limits/limits.rego"]
