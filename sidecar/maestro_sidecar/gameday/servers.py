"""Servers that a drill is lent: named by the environment, used under a name of the drill's own, left as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import attrs

from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event
from maestro.ports.leases import LeaseStore
from maestro_sidecar.gameday.stage import Stage

if TYPE_CHECKING:
    from maestro_adapters.postgres import Database, PostgresDocuments

__all__ = ["KINDS", "Server", "lend", "open_documents", "open_leases", "require"]

KINDS = ("redis", "postgres")
"""Servers that a drill can be lent, by the names of the settings that hold their addresses."""

_PORTS = {"redis": 6379, "postgres": 5432}
_EXAMPLES = {"redis": "redis://127.0.0.1:6379/0", "postgres": "postgresql://user@127.0.0.1:5432/database"}
_PAGE = 1000


@attrs.frozen
class Server:
    """One server, and the prefix or schema below which the drill keeps to itself.

    Attributes:
        kind: ``redis`` or ``postgres``.
        address: a URL.
        space: the prefix of keys, or the schema.
    """

    kind: str
    address: str
    space: str

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
        netloc = f"{user[0]}{user[1]}127.0.0.1:{port}"
        return attrs.evolve(self, address=urlunsplit(parts._replace(netloc=netloc)))

    def version(self) -> str:
        """Of the server."""
        if self.kind == "redis":
            with _redis(self) as client:
                return str(client.info("server")["redis_version"])
        with _database(self) as database, database.connection() as connection:
            return str(connection.execute("SHOW server_version").fetchone()[0])  # type: ignore[index]  # one row

    def events(self) -> Iterator[Event]:
        """The event log in it, from its beginning; Redis keeps none."""
        if self.kind == "redis":
            return
        from maestro_adapters.postgres import PostgresOutbox

        with _database(self) as database:
            outbox, position = PostgresOutbox(database), 0
            while page := outbox.read(position, _PAGE):
                for position, event in page:  # noqa: B007 - the last position of a page begins the next one
                    yield event

    def clean(self) -> None:
        """Remove what the drill made there."""
        if self.kind == "redis":
            with _redis(self) as client:
                for key in client.scan_iter(match=f"{{{self.space}}}:*", count=1000):
                    client.delete(key)
            return
        with _database(self) as database, database.connection() as connection:
            connection.execute(f"DROP SCHEMA {database.schema} CASCADE")


def require(configuration: Mapping[str, Any], kind: str) -> str:
    """The server's address.

    Raises:
        BadInputError: the environment names none.
    """
    address = str(configuration[kind])
    if not address or not urlsplit(address).hostname:
        raise BadInputError(
            "is no address of a server." if address else "is not set.",
            field=f"MAESTRO_{kind.upper()}",
            remedy=f"Set it, for example to {_EXAMPLES[kind]}.",
        )
    return address


def lend(stage: Stage, configuration: Mapping[str, Any], kind: str) -> Server:
    """The server for the time of the drill; what the drill makes there is removed at its end."""
    server = Server(kind, require(configuration, kind), f"gameday_{stage.folder.name.rpartition('-')[2]}")
    stage.secrets[server.address] = f"<{kind}>"
    stage.at_end(server.clean)
    return server


def open_leases(server: Server, until: ExitStack) -> LeaseStore:
    """The leases in it, until the stack is closed."""
    if server.kind == "redis":
        from maestro_adapters.redis import RedisLeases

        leases: LeaseStore = RedisLeases(server.address, prefix=server.space)
    else:
        from maestro_adapters.postgres import PostgresLeases

        leases = PostgresLeases(until.enter_context(_database(server)))
    until.callback(leases.close)
    return leases


def open_documents(server: Server, until: ExitStack) -> PostgresDocuments:
    """The documents in it, until the stack is closed; PostgreSQL alone keeps any."""
    from maestro_adapters.postgres import PostgresDocuments

    return PostgresDocuments(until.enter_context(_database(server)))


def _database(server: Server) -> closing[Database]:
    from maestro_adapters.postgres import Database

    return closing(Database(server.address, schema=server.space))


def _redis(server: Server) -> Any:
    from redis import Redis

    return Redis.from_url(server.address)
