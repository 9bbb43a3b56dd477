"""Where a publisher keeps a policy repository: plain files that any static server can serve."""

from __future__ import annotations

from typing import Protocol

__all__ = ["RepositoryFiles"]


class RepositoryFiles(Protocol):
    """Files by path, written whole or not at all."""

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None where there is none.

        Raises:
            PortError: it cannot be read.
        """
        ...

    def names(self, folder: str) -> tuple[str, ...]:
        """Names of the files directly in a folder, in no order; empty where there is none."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Put a file in place, on disk when this returns. At every instant readers see the old content or the new.

        Raises:
            PortError: it cannot be written; the old content still stands.
        """
        ...
