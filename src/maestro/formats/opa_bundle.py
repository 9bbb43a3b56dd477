"""OPA bundles: bytes to a value and back (openpolicyagent.org, "Bundles"; facts checked against OPA 1.22 ``v1/bundle``).

Reading trusts nothing: each thing that two readers could understand differently is refused with a reason. Whether the
bundle is *signed* by the right key is ``maestro.edge.verify``'s question.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import attrs

from maestro.formats.opa_manifest import MANIFEST, Manifest, parse_manifest
from maestro.formats.opa_structured import is_yaml_data, parse_number, structured
from maestro.formats.reasons import BundleReason, refused
from maestro.formats.rego_package import package_of
from maestro.formats.ustar import fits, read_tar, write_tar

__all__ = [
    "DEFAULT_LIMITS",
    "PLAN",
    "SIGNATURES",
    "Bundle",
    "BundleLimits",
    "bundle_of",
    "canonical_tar",
    "digest",
    "gzipped",
    "merge_data",
    "read_archive",
    "read_bundle",
    "unpack",
]

SIGNATURES = ".signatures.json"
PLAN = "plan.json"
_DATA = "data.json"
_PATCH = "patch.json"
_GZIP = b"\x1f\x8b"
_MIB = 1024 * 1024


@attrs.frozen
class BundleLimits:
    """How much of a bundle is read, in bytes and entries. What is larger is refused, before it is held in memory."""

    packed: int = 64 * _MIB
    unpacked: int = 256 * _MIB
    file: int = 128 * _MIB
    files: int = 10_000


DEFAULT_LIMITS = BundleLimits()


@attrs.frozen(slots=False)
class Bundle:
    """What a bundle holds.

    Attributes:
        manifest: the parsed ``.manifest``.
        files: every file by its name inside the bundle, sorted as in the canonical archive.
    """

    manifest: Manifest
    files: Mapping[str, bytes]

    @property
    def revision(self) -> str:
        """The manifest's revision."""
        return self.manifest.revision

    @property
    def plan(self) -> bytes | None:
        """OPA's intermediate representation (``plan.json``), or None."""
        return self.files.get(PLAN)

    @property
    def signatures(self) -> bytes | None:
        """The raw ``.signatures.json``, or None."""
        return self.files.get(SIGNATURES)

    @cached_property
    def data(self) -> dict[str, Any]:
        """All data files merged below ``data``; numbers as int where they are whole, else float."""
        return merge_data(self.files)

    @cached_property
    def digest(self) -> str:
        """Identity: ``sha256:…`` of the canonical archive."""
        return digest(self.files)


def read_bundle(data: bytes, limits: BundleLimits = DEFAULT_LIMITS) -> Bundle:
    """Read a bundle from a tar archive, packed with gzip or not.

    Raises:
        UntrustedError: one of ``BundleReason``.
    """
    return bundle_of(read_archive(data, limits))


def bundle_of(files: Mapping[str, bytes]) -> Bundle:
    """The bundle of these files, which must make sense together: one manifest, roots, data, packages.

    Raises:
        UntrustedError: one of ``BundleReason``.
    """
    ordered = {name: files[name] for name in sorted(files, key=str.encode)}
    for name in ordered:
        _check_name(name)
        _check_role(name)
    if MANIFEST not in ordered:
        raise refused(BundleReason.MANIFEST_MISSING, "The bundle has no .manifest at its root.")
    bundle = Bundle(parse_manifest(ordered[MANIFEST]), MappingProxyType(ordered))
    _check_roots(bundle)
    return bundle


def read_archive(data: bytes, limits: BundleLimits = DEFAULT_LIMITS) -> dict[str, bytes]:
    """The files of an archive by their names inside the bundle, in the archive's order; nothing more is checked.

    Raises:
        UntrustedError: an ``archive_…`` or ``entry_…`` reason.
    """
    files: dict[str, bytes] = {}
    for stored, content in read_tar(unpack(data, limits), most_files=limits.files, most_bytes=limits.file):
        name = stored.removeprefix("./").removeprefix("/")  # OPA writes the slash, tar the dot
        _check_name(name)
        if name in files:
            raise refused(BundleReason.ENTRY_DUPLICATE, f"{name!r} stands twice in the archive.")
        files[name] = bytes(content)
    return files


