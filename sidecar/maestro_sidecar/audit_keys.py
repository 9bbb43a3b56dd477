"""The node's own key: read from the file that the settings name, or made once and kept in the state folder.

Beside it stands the newest checkpoint that the node signed, so that also after a restart it never signs a second
history: a log that was cut, set back or deleted while the sidecar was down does not pass for a new one.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from maestro.audit import Cosigner, LogSigner, parse_cosigner, parse_log_signer
from maestro.kernel.errors import BadInputError
from maestro_sidecar.settings import Settings

__all__ = ["KeptCheckpoint", "node_cosigner", "node_signer"]

Key = TypeVar("Key")

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")


def node_signer(settings: Settings) -> LogSigner:
    """The key of the node's log; a store in memory gets one that nobody keeps, since its log ends with the process.

    Raises:
        BadInputError: the file cannot be read or made, is open to others, or holds no key.
    """
    if settings.store.kind == "memory":
        return _made(settings)
    path = settings.audit_key_path
    if not settings.audit.key and not path.exists():
        _keep(path, _made(settings))
    signer = _read(path, "audit.key", parse_log_signer)
    if settings.audit.name and settings.audit.name != signer.name:
        raise BadInputError(
            f"is not the name of the key in {path}, {signer.name}.",
            field="audit.name",
            value=settings.audit.name,
            remedy="Correct it, or name another audit.key: a log is named as its key.",
        )
    return signer


def node_cosigner(settings: Settings) -> Cosigner | None:
    """The second key that signs each checkpoint, if the settings name one. Raises BadInputError."""
    if not settings.audit.cosigner:
        return None
    return _read(Path(settings.audit.cosigner), "audit.cosigner", parse_cosigner)


class KeptCheckpoint:
    """The newest checkpoint that the node signed, in a file beside its key.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: bytes | None = None

    def read(self) -> bytes | None:
        """The checkpoint, or None when there is no file. Raises BadInputError when it cannot be read."""
        with contextlib.suppress(FileNotFoundError):
            try:
                self._kept = self._path.read_bytes()
            except OSError as error:
                if isinstance(error, FileNotFoundError):
                    raise
                raise _unusable(error, "state", self._path) from error
        return self._kept

    def keep(self, note: bytes | None) -> None:
        """Keep a newer one; what is in the file is at each moment a whole checkpoint. Raises OSError."""
        if note is None or note == self._kept:
            return
        fresh = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        try:
            fresh.write_bytes(note)
            fresh.replace(self._path)
        finally:
            fresh.unlink(missing_ok=True)
        self._kept = note


def _made(settings: Settings) -> LogSigner:
    host = _NOT_IN_NAMES.sub("-", socket.gethostname()).strip("-") or "node"
    return LogSigner(settings.audit.name or f"{host}/{secrets.token_hex(4)}", secrets.token_bytes(32))


def _keep(path: Path, signer: LogSigner) -> None:
    """Write the key, whole or not at all, and its public part beside it; another process may be quicker."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{signer.secret()}\n")
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
            path.with_name(f"{path.name}.pub").write_text(f"{signer.key}\n", encoding="utf-8")
        fresh.unlink()
    except OSError as error:
        raise _unusable(error, "state", path) from error


def _read(path: Path, field: str, parse: Callable[[str], Key]) -> Key:
    """A key from its file. What is wrong with it is told, never the key."""
    try:
        if path.stat().st_mode & 0o077:
            raise BadInputError(
                "is open to other users.", field=field, value=str(path), remedy=f"chmod 600 {path}"
            )
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(error, field, path) from error
    try:
        return parse(text)
    except BadInputError as error:
        error.add_note(str(path))
        raise


def _unusable(error: Exception, field: str, path: Path) -> BadInputError:
    return BadInputError(
        f"cannot be used for the audit log's key: {error}.",
        field=field,
        value=str(path),
        remedy="Name a file that this user may read, made by 'maestro audit keygen', or set MAESTRO_STATE.",
    )
