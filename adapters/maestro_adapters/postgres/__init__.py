"""Leases, documents, events and audit logs on a PostgreSQL server, for the processes of many machines."""

from maestro_adapters.postgres.audit import PostgresAudit
from maestro_adapters.postgres.database import Database
from maestro_adapters.postgres.documents import PostgresDocuments
from maestro_adapters.postgres.leases import PostgresLeases
from maestro_adapters.postgres.outbox import PostgresOutbox

__all__ = ["Database", "PostgresAudit", "PostgresDocuments", "PostgresLeases", "PostgresOutbox"]
