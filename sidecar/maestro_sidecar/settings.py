"""Settings of the sidecar: a TOML file, a few environment variables, and what the command line overrides.

For the command line: ``load(config, overrides=Overrides(...)) -> Settings``, then
``maestro_sidecar.server.serve(settings, ready=...) -> int``. ``load`` reads files and environment and raises
BadInputError (exit 2) naming the key and the remedy; nothing is bound, made or written before ``serve``.

This is the only module of the project that reads the environment:

- ``MAESTRO_CONFIG``: the TOML file, when none is named on the command line.
- ``MAESTRO_SOCKET``: path of the Unix socket.
- ``MAESTRO_STATE``: folder for the store and the token that are made when the settings name none; without it
  ``STATE_DIRECTORY`` (systemd), ``$XDG_STATE_HOME/maestro``, ``~/.local/state/maestro``.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError
from maestro.kernel.names import require_tenant
from maestro.limits.documents import LimitsFile, limits_from
from maestro.limits.policy import compile_file
from maestro.limits.revision import UNRESTRICTED
from maestro.ports.flags import FlagSnapshot
from maestro_sidecar.edge_settings import EdgeSettings, check_edge
from maestro_sidecar.watching_settings import (
    AuditSettings,
    EventSettings,
    LogSettings,
    MetricsSettings,
    TracingSettings,
)

__all__ = [
    "DEFAULT_PORT",
    "FIXED_SCOPES",
    "AuditSettings",
    "EventSettings",
    "LogSettings",
    "MetricsSettings",
    "Overrides",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "TlsSettings",
    "TokenSettings",
    "TracingSettings",
    "is_loopback",
    "load",
    "parse_settings",
]

DEFAULT_PORT = 8321
FIXED_SCOPES = frozenset({"runner", "publisher", "moderator", "operator"})
TENANT_SCOPE = "tenant:"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Span = Annotated[float, Meta(ge=0.05, le=3600)]


class TlsSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """TLS of the TCP listener, as paths of PEM files; with ``clientCa`` clients need a certificate of it (mTLS)."""

    cert: str
    key: str
    client_ca: str = ""


class ServerSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Where the sidecar listens and what it bears.

    Attributes:
        host: of the TCP listener; empty for none.
        port: of the TCP listener; 0 takes a free one.
        socket: path of the Unix socket (mode 0600); empty for none.
        socket_scope: scope of requests over the socket that bring no token; empty: they need a token too.
        auth: ``none`` asks nobody for a token; loopback only.
        max_body_bytes: of a request's body.
        request_timeout_seconds: for a request's head, and again for its body, to arrive.
        drain_seconds: how long requests under way may take after SIGTERM.
        max_requests: answered at once; more get 503.
        max_waiting: of them, those that wait for a slot; more are answered at once, as if they had not asked to wait.
        max_connections: open at once; more are closed.
        tls: certificates, or None for plain HTTP.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = DEFAULT_PORT
    socket: str = ""
    socket_scope: str = ""
    auth: Literal["tokens", "none"] = "tokens"
    max_body_bytes: Annotated[int, Meta(ge=1024, le=strict_json.BODY_LIMIT)] = strict_json.BODY_LIMIT
    request_timeout_seconds: Span = 10.0
    drain_seconds: Span = 10.0
    max_requests: Count = 512
    max_waiting: Annotated[int, Meta(ge=0, le=100_000)] = 256
    max_connections: Count = 1024
    tls: TlsSettings | None = None


class StoreSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Where leases, documents and events are kept.

    Attributes:
        kind: ``sqlite`` for one machine, ``postgres`` for many, ``memory`` for a try.
        path: of the SQLite file; empty: ``maestro.db`` in the state folder.
        url: of the PostgreSQL server.
        leases: URL of a Redis server that holds the leases instead; they then leave no events.
    """

    kind: Literal["sqlite", "postgres", "memory"] = "sqlite"
    path: str = ""
    url: str = ""
    leases: str = ""

    @property
    def waits(self) -> bool:
        """Whether reading it asks a server, for which the event loop must not wait."""
        return self.kind == "postgres" or bool(self.leases)


class TokenSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """One bearer token: who holds it, its SHA-256 in hex, and what it may do."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    sha256: str
    scopes: Annotated[tuple[str, ...], Meta(min_length=1)]


class Settings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """All settings, checked.

    Attributes:
        server: listeners and bounds.
        store: leases, documents and events.
        default_limits: for tenants without documents; its ``tenant`` may be left out.
        flags: by name; flags not named are on.
        tokens: who may come in; empty: one is made and kept in ``state``.
        log: level.
        metrics: cardinality.
        audit: keys.
        tracing: where traces go, and how many.
        events: how long they are kept.
        edge: edge policy; None for none.
        state: folder for what is made when the settings name nothing.
    """

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    default_limits: LimitsFile = UNRESTRICTED
    flags: dict[str, bool] = {}
    tokens: tuple[TokenSettings, ...] = ()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    audit: AuditSettings = AuditSettings()
    tracing: TracingSettings = TracingSettings()
    events: EventSettings = EventSettings()
    edge: EdgeSettings | None = None
    state: str = ""

    @property
    def store_path(self) -> Path:
        """The SQLite file."""
        return Path(self.store.path) if self.store.path else Path(self.state) / "maestro.db"

    @property
    def store_name(self) -> str:
        """The store as people are told of it: without addresses, which may hold a password."""
        name = str(self.store_path) if self.store.kind == "sqlite" else self.store.kind
        return f"{name}, leases on redis" if self.store.leases else name

    @property
    def token_path(self) -> Path:
        """Where the token is kept that is made when the settings name none."""
        return Path(self.state) / "token"

    @property
    def audit_key_path(self) -> Path:
        """Where the private key of the node's audit log is."""
        return Path(self.audit.key) if self.audit.key else Path(self.state) / "audit.key"


class Overrides(Struct, frozen=True):
    """What the command line says over file and environment; None leaves a setting alone.

    Attributes:
        host: ``--host``.
        port: ``--port``.
        socket: ``--socket``.
        store: ``--store``: a path, ``:memory:``, or a PostgreSQL URL.
        leases: ``--leases``: a Redis URL.
        no_auth: ``--no-auth``.
        log_level: ``--log-level``.
    """

    host: str | None = None
    port: int | None = None
    socket: str | None = None
    store: str | None = None
    leases: str | None = None
    no_auth: bool = False
    log_level: str | None = None


