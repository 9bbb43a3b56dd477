"""What commands read: files, or stdin as ``-``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from maestro.kernel.errors import BadInputError, PortError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["STDIN", "read_input", "require_store", "unreadable"]

STDIN = "-"


def read_input(name: str, option: str, limit: int) -> bytes:
    """The bytes of a file, or of stdin for ``-``; one byte more than ``limit`` at most.

    Raises:
        BadInputError: the file cannot be read; names option and file.
    """
    try:
        if name == STDIN:
            return sys.stdin.buffer.read(limit + 1)
        with open(name, "rb") as file:  # noqa: PTH123 - no pathlib, which costs every start 5 ms
            return file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise unreadable(name, option, error) from error


def unreadable(name: str, option: str, error: Exception) -> BadInputError:
    """The error for a file that the system will not let us read."""
    why = getattr(error, "strerror", None) or str(error)
    return BadInputError(
        f"cannot be read: {why}.",
        field=option,
        value=name,
        remedy="Name a file that exists and that this user may read, or - for stdin.",
    )


def require_store(path: Path, option: str) -> None:
    """Open the SQLite store once, making it when missing, so that a wrong path is told as what it is.

    Raises:
        BadInputError: no store can be opened there, and trying again would not help.
        PortError: it is busy.
    """
    from maestro_adapters.sqlite import SqliteOutbox

    try:
        SqliteOutbox(path).close()
    except PortError as error:
        if error.retry_after is not None:
            raise
        raise BadInputError(error.message, field=option, value=str(path), remedy=error.remedy) from error
