"""The publisher's keys in a folder: ``keys.json``, and ``NAME.pem`` (private, 0600) beside ``NAME.pub`` for each key.

Private keys that are not needed for a publication may be kept elsewhere; the public ones must be there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from maestro.edge.keyring import KeyPlan, Keyring, first_plan, parse_plan, public_roles, rotated
from maestro.formats.jws import generate_pem, parse_private_key
from maestro.formats.tuf_keys import generate_role_key, role_key, role_signer
from maestro.kernel.errors import BadInputError, PortError
from maestro_adapters.folder_repository import FolderRepository

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

__all__ = ["KeyFolder"]

_PLAN = "keys.json"


class KeyFolder:
    """A folder of keys.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def create(self, algorithm: str, root_keys: int, root_threshold: int) -> KeyPlan:
        """Make the folder and all keys of a new repository.

        Raises:
            BadInputError: there is one already, or it cannot be made.
        """
        plan = first_plan(algorithm, root_keys, root_threshold)
        if (self._path / _PLAN).exists():
            raise self._bad("holds keys already.", "Name a new folder; 'maestro edge rotate' replaces keys.")
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._path.chmod(0o700)
            self._save(plan, algorithm)
        except (OSError, PortError) as error:
            raise self._bad(
                f"cannot be written: {error}.", "Name one that this user may write to."
            ) from error
        return plan

    def rotate(self, roles: Collection[str], *, bundle: bool) -> KeyPlan:
        """Make new keys for these roles. They count from the next publication on; the old files stay."""
        plan = rotated(self.plan(), roles, bundle=bundle)
        self._save(plan, plan.bundle.algorithm)
        return plan

    def plan(self) -> KeyPlan:
        """What ``keys.json`` says.

        Raises:
            BadInputError: it cannot be read.
        """
        return parse_plan(self._read(_PLAN))

    def load(self) -> Keyring:
        """The keys at hand.

        Raises:
            BadInputError: a public key is missing or malformed, or a private one malformed.
        """
        plan = self.plan()
        private = self._path / f"{plan.bundle.name}.pem"
        bundle = None
        if private.exists():
            bundle = parse_private_key(self._read(private.name), plan.bundle.algorithm)
        roles = public_roles(plan, lambda name: role_key(self._read(f"{name}.pub")))
        named = {
            role_key(self._read(f"{name}.pub")).keyid: name
            for name in plan.names()
            if name != plan.bundle.name
        }

        def signer_of(key_id: str) -> Signer | None:
            name = named.get(key_id)
            if name is None or not (self._path / f"{name}.pem").exists():
                return None
            return role_signer(self._read(f"{name}.pem"))

        return Keyring(plan.bundle.name, bundle, roles, signer_of)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While one publisher uses these keys, others wait: two at once would give out the same version twice."""
        try:
            with (self._path / ".lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise self._bad(f"cannot be locked: {error.strerror}.", "Name a folder of keys.") from error

    def _save(self, plan: KeyPlan, algorithm: str) -> None:
        """Keys first, the plan that names them last: after a crash the old plan stands, with some keys more."""
        for name in plan.names():
            if not (self._path / f"{name}.pub").exists():
                private, public = generate_pem(algorithm) if name == plan.bundle.name else generate_role_key()
                (self._path / f"{name}.pem").unlink(missing_ok=True)
                handle = os.open(self._path / f"{name}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(private)
                    os.fsync(file.fileno())
                FolderRepository(self._path).write(f"{name}.pub", public)
        text = msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n"
        FolderRepository(self._path).write(_PLAN, text)

    def _read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            raise self._bad(
                f"has no readable {name}: {error.strerror}.", "Name a folder made by 'maestro edge keygen'."
            ) from error

    def _bad(self, message: str, remedy: str) -> BadInputError:
        return BadInputError(message, field="KEYS", value=str(self._path), remedy=remedy)
