"""A sidecar whose leases are on a server, as a process: the sidecar's own application over another store.

``maestro serve`` cannot be told of servers yet; the drills need it, and the application takes any stores. Which ones is
read from stdin as one JSON line, since an address may hold a password and arguments can be read by all.
"""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import ExitStack
from functools import partial

import msgspec

from maestro_sidecar.gameday.servers import Server, open_documents, open_leases
from maestro_sidecar.settings import Settings, load
from maestro_sidecar.wiring import Stores, wire

__all__ = ["Told", "main"]


class Told(msgspec.Struct):
    """What the process is told: its settings, and the server of its leases. PostgreSQL takes documents and events too."""

    config: str
    kind: str
    address: str
    space: str


def main() -> int:
    """Serve until SIGTERM."""
    import uvicorn

    from maestro_sidecar.app import Application

    told = msgspec.json.decode(sys.stdin.readline(), type=Told)
    settings = load(told.config, environment={})
    server, until = Server(told.kind, told.address, told.space), ExitStack()
    context = wire(settings, opening=partial(_stores, settings, server, until))
    listener = socket.create_server(("127.0.0.1", 0))
    print(f'{{"addresses": ["http://127.0.0.1:{listener.getsockname()[1]}"]}}', flush=True)  # noqa: T201  # as maestro serve
    # uvicorn drains on SIGTERM and then sends it once more, to whoever was there before.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    config = uvicorn.Config(Application(context), lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run([listener])
    context.close()
    until.close()
    return 0


def _stores(settings: Settings, server: Server, until: ExitStack) -> Stores:
    from maestro_adapters.sqlite import SqliteDocuments, SqliteOutbox

    leases = open_leases(server, until)
    if server.kind == "postgres":
        shared = open_documents(server, until)
        return Stores(leases, shared, shared.outbox, ())
    path = settings.store_path
    documents, events = SqliteDocuments(path), SqliteOutbox(path)
    return Stores(leases, documents, events, (documents.close, events.close))


if __name__ == "__main__":
    sys.exit(main())
