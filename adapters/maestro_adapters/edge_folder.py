"""An edge's state in a folder: a record that is replaced as a whole, and archives named by their digest."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from maestro.kernel.errors import PortError
from maestro.ports.capabilities import Capability

__all__ = ["EdgeFolder"]

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_RECORD = "state.json"
_LOCK = "lock"
_SUFFIX = ".tar.gz"
_UNFINISHED = ".new"


class EdgeFolder:
    """State in a folder of its own (``EdgeStateStore``). Made 0700, and held by one process at a time.

    Each file is written beside its place, waited for until it is on the disk, moved over the old one, and the move
    waited for too; so a crash leaves the old or the new file, and at most an unfinished one that the next start removes.

    Args:
        path: the folder; made if it is missing.

    Raises:
        PortError: ``store_unopened``, it cannot be used; ``store_busy``, another process holds it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._archives = self.path / "bundles"
        with _told(self.path, opening=True):
            for folder in (self.path, self._archives):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise PortError(
                f"{self.path} is held by another process.",
                code="store_busy",
                retry_after=None,
                remedy="Give each edge a folder of its own.",
            ) from error
        for folder in (self.path, self._archives):
            for left in folder.glob(f"*{_UNFINISHED}"):
                left.unlink(missing_ok=True)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE})

    def load(self) -> bytes | None:
        """The record."""
        return self._read(self.path / _RECORD)

    def save(self, record: bytes) -> None:
        """Replace the record."""
        self._write(self.path / _RECORD, record)

    def get(self, digest: str) -> bytes | None:
        """An archive."""
        return self._read(self._archive(digest))

    def put(self, digest: str, archive: bytes) -> None:
        """Keep an archive."""
        self._write(self._archive(digest), archive)

    def keep_only(self, digests: Collection[str]) -> None:
        """Remove other archives."""
        kept = {self._archive(digest).name for digest in digests}
        with _told(self._archives):
            for file in self._archives.iterdir():
                if file.name not in kept:
                    file.unlink(missing_ok=True)

    def close(self) -> None:
        """Let the folder go; another process may take it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _archive(self, digest: str) -> Path:
        found = _DIGEST.fullmatch(digest)
        if found is None:
            raise PortError(f"{digest!r} is no digest.", code="store_failed", retry_after=None)
        return self._archives / f"{found[1]}{_SUFFIX}"

    def _read(self, path: Path) -> bytes | None:
        with _told(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def _write(self, path: Path, data: bytes) -> None:
        unfinished = path.with_name(path.name + _UNFINISHED)
        with _told(path):
            try:
                _write_through(unfinished, data)
                unfinished.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    unfinished.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)


def _write_through(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _told(path: Path, *, opening: bool = False) -> Iterator[None]:
    """What an error of the disk means."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        code = "store_full" if full else "store_unopened" if opening else "store_failed"
        raise PortError(
            f"{path} cannot be used: {error.strerror or error}.",
            code=code,
            retry_after=1.0 if full else None,
            remedy="Free disk." if full else "Name a folder that this user may write to.",
        ) from error
