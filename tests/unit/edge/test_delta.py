"""A delta leads from one archive to another, byte for byte, and from nowhere else to anywhere else."""

import json
import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from edge_support.bundles import FILES, bundle, revision
from maestro import UntrustedError
from maestro.edge import delta
from maestro.formats.opa_bundle import BundleLimits, bundle_of, canonical_tar

contents = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4), st.binary(max_size=3000), max_size=4
).map(lambda files: {f"limits/{name}": content for name, content in files.items()})
BASE = bundle_of(bundle())
CHANGED = bundle_of(
    bundle(
        revision(8)
        | {"limits/data.json": b'{"users":["ann","bob"],"cap":4}', "limits/new.rego": b"package limits.new\n"}
    )
)
DELTA = delta.make(BASE, CHANGED)


def refusal(call, *arguments):
    with pytest.raises(UntrustedError) as caught:
        call(*arguments)
    assert caught.value.remedy
    return caught.value.code


def test_data_policies_and_signature_change_together():
    assert delta.apply(BASE.files, DELTA) == canonical_tar(CHANGED.files)
    read = delta.read_delta(DELTA)
    assert (read.base, read.target) == (BASE.digest, CHANGED.digest)
    assert (read.base_revision, read.revision) == ("7", "8")
    assert "frame" not in repr(read)


@given(contents, contents)
def test_any_bundle_leads_to_any_other(one, other):
    base, target = (bundle_of(files | {".manifest": FILES[".manifest"]}) for files in (one, one | other))
    assert delta.apply(base.files, delta.make(base, target)) == canonical_tar(target.files)
    assert delta.apply(target.files, delta.make(target, base)) == canonical_tar(base.files)


def test_a_small_change_in_large_data_is_a_small_delta():
    users = {f"user-{n}": {"role": "abcdef"[n % 6], "cap": n * 7919 % 100_003} for n in range(20_000)}
    base = bundle_of({".manifest": b'{"revision":"1"}', "data.json": json.dumps(users).encode()})
    users["user-500"]["cap"], users["later"] = -1, {"role": "x"}
    del users["user-9000"]
    target = bundle_of({".manifest": b'{"revision":"2"}', "data.json": json.dumps(users).encode()})
    made = delta.make(base, target)
    assert len(made) < 1500 < len(canonical_tar(target.files)) / 500
    assert delta.apply(base.files, made) == canonical_tar(target.files)


def test_another_base_is_refused():
    assert refusal(delta.apply, CHANGED.files, DELTA) == "delta_base"
    assert refusal(delta.apply, {}, DELTA) == "delta_base"


def rewritten(**header):
    """The delta with another header."""
    _, length = struct.unpack_from("<II", DELTA)
    text = json.dumps(json.loads(DELTA[8 : 8 + length]) | header).encode()
    return struct.pack("<II", 0x184D2A50, len(text)) + text + DELTA[8 + length :]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "delta_malformed"),
        (b"rubbish!!", "delta_malformed"),
        (struct.pack("<II", 0x184D2A50, 5000) + bytes(5000), "delta_malformed"),
        (struct.pack("<II", 0x184D2A50, 50), "delta_malformed"),
        (struct.pack("<II", 0x184D2A50, 2) + b"{}", "delta_malformed"),
        (struct.pack("<II", 0x184D2A50, 4) + b'"\xff\xff"', "delta_malformed"),
        (rewritten(format="other/1"), "delta_malformed"),
        (rewritten(size=-1), "delta_malformed"),
        (rewritten(size=3), "delta_malformed"),
        (rewritten(more=1), "delta_malformed"),
        (rewritten(target="sha256:0"), "digest_mismatch"),
        (rewritten(base=CHANGED.digest), "delta_base"),
        (DELTA[:-1], "delta_malformed"),
        (DELTA + b"x", "delta_malformed"),
        (DELTA + DELTA, "delta_malformed"),
        (DELTA[:-30] + bytes(30), "delta_malformed"),
    ],
)
def test_what_is_not_this_delta_is_refused(data, code):
    assert refusal(delta.apply, BASE.files, data) == code


def test_no_more_is_unpacked_than_is_allowed():
    small = BundleLimits(unpacked=2000)
    assert refusal(delta.apply, BASE.files, DELTA, small) == "archive_too_large"
    bomb = zstandard.ZstdCompressor(
        dict_data=zstandard.ZstdCompressionDict(
            canonical_tar(BASE.files), dict_type=zstandard.DICT_TYPE_RAWCONTENT
        )
    ).compress(bytes(50_000_000))
    _, length = struct.unpack_from("<II", DELTA)
    assert refusal(delta.apply, BASE.files, DELTA[: 8 + length] + bomb) == "delta_malformed"


@given(st.integers(0, len(DELTA) - 1), st.integers(1, 255))
def test_no_changed_byte_yields_another_archive(at, flip):
    changed = bytearray(DELTA)
    changed[at] ^= flip
    try:
        result = delta.apply(BASE.files, bytes(changed))
    except UntrustedError:
        return
    assert result == canonical_tar(CHANGED.files)
