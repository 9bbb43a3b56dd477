"""Tar archives, the strict half: POSIX ustar (IEEE 1003.1, "ustar Interchange Format") and Go's long names.

A bundle is judged here and perhaps loaded elsewhere, so what two readers could read differently is refused: links and
devices, sizes that an extended header overrides, GNU extensions, bad checksums, bytes after the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from maestro.formats.reasons import BundleReason, refused

__all__ = ["BLOCK", "fits", "read_tar", "write_tar"]

BLOCK = 512
_NAME, _PREFIX = 100, 155
_END = bytes(2 * BLOCK)
_MODE = b"0000644\0"
_NOBODY = b"0000000\0"
_LINKS = frozenset(b"12")
_FILES = frozenset(b"0\0")
_FOLDER, _EXTENDED = ord("5"), ord("x")
_HARMLESS = frozenset({"atime", "comment", "ctime", "gid", "gname", "mtime", "uid", "uname"})
"""Records of an extended header that say nothing about name or content (pax, "Extended Header")."""


def write_tar(files: Mapping[str, bytes]) -> bytes:
    """The canonical archive: sorted by UTF-8 bytes, no folders, mode 0644, times and owners zero.

    Raises:
        UntrustedError: ``entry_name``, a name that the format cannot hold.
    """
    parts: list[bytes] = []
    for name in sorted(files, key=str.encode):
        content = files[name]
        parts += (_header(name, len(content)), content, bytes(-len(content) % BLOCK))
    parts.append(_END)
    return b"".join(parts)


def fits(name: str) -> bool:
    """Whether the format can hold the name: 100 bytes, or 155 more before one of its slashes."""
    return _split(name.encode()) is not None


def read_tar(data: bytes, *, most_files: int, most_bytes: int) -> Iterator[tuple[str, memoryview]]:
    """Each file's name, as it stands there, and content.

    Args:
        data: the whole archive, unpacked.
        most_files: entries of any kind that are read.
        most_bytes: of one file.

    Raises:
        UntrustedError: the archive's reason.
    """
    view, at, entries, long_name = memoryview(data), 0, 0, None
    while True:
        header = data[at : at + BLOCK]
        if len(header) < BLOCK:
            raise refused(BundleReason.ARCHIVE_TRUNCATED, "The tar archive has no end mark.")
        if not header.strip(b"\0"):
            return _check_end(data, at, long_name)
        entries += 1
        if entries > most_files:
            raise refused(
                BundleReason.ARCHIVE_TOO_MANY_FILES, f"The archive has more than {most_files} entries."
            )
        name, size, kind = _parse(header)
        if size > most_bytes:
            raise refused(
                BundleReason.ARCHIVE_TOO_LARGE, f"{name!r} has {size} bytes; {most_bytes} are read."
            )
        content = view[at + BLOCK : at + BLOCK + size]
        at += BLOCK + size + -size % BLOCK
        if at > len(data):
            raise refused(BundleReason.ARCHIVE_TRUNCATED, f"The archive ends within {name!r}.")
        if kind == _EXTENDED and long_name is None:
            long_name = _long_name(bytes(content))
        elif kind in _FILES:
            yield (long_name or name), content
            long_name = None
        else:
            _check_kind(kind, name, size, long_name)


def _check_end(data: bytes, at: int, long_name: str | None) -> None:
    if len(data) - at < len(_END) or long_name is not None:
        raise refused(BundleReason.ARCHIVE_TRUNCATED, "The tar archive has half an end mark.")
    if data.count(0, at) != len(data) - at:
        raise refused(BundleReason.ARCHIVE_TRAILING, "Bytes stand after the end mark of the tar archive.")


def _check_kind(kind: int, name: str, size: int, long_name: str | None) -> None:
    if kind == _FOLDER and size == 0 and long_name is None:
        return
    if kind in _LINKS:
        raise refused(BundleReason.ENTRY_LINK, f"{name!r} is a link.")
    raise refused(BundleReason.ENTRY_KIND, f"{name!r} is an entry of kind {chr(kind)!r}.")


def _header(name: str, size: int) -> bytes:
    split = _split(name.encode())
    if split is None:
        raise refused(BundleReason.ENTRY_NAME, f"{name!r} is too long for a tar archive.")
    prefix, rest = split
    start = b"".join((rest.ljust(_NAME, b"\0"), _MODE, _NOBODY, _NOBODY, b"%011o\0" % size, b"%011o\0" % 0))
    end = b"".join(
        (
            b"0",
            bytes(100),
            b"ustar\x0000",
            bytes(64),
            _NOBODY,
            _NOBODY,
            prefix.ljust(_PREFIX, b"\0"),
            bytes(12),
        )
    )
    total = sum(start) + 8 * 0x20 + sum(end)
    return b"".join((start, b"%06o\0 " % total, end))


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Prefix and name, the prefix as short as it can be."""
    if len(name) <= _NAME:
        return b"", name
    at = name.find(b"/", len(name) - _NAME - 1)
    return (name[:at], name[at + 1 :]) if 0 < at <= _PREFIX and at < len(name) - 1 else None


def _parse(header: bytes) -> tuple[str, int, int]:
    """Name, size and kind. A header is believed only with its checksum."""
    total = sum(header) - sum(header[148:156]) + 8 * 0x20
    if _octal(header[148:156]) != total:
        raise refused(BundleReason.ARCHIVE_MALFORMED, "A tar header has a wrong checksum.")
    name = _text(header[:_NAME])
    if header[257:263] == b"ustar\0":
        prefix = _text(header[345 : 345 + _PREFIX])
        name = f"{prefix}/{name}" if prefix else name
    elif header[257:265] != b"ustar  \0":  # GNU tar's own; it is read as long as it needs no extension
        raise refused(BundleReason.ARCHIVE_MALFORMED, "A tar header is not ustar.")
    return name, _octal(header[124:136]), header[156]


def _text(field: bytes) -> str:
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise refused(BundleReason.ENTRY_NAME, f"Bytes stand after the end of the name {text!r}.")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(BundleReason.ENTRY_NAME, f"The name {text!r} is no UTF-8 text.") from error


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise refused(BundleReason.ARCHIVE_MALFORMED, "A tar header has a number that is not octal.")
    return int(digits, 8)


def _long_name(records: bytes) -> str:
    """The ``path`` of a pax extended header, one ``LENGTH KEY=VALUE`` a line; others that matter are refused."""
    found = ""
    while records:
        length, _, _ = records.partition(b" ")
        if not length.isdigit() or len(length) > 9 or not 0 < int(length) <= len(records):
            raise refused(BundleReason.ARCHIVE_MALFORMED, "An extended header has a wrong length.")
        record, records = records[: int(length)], records[int(length) :]
        key, equals, value = record[len(length) + 1 :].partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise refused(BundleReason.ARCHIVE_MALFORMED, "An extended header is malformed.")
        name = key.decode("utf-8", "replace")
        if name == "path" and not found:
            found = _text(value[:-1])
        elif name not in _HARMLESS:
            raise refused(BundleReason.ENTRY_KIND, f"An extended header sets {name!r}.")
    return found
