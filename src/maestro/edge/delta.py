"""Deltas: from one canonical archive to another, byte for byte, data and policies alike.

A delta is a Zstandard stream (RFC 8878): a skippable frame with a JSON header that binds base, target and revision, then
one frame whose dictionary is the base's archive. Who has no Maestro applies it with ``zstd -d --patch-from=BASE.tar``.
It is trusted by its target entry in the update metadata, and what it yields is a whole signed bundle, verified as any
other.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from maestro.edge.trust_reasons import TrustReason
from maestro.formats.opa_bundle import DEFAULT_LIMITS, Bundle, BundleLimits, canonical_tar
from maestro.formats.reasons import BundleReason, refused
from maestro.kernel.errors import UntrustedError

if TYPE_CHECKING:
    import zstandard

__all__ = ["FORMAT", "Delta", "apply", "make", "read_delta"]

FORMAT: Final = "maestro-delta/1"
_SKIPPABLE = 0x184D2A50
"""Magic of the first kind of skippable frame (RFC 8878 section 3.1.2)."""
_PREFIX = struct.Struct("<II")
_HEADER_LIMIT = 4096
_LEVEL = 9
"""The first level whose match finder reaches through a base of 10 MB; 19 takes thirty times as long for a tenth less."""
_LEAST_WINDOW, _MOST_WINDOW = 10, 29
"""Powers of two: what the format allows at least, and 512 MiB, more than two archives of the largest size."""


@attrs.frozen
class Delta:
    """What a delta says of itself; to be held against what the update metadata says.

    Attributes:
        base: digest of the archive it starts from.
        target: digest of the archive it yields.
        base_revision: of the base.
        revision: of the target.
        size: bytes of the target's archive.
        frame: the compressed bytes.
    """

    base: str
    target: str
    base_revision: str
    revision: str
    size: int
    frame: bytes = attrs.field(repr=False)


class _Header(msgspec.Struct, rename={"base_revision": "baseRevision"}, forbid_unknown_fields=True):
    format: str
    base: str
    target: str
    base_revision: str
    revision: str
    size: int


def make(base: Bundle, target: Bundle) -> bytes:
    """The delta that leads from one bundle to the other."""
    import zstandard

    before, after = canonical_tar(base.files), canonical_tar(target.files)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, window_log=_window(len(before) + len(after)), enable_ldm=True, write_checksum=True
    )
    packer = zstandard.ZstdCompressor(dict_data=_dictionary(before), compression_params=parameters)
    header = msgspec.json.encode(
        _Header(FORMAT, base.digest, target.digest, base.revision, target.revision, len(after))
    )
    return _PREFIX.pack(_SKIPPABLE, len(header)) + header + packer.compress(after)


def read_delta(data: bytes) -> Delta:
    """The header, and the frame still packed.

    Raises:
        UntrustedError: ``delta_malformed``.
    """
    if len(data) < _PREFIX.size:
        raise _malformed("it is too short")
    magic, length = _PREFIX.unpack_from(data)
    if magic != _SKIPPABLE or length > _HEADER_LIMIT or len(data) < _PREFIX.size + length:
        raise _malformed("it has no header")
    try:
        header = msgspec.json.decode(data[_PREFIX.size : _PREFIX.size + length], type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(f"its header is not understood: {error}") from error
    if header.format != FORMAT or header.size < 0:
        raise _malformed(f"its format is {header.format!r}")
    return Delta(
        header.base,
        header.target,
        header.base_revision,
        header.revision,
        header.size,
        data[_PREFIX.size + length :],
    )


def apply(base_files: Mapping[str, bytes], data: bytes, limits: BundleLimits = DEFAULT_LIMITS) -> bytes:
    """The target's canonical archive.

    It has the digest that the delta names; whether that is the digest that should be served, and whether the bundle in it
    is signed, is for the caller to ask.

    Args:
        base_files: of the bundle that the delta starts from.
        data: the delta.
        limits: how large the target may be; no more is unpacked.

    Raises:
        UntrustedError: ``delta_malformed``; ``delta_base``, another base; ``archive_too_large``; ``digest_mismatch``.
    """
    delta = read_delta(data)
    base = canonical_tar(base_files)
    found = _digest(base)
    if found != delta.base:
        raise _error(TrustReason.DELTA_BASE, f"The delta is for {delta.base}, the base is {found}.")
    if delta.size > limits.unpacked:
        raise refused(BundleReason.ARCHIVE_TOO_LARGE, f"The delta yields {delta.size} bytes.")
    target = _unpacked(delta, base)
    if _digest(target) != delta.target:
        raise _error(TrustReason.DIGEST_MISMATCH, f"The delta does not yield {delta.target}.")
    return target


def _unpacked(delta: Delta, base: bytes) -> bytes:
    import zstandard

    try:
        parameters = zstandard.get_frame_parameters(delta.frame)
        if parameters.content_size != delta.size or parameters.window_size > 1 << _MOST_WINDOW:
            raise _malformed("its frame is not as its header says")
        unpacker = zstandard.ZstdDecompressor(
            dict_data=_dictionary(base), max_window_size=1 << _window(len(base) + delta.size)
        ).decompressobj()
        target = unpacker.decompress(delta.frame)
    except zstandard.ZstdError as error:
        raise _malformed(f"it does not unpack: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise _malformed("it is not exactly one frame")
    return target


def _dictionary(base: bytes) -> zstandard.ZstdCompressionDict:
    import zstandard

    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _window(size: int) -> int:
    return min(max(size.bit_length(), _LEAST_WINDOW), _MOST_WINDOW)


def _digest(archive: bytes) -> str:
    return f"sha256:{hashlib.sha256(archive).hexdigest()}"


def _malformed(why: str) -> UntrustedError:
    return _error(TrustReason.DELTA_MALFORMED, f"The delta cannot be read: {why}.")


def _error(reason: TrustReason, message: str) -> UntrustedError:
    return UntrustedError(message, code=reason.value, remedy=reason.remedy)
