"""A log of lines in a file that may be moved away at any time, as log rotation does."""

from __future__ import annotations

import os
from collections.abc import Sequence

from maestro.kernel.errors import PortError

__all__ = ["LineFile"]


class LineFile:
    """Appends lines. The file is opened for each batch, so that one that was moved away is made anew.

    Args:
        path: of the file; made 0600.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path

    def write(self, lines: Sequence[bytes]) -> None:
        """Append the lines. Raises PortError; then some of them may be there."""
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                left = memoryview(b"".join(line + b"\n" for line in lines))
                while left:
                    left = left[os.write(file, left) :]
            finally:
                os.close(file)
        except OSError as error:
            raise PortError(
                f"{os.fspath(self._path)} cannot be written: {error.strerror or error}.",
                code="store_failed",
                remedy="Free disk, or name another file.",
            ) from error
