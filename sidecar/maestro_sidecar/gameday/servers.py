"""Servers that a drill is lent: named by the environment, used in a place of the drill's own, left as they were.

On PostgreSQL the place is a database that the drill makes and drops; on Redis a numbered database that is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import attrs

from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event
from maestro.ports.leases import LeaseStore
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.gameday.stage import Stage

if TYPE_CHECKING:
    from maestro_adapters.postgres import PostgresDocuments

__all__ = ["KINDS", "Server", "lend", "open_documents", "open_leases", "require"]

KINDS = ("redis", "postgres")
"""Servers that a drill can be lent, by the names of the settings that hold their addresses."""

_DRIVERS = {"redis": "redis", "postgres": "psycopg"}
_PORTS = {"redis": 6379, "postgres": 5432}
_EXAMPLES = {"redis": "redis://127.0.0.1:6379/0", "postgres": "postgresql://user@127.0.0.1:5432/database"}
_PAGE = 1000
_REDIS_DATABASES = 16


@attrs.frozen
class Server:
    """A place on a server.

    Attributes:
        kind: ``redis`` or ``postgres``.
        address: a URL of the place.
    """

    kind: str
    address: str

    @property
    def host(self) -> str:
        """Where it is."""
        return urlsplit(self.address).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.address).port or _PORTS[self.kind]

    def through(self, port: int) -> Server:
        """The same by way of a port of this machine."""
        parts = urlsplit(self.address)
        user = parts.netloc.rpartition("@")
        return attrs.evolve(self, address=_with(parts, netloc=f"{user[0]}{user[1]}127.0.0.1:{port}"))

    def version(self) -> str:
        """Of the server."""
        if self.kind == "redis":
            with _redis(self.address) as client:
                return str(client.info("server")["redis_version"])
        with _psycopg(self.address) as connection:
            return str(connection.execute("SHOW server_version").fetchone()[0])

    def events(self) -> Iterator[Event]:
        """The event log in it, from its beginning; leases on Redis leave none."""
        from maestro_adapters.postgres import PostgresOutbox

        position = 0
        with closing(PostgresOutbox(self.address)) as outbox:
            while page := outbox.read(position, _PAGE):
                for position, event in page:  # noqa: B007 - the last position of a page begins the next one
                    yield event


def require(configuration: Mapping[str, Any], kind: str) -> str:
    """The address that the environment names.

    Raises:
        BadInputError: it names none, or the driver is missing.
    """
    address = str(configuration[kind])
    if not address or not urlsplit(address).hostname:
        raise BadInputError(
            "is no address of a server." if address else "is not set.",
            field=f"MAESTRO_{kind.upper()}",
            remedy=f"Set it, for example to {_EXAMPLES[kind]}.",
        )
    with needs_extra(kind, "maestro gameday run"):
        import_module(_DRIVERS[kind])
    return address


def lend(stage: Stage, configuration: Mapping[str, Any], kind: str) -> Server:
    """A place of the drill's own on the server; it is removed at the end of the drill.

    Raises:
        BadInputError: there is no room for one.
    """
    given = require(configuration, kind)
    stage.secrets[given] = f"<{kind}>"
    make = _empty_redis if kind == "redis" else _new_database
    server = Server(kind, make(stage, given))
    stage.secrets[server.address] = f"<{kind}>"
    return server


def _empty_redis(stage: Stage, given: str) -> str:
    for number in reversed(range(_REDIS_DATABASES)):
        address = _with(urlsplit(given), path=f"/{number}")
        with _redis(address) as client:
            if client.dbsize() == 0:
                stage.at_end(partial(_forget_keys, address))
                return address
    raise BadInputError(
        f"has keys in all of its {_REDIS_DATABASES} databases.",
        field="MAESTRO_REDIS",
        remedy="Name a server with an empty one.",
    )


def _forget_keys(address: str) -> None:
    with _redis(address) as client:
        for key in client.scan_iter(match="{maestro}:*", count=1000):
            client.delete(key)


def _new_database(stage: Stage, given: str) -> str:
    name = f"gameday_{stage.folder.name.rpartition('-')[2]}"
    with _psycopg(given) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    stage.at_end(lambda: _drop_database(given, name))
    return _with(urlsplit(given), path=f"/{name}")


def _drop_database(given: str, name: str) -> None:
    with _psycopg(given) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def open_leases(server: Server, until: ExitStack) -> LeaseStore:
    """The leases in it, until the stack is closed."""
    if server.kind == "redis":
        from maestro_adapters.redis import RedisLeases

        leases: LeaseStore = RedisLeases(server.address)
    else:
        from maestro_adapters.postgres import PostgresLeases

        leases = PostgresLeases(server.address)
    until.callback(leases.close)
    return leases


def open_documents(server: Server, until: ExitStack) -> PostgresDocuments:
    """The documents in it, until the stack is closed; PostgreSQL alone keeps any."""
    from maestro_adapters.postgres import PostgresDocuments

    return until.enter_context(closing(PostgresDocuments(server.address)))


def _with(parts: SplitResult, **changed: str) -> str:
    return urlunsplit(parts._replace(**changed))


def _psycopg(address: str) -> Any:
    return import_module("psycopg").connect(address, autocommit=True, connect_timeout=5)


def _redis(address: str) -> Any:
    return import_module("redis").Redis.from_url(address)