def unpack(data: bytes, limits: BundleLimits = DEFAULT_LIMITS) -> bytes:
    """The tar archive: what gzip (RFC 1952) unpacks to, or the bytes themselves where they are not packed.

    Raises:
        UntrustedError: ``archive_too_large``, ``archive_truncated``, ``archive_malformed``, ``archive_trailing``.
    """
    if len(data) > (limits.packed if data.startswith(_GZIP) else limits.unpacked):
        raise refused(BundleReason.ARCHIVE_TOO_LARGE, f"The archive has {len(data)} bytes.")
    if not data.startswith(_GZIP):
        return data
    stream = zlib.decompressobj(wbits=31)
    try:
        unpacked = stream.decompress(data, limits.unpacked + 1)
    except zlib.error as error:
        raise refused(BundleReason.ARCHIVE_MALFORMED, f"The gzip stream is damaged: {error}.") from error
    if len(unpacked) > limits.unpacked:
        raise refused(
            BundleReason.ARCHIVE_TOO_LARGE, f"The archive unpacks to more than {limits.unpacked} bytes."
        )
    if not stream.eof:
        raise refused(BundleReason.ARCHIVE_TRUNCATED, "The gzip stream has no end.")
    if stream.unused_data:
        raise refused(BundleReason.ARCHIVE_TRAILING, "Bytes stand after the gzip stream.")
    return unpacked


def canonical_tar(files: Mapping[str, bytes]) -> bytes:
    """The one archive of these files: ustar, sorted names, zero times and owners.

    Raises:
        UntrustedError: ``entry_name``, a name that the format cannot hold.
    """
    return write_tar(files)


def digest(files: Mapping[str, bytes]) -> str:
    """``sha256:…`` of the canonical archive: the identity of a bundle, however it was packed."""
    return f"sha256:{hashlib.sha256(canonical_tar(files)).hexdigest()}"


def gzipped(archive: bytes) -> bytes:
    """The archive packed for transport; no time and no name in the header, so the same bytes give the same."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(archive) + packer.flush()


def merge_data(files: Mapping[str, bytes], number: Callable[[str], Any] = parse_number) -> dict[str, Any]:
    """All data files merged into one document, each at its folder's path, as OPA does.

    Args:
        files: the bundle's.
        number: what a number's text becomes.

    Raises:
        UntrustedError: ``data_malformed``, ``data_conflict``.
    """
    merged: dict[str, Any] = {}
    for name, content in files.items():
        if _is_data(name):
            path = name.split("/")[:-1]
            _insert(merged, path, structured(name, content, number), name)
    return merged


# ---- what belongs together -------------------------------------------------------------------------------


def _check_name(name: str) -> None:
    steps = name.split("/")
    plain = all(steps) and not {".", ".."}.intersection(steps) and "\\" not in name and name.isprintable()
    if not plain or not fits(name):
        raise refused(BundleReason.ENTRY_NAME, f"{name!r} is no name of a file inside a bundle.")


def _check_role(name: str) -> None:
    """Names that OPA gives a meaning in any folder have it at the root alone."""
    base = name.rpartition("/")[2]
    if name.endswith((MANIFEST, f"{MANIFEST}.pb")) and name != MANIFEST:
        raise refused(BundleReason.MANIFEST_SECOND, f"{name!r} is read as a manifest too.")
    if base == SIGNATURES and name != SIGNATURES:
        raise refused(BundleReason.SIGNATURES_SECOND, f"{name!r} is read as the signature too.")
    if base == _PATCH:
        raise refused(BundleReason.DELTA_IN_BUNDLE, f"{name!r} makes the bundle a delta.")


def _check_roots(bundle: Bundle) -> None:
    manifest = bundle.manifest
    for path in _data_paths(bundle.data, manifest):
        raise refused(BundleReason.OUTSIDE_ROOTS, f"Data at {'/'.join(path)!r} is outside {manifest.roots}.")
    for name, content in bundle.files.items():
        if name.endswith(".rego") and not manifest.covers(package_of(name, content)):
            raise refused(BundleReason.OUTSIDE_ROOTS, f"The package of {name!r} is outside {manifest.roots}.")


def _data_paths(data: dict[str, Any], manifest: Manifest) -> Iterator[tuple[str, ...]]:
    """Paths of data outside the roots."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((key,), value) for key, value in data.items()]
    if not data or manifest.covers(()):
        return
    while waiting:
        path, value = waiting.pop()
        if manifest.covers(path):
            continue
        if not (isinstance(value, dict) and manifest.leads_to_root(path)):
            yield path
        else:
            waiting += [((*path, key), below) for key, below in value.items()]


def _is_data(name: str) -> bool:
    return name.rpartition("/")[2] == _DATA or is_yaml_data(name)


def _insert(merged: dict[str, Any], path: Iterable[str], value: Any, name: str) -> None:
    for step in reversed(list(path)):
        value = {step: value}
    if not isinstance(value, dict):
        raise refused(BundleReason.DATA_MALFORMED, f"{name!r} at the root is no object.")
    _merge(merged, value, name)


def _merge(into: dict[str, Any], value: dict[str, Any], name: str) -> None:
    for key, below in value.items():
        if key not in into:
            into[key] = below
        elif isinstance(into[key], dict) and isinstance(below, dict):
            _merge(into[key], below, name)
        else:
            raise refused(BundleReason.DATA_CONFLICT, f"{name!r} and another file both set {key!r}.")