def load(
    config: str | os.PathLike[str] | None = None,
    *,
    overrides: Overrides | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings: the file, then the environment, then the command line's overrides.

    Args:
        config: the TOML file; None: ``MAESTRO_CONFIG``, else all defaults.
        overrides: of the command line.
        environment: read instead of the process's own.

    Raises:
        BadInputError: a file that cannot be read, an unknown key, a bad value; names key and remedy.
    """
    env = os.environ if environment is None else environment
    named = config if config is not None else env.get("MAESTRO_CONFIG")
    raw = {} if not named else _read(Path(named))
    over = overrides or Overrides()
    server = _table(raw, "server")
    _override(server, "socket", over.socket if over.socket is not None else env.get("MAESTRO_SOCKET"))
    _override(server, "host", over.host)
    _override(server, "port", over.port)
    _override(server, "auth", "none" if over.no_auth else None)
    _override(_table(raw, "log"), "level", over.log_level)
    if over.store is not None:
        raw["store"] = _store_named(over.store)
    if over.leases is not None:
        _table(raw, "store")["leases"] = over.leases
    raw.setdefault("state", _state(env))
    return parse_settings(raw)


def parse_settings(raw: dict[str, Any]) -> Settings:
    """Check settings given as Python values, as TOML gives them.

    Raises:
        BadInputError: names the key and the remedy.
    """
    plain: dict[str, Any] = _plain(raw, "")
    default_limits = _default_limits(plain.pop("defaultLimits", None))
    _check_flags(plain.get("flags"))
    settings = strict_json.convert(plain, Settings)
    for index, token in enumerate(settings.tokens):
        _check_token(token, f"tokens[{index}]")
    _check_server(settings.server)
    _check_store(settings.store)
    if settings.edge is not None:
        check_edge(settings.edge)
    return msgspec.structs.replace(settings, default_limits=default_limits)


def _store_named(name: str) -> dict[str, str]:
    if name == ":memory:":
        return {"kind": "memory"}
    if name.startswith(("postgresql://", "postgres://")):
        return {"kind": "postgres", "url": name}
    return {"kind": "sqlite", "path": name}


def _check_store(store: StoreSettings) -> None:
    if store.path and store.kind != "sqlite":
        raise BadInputError(
            f"is given for a store of kind {store.kind}.",
            field="store.path",
            remedy="Remove it, or set kind to sqlite.",
        )
    if bool(store.url) != (store.kind == "postgres"):
        raise BadInputError(
            "is needed by the kind postgres, and by no other.",
            field="store.url",
            remedy="Write postgresql://user@host:port/database, or change the kind.",
        )
    if store.leases and store.kind == "memory":
        raise BadInputError(
            "is given for a store in memory.",
            field="store.leases",
            remedy="Documents need to last as long as leases: set kind to sqlite or postgres.",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host's address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise BadInputError(
            f"cannot be read: {error.strerror or error}.",
            field="config",
            value=str(path),
            remedy="Name a TOML file that this user may read.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"is not TOML: {error}.", field="config", value=str(path), remedy="Correct the line it names."
        ) from error


def _state(env: Mapping[str, str]) -> str:
    for name in ("MAESTRO_STATE", "STATE_DIRECTORY"):
        if env.get(name):
            return env[name].partition(":")[0] if name == "STATE_DIRECTORY" else env[name]
    if env.get("XDG_STATE_HOME"):
        return str(Path(env["XDG_STATE_HOME"]) / "maestro")
    return str(Path(env.get("HOME") or ".") / ".local" / "state" / "maestro")


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    """The table of that name, made when missing; one that is no table is left for the check to name."""
    table = raw.setdefault(name, {})
    return table if isinstance(table, dict) else {}


def _override(table: dict[str, Any], key: str, value: object) -> None:
    if value is not None:
        table[key] = value


def _plain(value: Any, field: str) -> Any:
    """TOML has dates, infinities and NaN; JSON, whose rules all documents follow, has none of them."""
    if isinstance(value, dict):
        return {key: _plain(item, f"{field}.{key}".removeprefix(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{field}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInputError("is not a finite number.", field=field, value=value, remedy="Correct the value.")
    return value


def _default_limits(raw: Any) -> LimitsFile:
    if raw is None:
        return UNRESTRICTED
    if not isinstance(raw, dict):
        raise BadInputError(
            "is not a table.", field="defaultLimits", value=raw, remedy="Write it as [defaultLimits]."
        )
    try:
        limits = limits_from({"tenant": "default", **raw})
        compile_file(limits, source="default")
    except BadInputError as error:
        raise BadInputError(
            error.message,
            field=f"defaultLimits.{error.field}".removesuffix("."),
            value=error.value or None,
            remedy=error.remedy,
            code=error.code,
        ) from error
    return limits


def _check_flags(raw: Any) -> None:
    """Judge each flag by itself, because a decoder's message would not name its key."""
    if not isinstance(raw, dict):
        return
    FlagSnapshot(raw)
    for name, value in raw.items():
        if not isinstance(value, bool):
            raise BadInputError(
                "is neither true nor false.",
                field=f"flags.{name}",
                value=repr(value),
                remedy="Write true or false, without quotes.",
            )


def _check_scope(scope: str, field: str) -> None:
    if scope.startswith(TENANT_SCOPE):
        require_tenant(scope.removeprefix(TENANT_SCOPE), field)
    elif scope not in FIXED_SCOPES:
        known = ", ".join(sorted(FIXED_SCOPES))
        raise BadInputError("is not a scope.", field=field, value=scope, remedy=f"Use tenant:NAME, {known}.")


def _check_token(token: TokenSettings, field: str) -> None:
    if _SHA256.fullmatch(token.sha256) is None:
        # The value is not repeated: it may be the token itself, written here by mistake.
        raise BadInputError(
            "is not a SHA-256 in lower-case hex.",
            field=f"{field}.sha256",
            remedy='Write the output of: printf %s "$TOKEN" | sha256sum',
        )
    for index, scope in enumerate(token.scopes):
        _check_scope(scope, f"{field}.scopes[{index}]")


def _check_server(server: ServerSettings) -> None:
    if not server.host and not server.socket:
        raise BadInputError(
            "is empty and there is no socket.", field="server.host", remedy="Name a host, a socket, or both."
        )
    if server.socket_scope:
        _check_scope(server.socket_scope, "server.socketScope")
        if not server.socket:
            raise BadInputError(
                "is given without a socket.", field="server.socketScope", remedy="Name server.socket too."
            )
    if server.auth == "none" and server.host and not is_loopback(server.host):
        raise BadInputError(
            "must be a loopback address when nobody is asked for a token.",
            field="server.host",
            value=server.host,
            remedy="Use 127.0.0.1 or ::1, or leave authentication on.",
        )
