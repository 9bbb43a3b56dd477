"""How commands answer: exit codes, the one document on stdout, errors, progress on stderr."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Final

from maestro.kernel.errors import MaestroError

__all__ = [
    "BAD_USAGE",
    "DONE",
    "FAILURE",
    "NO",
    "abandon_stdout",
    "note",
    "tell",
    "tell_defect",
    "tell_document",
    "tell_error",
]

DONE: Final = 0
"""Yes, or done."""
FAILURE: Final = 1
"""Our fault, or that of what we stand on."""
BAD_USAGE: Final = 2
"""The caller's: bad usage, a file that cannot be read, malformed input."""
NO: Final = 3
"""The command worked and the answer is no."""


def tell(text: str) -> None:
    """Print the readable answer, or a line of it."""
    print(text)


def tell_document(document: Any) -> None:
    """Print the one JSON document of ``--json``, indented for people and still one value."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def note(text: str) -> None:
    """Say something beside the answer, on stderr: progress of long work, addresses, where files are."""
    print(text, file=sys.stderr, flush=True)


def tell_error(error: MaestroError, *, as_json: bool) -> None:
    """Tell a fault in one line on stderr, or as a problem document on stdout.

    A note on the error (``add_note``) names the file it was found in.
    """
    where = ", ".join(getattr(error, "__notes__", ()))
    if as_json:
        from maestro.formats.problems import problem_of

        tell_document(problem_of(error) | ({"file": where} if where else {}))
    else:
        text = _one_line(f"{where}: {error}" if where else str(error))
        note(text if text.startswith("maestro") else f"maestro: {text}")


def tell_defect(error: Exception, *, as_json: bool) -> None:
    """Tell an exception that nobody planned: what and where, so that it can be reported; no traceback."""
    from pathlib import Path
    from traceback import extract_tb

    frames = extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    detail = f"internal error: {type(error).__name__}: {_one_line(str(error))}{where}"
    if as_json:
        from maestro.formats.problems import problem

        tell_document(problem(500, "internal", detail, remedy="Report it with this text."))
    else:
        note(f"maestro: {detail}; please report it with this text.")


def abandon_stdout() -> None:
    """Let the interpreter's last flush of a stdout that nobody reads go nowhere, quietly."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, io.UnsupportedOperation):
        return


def _one_line(text: str) -> str:
    return " ".join(text.split())
