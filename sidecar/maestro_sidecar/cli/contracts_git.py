"""Earlier versions of a file, from git."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from maestro.kernel.errors import BadInputError

__all__ = ["is_revision", "versions_at"]

_MOST = 500
"""Versions that a transitive mode looks at."""


def is_revision(name: str, near: Path) -> bool:
    """Whether git knows a commit by this name, in the repository that the file is in."""
    if name.startswith("-"):
        return False
    told = _git(near, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return told is not None and re.fullmatch(rb"[0-9a-f]{40,64}", told.strip()) is not None


def versions_at(revision: str, file: Path, *, every: bool) -> list[bytes]:
    """The file as it was at a revision, or every version of it up to there, the oldest first.

    Empty when it was not there.

    Raises:
        BadInputError: there is no such revision, or no git.
    """
    if not is_revision(revision, file):
        raise BadInputError(
            "is no git revision here.",
            field="--against",
            value=revision,
            remedy="Fetch it (a shallow clone lacks it), or correct the name.",
        )
    commits = [revision]
    if every:
        told = (
            _git(file, "log", "--reverse", "--format=%H", f"--max-count={_MOST}", revision, "--", file.name)
            or b""
        )
        commits = told.decode().split()
    shown = (_git(file, "show", f"{commit}:./{file.name}") for commit in commits)
    return [text for text in shown if text is not None]


def _git(near: Path, *arguments: str) -> bytes | None:
    """What git prints, run in the folder of the file; None when it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, and names that cannot begin with a dash
            ("git", "-C", str(near.parent), *arguments),  # noqa: S607 - whichever git the user has
            capture_output=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
