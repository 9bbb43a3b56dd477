"""OPA bundles: one canonical archive for the same files, and a reason for everything that could be read two ways."""

import gzip
import io
import tarfile
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro import UntrustedError
from maestro.formats import opa_bundle, ustar
from maestro.formats.opa_bundle import BundleLimits, bundle_of, canonical_tar, digest, gzipped, read_bundle
from maestro.formats.reasons import BundleReason

MANIFEST = b'{"revision":"7","roots":["limits"]}'
FILES = {
    ".manifest": MANIFEST,
    "limits/data.json": b'{"cap": 3}',
    "limits/policy.rego": b"# what for\npackage limits.caps\n",
    "plan.json": b"{}",
}
names = st.lists(
    st.text("abcé.-_ ", min_size=1, max_size=60).filter(lambda step: step not in {".", ".."}),
    min_size=1,
    max_size=4,
).map("/".join)


def archive(*entries, **options):
    """A tar archive by the standard library: (name, content) or whole TarInfo."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=options.get("format", tarfile.USTAR_FORMAT)) as tar:
        for entry, content in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def entry(name, **fields):
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def reason_of(call, *arguments, **named):
    with pytest.raises(UntrustedError) as caught:
        call(*arguments, **named)
    assert caught.value.remedy
    return BundleReason(caught.value.code)


def test_a_bundle_tells_what_it_holds():
    bundle = read_bundle(gzipped(canonical_tar(FILES)))
    assert bundle.revision == "7"
    assert bundle.manifest.roots == ("limits",)
    assert bundle.manifest.raw == MANIFEST
    assert bundle.data == {"limits": {"cap": 3}}
    assert bundle.plan == b"{}"
    assert bundle.signatures is None
    assert list(bundle.files) == sorted(FILES)
    assert bundle.digest == digest(FILES)


@given(st.dictionaries(names, st.binary(max_size=700), max_size=6))
def test_the_canonical_archive_is_read_alike_by_us_and_by_tarfile(files):
    files = {name: content for name, content in files.items() if ustar.fits(name)}
    packed = canonical_tar(files)
    assert packed == canonical_tar(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        theirs = {info.name: tar.extractfile(info).read() for info in tar}
        assert {(info.mtime, info.uid, info.gid, info.mode) for info in tar} <= {(0, 0, 0, 0o644)}
    assert theirs == files
    ours = {
        name: bytes(content) for name, content in ustar.read_tar(packed, most_files=99, most_bytes=1 << 20)
    }
    assert ours == files
    assert list(ours) == sorted(files, key=str.encode)


@given(st.dictionaries(names, st.binary(max_size=700), max_size=6), st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))  # fmt: skip
def test_archives_of_other_tools_are_read_as_they_read_them(files, kind):
    files = {name: content for name, content in files.items() if len(name.encode()) <= 100}
    packed = archive(*files.items(), format=kind)
    found = ustar.read_tar(packed, most_files=99, most_bytes=1 << 20)
    assert {name: bytes(content) for name, content in found} == files


@given(st.binary(max_size=2000), st.integers(0, 4000), st.binary(min_size=1, max_size=8))
def test_no_damage_makes_the_reader_fail_otherwise_than_by_a_reason(junk, at, change):
    packed = bytearray(canonical_tar(FILES))
    packed[at : at + len(change)] = change
    for data in (junk, bytes(packed), b"\x1f\x8b" + junk, gzipped(bytes(packed))):
        with suppress(UntrustedError):
            read_bundle(data)


def test_a_name_that_no_archive_can_hold_is_not_written():
    assert reason_of(canonical_tar, {"a" * 101: b""}) is BundleReason.ENTRY_NAME


def test_leading_slash_and_dot_are_no_part_of_a_name():
    packed = archive(("/.manifest", MANIFEST), (entry("./", type=tarfile.DIRTYPE), b""), ("./limits/x", b"1"))
    assert list(read_bundle(packed).files) == [".manifest", "limits/x"]


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../b", "a//b", "//etc/passwd", "a/./b", "a\\b", "a\nb", "", "a" * 101, "b" * 120 + "/" + "c" * 120 + "/d" * 20],
)  # fmt: skip
def test_names_that_leave_the_bundle_are_refused(name):
    assert reason_of(bundle_of, {".manifest": MANIFEST, name: b""}) is BundleReason.ENTRY_NAME


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (entry("l", type=tarfile.SYMTYPE, linkname="/etc/passwd"), BundleReason.ENTRY_LINK),
        (entry("l", type=tarfile.LNKTYPE, linkname=".manifest"), BundleReason.ENTRY_LINK),
        (entry("d", type=tarfile.CHRTYPE), BundleReason.ENTRY_KIND),
        (entry("f", type=tarfile.FIFOTYPE), BundleReason.ENTRY_KIND),
        (entry("../x"), BundleReason.ENTRY_NAME),
        (entry("limits/../../x"), BundleReason.ENTRY_NAME),
        (entry("/.manifest"), BundleReason.ENTRY_DUPLICATE),
        (entry("g", type=b"g"), BundleReason.ENTRY_KIND),
        (entry("s", type=b"S"), BundleReason.ENTRY_KIND),
    ],
)
def test_entries_that_a_bundle_cannot_have(extra, reason):
    assert reason_of(read_bundle, archive((".manifest", MANIFEST), (extra, b""))) is reason


def pax(**records):
    info = entry(".manifest")
    info.pax_headers = records
    return archive((info, MANIFEST), format=tarfile.PAX_FORMAT)


def test_an_extended_header_may_give_a_longer_name_and_times_but_no_size():
    assert read_bundle(pax(mtime="1.5", comment="hello")).revision == "7"
    assert reason_of(read_bundle, pax(size="3")) is BundleReason.ENTRY_KIND
    assert reason_of(read_bundle, pax(**{"GNU.sparse.name": "x"})) is BundleReason.ENTRY_KIND
    assert reason_of(read_bundle, archive((entry(".manifest", size=1), MANIFEST), (entry("x/" * 90), b""), format=tarfile.GNU_FORMAT)) is BundleReason.ENTRY_KIND  # fmt: skip


@pytest.mark.parametrize("records", [b"99 path=x\n", b"x path=x\n", b"9 path=xy", b"8 pathx\n", b"0 path=x\n", b"12 path=\xff\xfe\n"])  # fmt: skip
def test_a_broken_extended_header_is_refused(records):
    packed = archive((entry("h", type=b"x"), records), (".manifest", MANIFEST))
    assert reason_of(read_bundle, packed) in {BundleReason.ARCHIVE_MALFORMED, BundleReason.ENTRY_NAME}


def test_an_extended_header_needs_its_file():
    packed = archive((".manifest", MANIFEST), (entry("h", type=b"x"), b"12 path=abc\n"))
    assert reason_of(read_bundle, packed) is BundleReason.ARCHIVE_TRUNCATED
    packed = archive((entry("h", type=b"x"), b"12 path=abc\n"), (entry("d", type=tarfile.DIRTYPE), b""))
    assert reason_of(read_bundle, packed) is BundleReason.ENTRY_KIND


def header(**changes):
    """A canonical archive of one file whose header has these bytes at these places, checksum made again."""
    packed = bytearray(canonical_tar({".manifest": MANIFEST}))
    for at, value in changes.items():
        packed[int(at[1:]) : int(at[1:]) + len(value)] = value
    packed[148:156] = b" " * 8
    packed[148:156] = b"%06o\0 " % sum(packed[:512])
    return bytes(packed)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_257": b"xxxxx"}, BundleReason.ARCHIVE_MALFORMED),
        ({"_124": b"\x80"}, BundleReason.ARCHIVE_MALFORMED),
        ({"_124": bytes(12)}, BundleReason.ARCHIVE_MALFORMED),
        ({"_0": b"\xff"}, BundleReason.ENTRY_NAME),
        ({"_0": b"a\0b"}, BundleReason.ENTRY_NAME),
        ({"_345": b".."}, BundleReason.ENTRY_NAME),
    ],
)
def test_headers_that_are_not_ustar_are_refused(changes, reason):
    assert reason_of(read_bundle, header(**changes)) is reason


def test_archives_that_end_early_or_go_on():
    packed = canonical_tar(FILES)
    assert reason_of(read_bundle, packed[:700]) is BundleReason.ARCHIVE_TRUNCATED
    assert reason_of(read_bundle, packed[:-1024]) is BundleReason.ARCHIVE_TRUNCATED
    assert reason_of(read_bundle, packed[:-512]) is BundleReason.ARCHIVE_TRUNCATED
    assert reason_of(read_bundle, packed[:200]) is BundleReason.ARCHIVE_TRUNCATED
    assert reason_of(read_bundle, packed + b"x") is BundleReason.ARCHIVE_TRAILING
    assert read_bundle(packed + bytes(9216)).digest == digest(FILES)
    assert reason_of(read_bundle, b"\1" + packed[1:]) is BundleReason.ARCHIVE_MALFORMED
    packed = gzipped(packed)
    assert reason_of(read_bundle, packed[:-9]) is BundleReason.ARCHIVE_TRUNCATED
    assert reason_of(read_bundle, packed + packed) is BundleReason.ARCHIVE_TRAILING
    assert reason_of(read_bundle, packed[:30] + b"xxxx" + packed[34:]) is BundleReason.ARCHIVE_MALFORMED


def test_packing_says_nothing_but_the_content():
    packed = gzipped(b"abc")
    assert gzip.decompress(packed) == b"abc"
    assert packed == gzipped(b"abc")


def test_bombs_and_big_things_are_refused_before_they_are_held():
    bomb = gzipped(bytes(5_000_000))
    assert len(bomb) < 10_000
    small = BundleLimits(packed=100_000, unpacked=1_000_000, file=1000, files=3)
    assert reason_of(read_bundle, bomb, small) is BundleReason.ARCHIVE_TOO_LARGE
    assert reason_of(read_bundle, zlib.compress(b"") + bytes(1_000_000), small) is BundleReason.ARCHIVE_TOO_LARGE  # fmt: skip
    assert reason_of(read_bundle, b"\x1f\x8b" + bytes(100_000), small) is BundleReason.ARCHIVE_TOO_LARGE
    large = canonical_tar({".manifest": MANIFEST, "x": bytes(1001)})
    assert reason_of(read_bundle, large, small) is BundleReason.ARCHIVE_TOO_LARGE
    assert reason_of(read_bundle, canonical_tar(FILES), small) is BundleReason.ARCHIVE_TOO_MANY_FILES


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (None, BundleReason.MANIFEST_MISSING),
        (b"[]", BundleReason.MANIFEST_MALFORMED),
        (b"{}", BundleReason.MANIFEST_MALFORMED),
        (b'{"revision":1}', BundleReason.MANIFEST_MALFORMED),
        (b'{"revision":"1","revision":"2"}', BundleReason.MANIFEST_MALFORMED),
        (b'{"revision":"1","Revision":"2"}', BundleReason.MANIFEST_MALFORMED),
        ('{"revision":"1","revi\u017fion":"2"}'.encode(), BundleReason.MANIFEST_MALFORMED),
        (b'{"revision":"1"} x', BundleReason.MANIFEST_MALFORMED),
        (b'{"revision":"1","roots":"a"}', BundleReason.MANIFEST_MALFORMED),
        (b'{"revision":"1","roots":[1]}', BundleReason.MANIFEST_MALFORMED),
        (b'{"revision":"1","metadata":[]}', BundleReason.MANIFEST_MALFORMED),
        (b'{"revision":"1","roots":["a","b","a/c"]}', BundleReason.ROOTS_OVERLAP),
        (b'{"revision":"1","roots":["","b"]}', BundleReason.ROOTS_OVERLAP),
        (b'{"revision":"1","roots":["/b/","b"]}', BundleReason.ROOTS_OVERLAP),
    ],
)
def test_a_manifest_has_one_reading(manifest, reason):
    assert reason_of(bundle_of, {} if manifest is None else {".manifest": manifest}) is reason


def test_a_manifest_may_say_little_and_may_say_more():
    assert bundle_of({".manifest": b'{"revision":""}'}).manifest.roots == ("",)
    full = bundle_of({".manifest": b'{"revision":"1","metadata":{"a":1.5},"later":true,"roots":[]}'})
    assert full.manifest.metadata == {"a": 1.5}
    assert full.manifest.roots == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("limits/.manifest", BundleReason.MANIFEST_SECOND),
        ("x.manifest", BundleReason.MANIFEST_SECOND),
        (".manifest.pb", BundleReason.MANIFEST_SECOND),
        ("limits/.signatures.json", BundleReason.SIGNATURES_SECOND),
        ("limits/patch.json", BundleReason.DELTA_IN_BUNDLE),
    ],
)
def test_files_that_opa_would_read_as_something_else(name, reason):
    assert reason_of(bundle_of, FILES | {name: b"{}"}) is reason


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"data.json": b'{"other": 1}'}, BundleReason.OUTSIDE_ROOTS),
        ({"other/data.json": b"1"}, BundleReason.OUTSIDE_ROOTS),
        ({"other/data.yaml": b"a: 1"}, BundleReason.OUTSIDE_ROOTS),
        ({"limits/deep/data.json": b"1"}, None),
        ({"x.rego": b"package other"}, BundleReason.OUTSIDE_ROOTS),
        ({"x.rego": b"package limitsx"}, BundleReason.OUTSIDE_ROOTS),
        ({"x.rego": b'package limits["a b"].c # why'}, None),
        ({"x.rego": b"import rego.v1"}, BundleReason.POLICY_MALFORMED),
        ({"x.rego": b"# package limits"}, BundleReason.POLICY_MALFORMED),
        ({"x.rego": b"package limits\xff"}, BundleReason.POLICY_MALFORMED),
        ({"data.json": b"[1]"}, BundleReason.DATA_MALFORMED),
        ({"data.json": b'{"limits": {"cap": 4}}'}, BundleReason.DATA_CONFLICT),
        ({"data.json": b'{"limits": {"more": 4}}'}, None),
    ],
)
def test_data_and_packages_stay_inside_the_roots(files, reason):
    if reason is None:
        assert bundle_of(FILES | files)
    else:
        assert reason_of(bundle_of, FILES | files) is reason


def test_a_root_may_lie_deeper_than_the_data_file():
    manifest = b'{"revision":"1","roots":["a/b","c"]}'
    assert bundle_of({".manifest": manifest, "data.json": b'{"a":{"b":1},"c":{}}'})
    wrong = {".manifest": manifest, "data.json": b'{"a":{"x":1}}'}
    assert reason_of(bundle_of, wrong) is BundleReason.OUTSIDE_ROOTS
    assert reason_of(bundle_of, wrong | {"data.json": b'{"a":1}'}) is BundleReason.OUTSIDE_ROOTS


def test_a_reader_may_bring_its_own_numbers():
    data = opa_bundle.merge_data({"data.json": b'{"a": 1e3, "b": [2.0, 3]}'}, str)
    assert data == {"a": "1e3", "b": ["2.0", "3"]}
