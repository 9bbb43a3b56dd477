"""Who asks, and what they may do: bearer tokens kept as SHA-256, scopes, the Unix socket, the token made at start."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import attrs

from maestro.kernel.errors import BadInputError
from maestro_sidecar.refusals import RefusedError
from maestro_sidecar.settings import TENANT_SCOPE, Settings, TokenSettings, is_loopback

__all__ = ["ANYONE", "Authenticator", "Identity", "check_origin", "made_token"]

_CACHED = 1024
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([\x21-\x7e]+) *")
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?", re.ASCII)
_CHALLENGE = b'Bearer realm="maestro"'


@attrs.frozen
class Identity:
    """A caller whose token was verified.

    Attributes:
        name: of the token; it is written beside what the caller changes.
        scopes: as granted.
        tenants: named by ``tenant:`` scopes.
        everyone: whether decisions of any tenant may be asked for (runner, operator).
    """

    name: str
    scopes: frozenset[str]
    tenants: frozenset[str]
    everyone: bool

    @classmethod
    def of(cls, name: str, scopes: Iterable[str]) -> Identity:
        """The identity with these scopes."""
        granted = frozenset(scopes)
        tenants = frozenset(
            scope.removeprefix(TENANT_SCOPE) for scope in granted if scope.startswith(TENANT_SCOPE)
        )
        return cls(name, granted, tenants, not granted.isdisjoint({"runner", "operator"}))

    def require(self, *scopes: str) -> None:
        """Raise RefusedError ``not_allowed`` unless one of the scopes is granted."""
        if self.scopes.isdisjoint(scopes):
            self.refuse(f"It needs the scope {' or '.join(scopes)}.")

    def require_tenant(self, tenant: str, *scopes: str) -> None:
        """Raise RefusedError ``not_allowed`` unless it is the tenant's own token or has one of the scopes."""
        if tenant not in self.tenants and self.scopes.isdisjoint(scopes):
            self.refuse(f"It needs the scope {' or '.join((f'tenant:{tenant}', *scopes))}.")

    def own_tenant(self, named: str | None, scope: str) -> str:
        """The tenant meant: the one named, else the token's only one.

        Raises:
            RefusedError: ``not_allowed``, the named one is neither the token's nor covered by ``scope``.
            BadInputError: none is named and the token does not tell.
        """
        if named is not None:
            self.require_tenant(named, scope)
            return named
        if len(self.tenants) == 1:
            return next(iter(self.tenants))
        if not self.tenants:
            self.require(scope)
        raise BadInputError(
            "is missing.", field="tenant", remedy="Name it, since the token does not.", code="bad_field"
        )

    def refuse(self, why: str) -> NoReturn:
        """Raise RefusedError ``not_allowed``."""
        raise RefusedError("not_allowed", f"Token {self.name!r} may not do this. {why}")


ANYONE = Identity.of("anyone", ("operator", "runner"))
"""Whoever asks a sidecar that runs without tokens."""


class Authenticator:
    """Tells who a request is from.

    Args:
        tokens: those that are known.
        socket_scope: of requests over the Unix socket that bring no token; empty for none.
        open_to_all: nobody is asked for a token.
    """

    def __init__(
        self, tokens: Iterable[TokenSettings], *, socket_scope: str = "", open_to_all: bool = False
    ) -> None:
        self.open_to_all = open_to_all
        self._known = tuple(
            (bytes.fromhex(token.sha256), Identity.of(token.name, token.scopes)) for token in tokens
        )
        self._over_socket = Identity.of("socket", (socket_scope,)) if socket_scope else None
        self._verified: dict[bytes, Identity] = {}

    def identify(self, authorization: bytes | None, *, socket: bool) -> Identity:
        """The caller behind an ``Authorization`` header.

        Raises:
            RefusedError: ``not_authenticated``.
        """
        identity = self.seen(authorization, socket=socket)
        return identity if identity is not None else self._verify(authorization)

    def seen(self, authorization: bytes | None, *, socket: bool) -> Identity | None:
        """The caller if no hashing is needed to tell; only headers that were verified are remembered."""
        if self.open_to_all:
            return ANYONE
        if authorization is None:
            return self._over_socket if socket else None
        return self._verified.get(authorization)

    def _verify(self, authorization: bytes | None) -> Identity:
        if authorization is None:
            raise RefusedError("not_authenticated", headers=((b"www-authenticate", _CHALLENGE),))
        match = _BEARER.fullmatch(authorization)
        digest = hashlib.sha256(match[1] if match else b"").digest()
        found = None
        for known, identity in self._known:  # all of them, so that the time tells nothing of where it matched
            if hmac.compare_digest(known, digest):
                found = identity
        if found is None or match is None:
            challenge = _CHALLENGE + b', error="invalid_token"'
            raise RefusedError(
                "not_authenticated", "The token is not known.", headers=((b"www-authenticate", challenge),)
            )
        if len(self._verified) >= _CACHED:
            self._verified.clear()
        self._verified[authorization] = found
        return found


def check_origin(host: bytes | None, origin: bytes | None, own: str) -> None:
    """Keep web pages out of a sidecar without tokens: they can reach loopback, also under names of their own.

    Raises:
        RefusedError: ``browser_origin``; ``unknown_host``, also for a request without ``Host``.
    """
    if origin is not None:
        raise RefusedError("browser_origin")
    match = _HOST.fullmatch((host or b"").decode("latin-1"))
    name = match["name"].strip("[]") if match else ""
    if name != own and not is_loopback(name):
        raise RefusedError("unknown_host")


def made_token(settings: Settings) -> TokenSettings:
    """The token kept in the state folder, made when there is none; readable by this user alone.

    Raises:
        BadInputError: the file cannot be made or read, is open to others, or holds no token.
    """
    path = settings.token_path
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            token = _kept(path)
        else:
            token = secrets.token_urlsafe(32)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{token}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"cannot be used for the token: {error}.",
            field="state",
            value=str(path),
            remedy="Set MAESTRO_STATE to a folder of this user, or name [[tokens]] in the settings.",
        ) from error
    digest = hashlib.sha256(token.encode()).hexdigest()
    return TokenSettings("made-at-start", digest, ("operator", "runner"))


def _kept(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        raise BadInputError(
            "is open to other users.",
            field="state",
            value=str(path),
            remedy=f"chmod 600 {path}, or delete it.",
        )
    token = path.read_text("ascii").strip()
    if len(token) < 32:
        raise BadInputError(
            "holds no token.", field="state", value=str(path), remedy="Delete it; a new one is made."
        )
    return token
