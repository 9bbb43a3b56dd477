"""Leases, documents and events in one SQLite file, for the processes of one machine."""

from maestro_adapters.sqlite.documents import SqliteDocuments
from maestro_adapters.sqlite.leases import SqliteLeases
from maestro_adapters.sqlite.outbox import SqliteOutbox

__all__ = ["SqliteDocuments", "SqliteLeases", "SqliteOutbox"]
