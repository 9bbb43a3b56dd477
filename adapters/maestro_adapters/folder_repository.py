"""A policy repository in a folder (``RepositoryFiles``): the document root of a static server, or what is synced to one."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from maestro.kernel.errors import PortError

__all__ = ["FolderRepository"]


class FolderRepository:
    """Files below a folder.

    Args:
        root: the folder; made when the first file is written.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None."""
        try:
            return (self._root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _failed(self._root / path, "read", error) from error

    def names(self, folder: str) -> tuple[str, ...]:
        """Names of the files in a folder."""
        try:
            return tuple(each.name for each in (self._root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise _failed(self._root / folder, "read", error) from error

    def write(self, path: str, content: bytes) -> None:
        """Write beside, sync, rename, sync the folder: after a crash the old file stands there or the new one."""
        place = self._root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).chmod(0o644)  # a static server runs under another account
                Path(name).replace(place)
            except OSError:
                with suppress(OSError):
                    Path(name).unlink()
                raise
            _sync(place.parent)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise _failed(place, "written", error) from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(place: Path, how: str, error: Exception) -> PortError:
    return PortError(
        f"{place} cannot be {how}: {getattr(error, 'strerror', None) or error}.",
        code="repository_failed",
        retry_after=None,
        remedy="Name a folder of a repository that this user may read and write, with room left.",
    )
