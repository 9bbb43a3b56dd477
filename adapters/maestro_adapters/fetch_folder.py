"""Bundles and metadata from a folder (``Fetcher``): a mounted volume, a folder that something else fills, a test."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from maestro.kernel.errors import PortError
from maestro.ports.capabilities import Capability
from maestro.ports.fetching import BUNDLE_TYPES, Fetched

__all__ = ["FolderFetcher"]


class FolderFetcher:
    """Files below a folder; a single file is reached by the empty path.

    Args:
        root: the folder, or the file.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``."""
        return frozenset({Capability.BLOCKING})

    def get(
        self,
        path: str,
        *,
        most: int,
        types: frozenset[str] = BUNDLE_TYPES,
        etag: str = "",
        wait: float = 0.0,
    ) -> Fetched:
        """The file at a path; the etag is its size and time."""
        del types, wait  # a folder tells no media type, and cannot wait
        place = self._place(path)
        try:
            with open(place, "rb", opener=_opener) as file:  # Path.open takes no opener
                facts = os.fstat(file.fileno())
                known = f"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"
                if not stat.S_ISREG(facts.st_mode):
                    raise _refused(place, "is no regular file")
                if known == etag:
                    return Fetched(etag=etag)
                body = file.read(most + 1)
        except FileNotFoundError:
            self._require_root()
            return Fetched(missing=True)
        except OSError as error:
            raise _unreachable(place, error.strerror or str(error)) from error
        if len(body) > most:
            raise _refused(place, f"is larger than {most} bytes")
        return Fetched(body, known)

    def close(self) -> None:
        """Nothing is held."""

    def _place(self, path: str) -> Path:
        steps = path.split("/") if path else []
        if any(step in {"", ".", ".."} or "\0" in step for step in steps):
            raise _refused(self._root / path, "leads out of the source")
        return self._root.joinpath(*steps)

    def _require_root(self) -> None:
        """A volume that is not mounted is no source without files."""
        if not self._root.parent.is_dir() or not (self._root.exists() or self._root.suffix):
            raise _unreachable(self._root, "there is no such folder")


def _opener(path: str, flags: int) -> int:
    """Never wait for the other end of a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _unreachable(place: Path, why: str) -> PortError:
    return PortError(
        f"{place} cannot be read: {why}.",
        code="source_unreachable",
        remedy="See that it is there and that this user may read it.",
    )


def _refused(place: Path, why: str) -> PortError:
    return PortError(
        f"{place} {why}.", code="source_refused", retry_after=None, remedy="Correct what the source offers."
    )
