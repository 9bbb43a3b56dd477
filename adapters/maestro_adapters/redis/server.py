"""One Redis server: connecting to it, what it must be fit for, its scripts, its errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.resources import files
from typing import Any, Final

from maestro.kernel.errors import PortError

__all__ = ["Server"]

_OLDEST: Final = (6, 0)
"""Older servers are out of maintenance; scripts that read the clock and then write need 5.0."""

_DECODES_NOTHING: Final = {"NEVER_DECODE": True}
"""Leases are bytes, whatever the client that was handed in does with the answers of others."""

_Meaning = tuple[str, float | None, str]

_UNREACHABLE: Final[_Meaning] = (
    "store_unreachable", 1.0, "Start the server, or correct host and port; the next call connects again."
)  # fmt: skip
_REFUSED: Final[_Meaning] = (
    "store_refused",
    None,
    "Correct user and password in the URL; the user needs the keys, @scripting @hash @sortedset info time pttl pexpire.",
)
_NO_SCRIPTING: Final[_Meaning] = (
    "store_unsuited", None, "Admission is one script: use a server on which EVAL and EVALSHA are allowed."
)  # fmt: skip
_CLUSTER: Final[_Meaning] = (
    "store_unsuited", None, "This is a node of a cluster: hand in a redis.cluster.RedisCluster client."
)  # fmt: skip

# By the first word of the server's error, else by the driver's class, the most special first.
_MEANINGS: Final[dict[str, _Meaning]] = {
    "MAESTROLAYOUT": ("store_newer", None, "Upgrade Maestro, or use another prefix."),
    "MISCONF": ("store_read_only", 5.0, "The server cannot write its snapshot: free its disk, see its log."),
    "NOREPLICAS": ("store_read_only", 5.0, "Bring its replicas back, or lower min-replicas-to-write."),
    "BUSY": ("store_busy", 1.0, "Another client's script blocks the server: SCRIPT KILL ends it."),
    "WRONGTYPE": ("store_foreign", None, "Another application uses these keys: use another prefix."),
    "CROSSSLOT": _CLUSTER,
    "unknown": _NO_SCRIPTING,
    "OutOfMemoryError": ("store_full", 30.0, "Raise maxmemory; leases need about 1 KiB each."),
    "ReadOnlyError": ("store_read_only", 5.0, "This is a replica: connect to the primary."),
    "BusyLoadingError": ("store_unreachable", 1.0, "The server is reading its data; wait."),
    "MasterDownError": ("store_unreachable", 1.0, "Wait for the failover, or bring the primary back."),
    "ClusterDownError": ("store_unreachable", 1.0, "Bring the missing nodes of the cluster back."),
    "MovedError": _CLUSTER,
    "AuthenticationError": _REFUSED,
    "AuthorizationError": _REFUSED,
    "AuthenticationWrongNumberOfArgsError": _REFUSED,
    "NoPermissionError": _REFUSED,
    "MaxConnectionsError": ("store_busy", 1.0, "Allow the client more connections."),
    "TimeoutError": ("store_unreachable", 1.0, "The server answers too slowly, or a proxy swallows it."),
    "ConnectionError": _UNREACHABLE,
    "OSError": _UNREACHABLE,
    "SSLError": (
        "store_untrusted", None,
        "Compare the certificate with ssl_ca_certs and the host's name; a server without TLS takes redis://.",
    ),
}  # fmt: skip


class Server:
    """Runs scripts on a server.

    Args:
        target: a URL, or a client of redis-py, whose timeouts and retries then hold.
        timeout: seconds to wait for a connection or an answer, with a URL.

    Raises:
        PortError: the driver is missing, or the server cannot be reached or is unfit, with remedy.
    """

    def __init__(self, target: Any, timeout: float) -> None:
        self._errors = _driver("redis.exceptions").RedisError
        self._own = isinstance(target, str)
        self._client = _connect(target, timeout) if self._own else target
        self.name = _name(self._client)
        self._scripts = {name: (_sha1(body), body) for name, body in _bodies()}
        try:
            self._require_fit()
        except BaseException:
            self.close()
            raise

    def run(self, script: str, keys: Sequence[bytes], *arguments: bytes | int | str) -> Any:
        """The answer of a script, given as the name of its file."""
        sha1, body = self._scripts[script]
        try:
            return self._run("EVALSHA", sha1, len(keys), *keys, *arguments)
        except PortError as error:
            if type(error.__cause__).__name__ != "NoScriptError":
                raise
        return self._run("EVAL", body, len(keys), *keys, *arguments)

    @contextmanager
    def subscription(self, channel: bytes) -> Iterator[Any]:
        """A subscription to a channel, on a connection of its own; errors of the driver become a PortError."""
        messages = self._client.pubsub()
        try:
            messages.subscribe(channel)
            yield messages
        except (self._errors, OSError) as error:
            raise self._failure(error) from error
        finally:
            messages.close()

    def close(self) -> None:
        """Close the connections that were opened here; those of a client that was handed in stay."""
        if self._own:
            self._client.close()

    def _run(self, *command: bytes | int | str) -> Any:
        try:
            return self._client.execute_command(*command, **_DECODES_NOTHING)
        except (self._errors, OSError) as error:
            raise self._failure(error) from error

    def _require_fit(self) -> None:
        """Refuse a server on which leases would not be safe."""
        try:
            information = self._client.info()
        except (self._errors, OSError) as error:
            raise self._failure(error) from error
        fault = unfit(information)
        if fault is not None:
            raise PortError(
                f"{self.name} {fault[0]}.", code="store_unsuited", retry_after=None, remedy=fault[1]
            )

    def _failure(self, error: Exception) -> PortError:
        """What an error of the driver means to the caller."""
        text = " ".join(str(error).split()).rstrip(".")
        causes = (error, error.__cause__, error.__context__)
        kinds = [kind.__name__ for cause in causes if cause for kind in type(cause).__mro__]
        if "SSLError" in kinds:
            kinds = ["SSLError"]
        for word in (text.split(" ")[0], *kinds):
            if word in _MEANINGS:
                code, retry_after, remedy = _MEANINGS[word]
                break
        else:
            code, retry_after, remedy = "store_failed", 1.0, ""
        return PortError(f"{self.name}: {text}.", code=code, retry_after=retry_after, remedy=remedy)


def unfit(information: dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a server by its INFO, and the remedy; None when it is fit."""
    version = str(information.get("redis_version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        return f"is Redis {version or 'of unknown version'}", "Use Redis 6.0 or newer, or Valkey."
    if information.get("role") not in (None, "master"):
        return "is a replica", "Connect to the primary."
    policy = information.get("maxmemory_policy", "noeviction")
    if int(information.get("maxmemory", 0)) and policy != "noeviction":
        return (
            f"may evict leases when its memory is full (maxmemory-policy {policy})",
            "Set maxmemory-policy noeviction, or use a server of its own.",
        )
    return None


def _driver(module: str) -> Any:
    """The driver, or which extra brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise PortError(
            "The driver redis-py is not installed.",
            code="missing_extra",
            retry_after=None,
            remedy="Run: pip install 'maestro-conductor[redis]'",
        ) from error


def _connect(url: str, timeout: float) -> Any:
    """A client for a URL. It does not repeat by itself: the caller decides, and knows what a repeat answers."""
    redis = _driver("redis")
    retry = _driver("redis.retry").Retry(_driver("redis.backoff").NoBackoff(), 0)
    try:
        return redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=retry)
    except ValueError as error:
        raise PortError(
            "The address of the Redis server is malformed.",
            code="store_unopened",
            retry_after=None,
            remedy="Write redis://host:port/database, rediss:// for TLS, or unix:///path.",
        ) from error


def _name(client: Any) -> str:
    """How messages name the server: never with its password."""
    pool = getattr(client, "connection_pool", None)
    options = pool.connection_kwargs if pool is not None else {}
    if "path" in options:
        return f"Redis at {options['path']}"
    return f"Redis at {options['host']}:{options['port']}" if "host" in options else "Redis"


def _bodies() -> Iterator[tuple[str, str]]:
    """The scripts by name, each with what is common to all in front."""
    folder = files(__package__).joinpath("scripts")
    texts = {entry.name.removesuffix(".lua"): entry.read_text("utf-8") for entry in folder.iterdir()}
    common = texts.pop("common")
    yield from ((name, f"{common}\n{body}") for name, body in texts.items())


def _sha1(body: str) -> str:
    return hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()
