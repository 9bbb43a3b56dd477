"""The conformance kit on a real PostgreSQL: leases by a clock of the tests and by the server's own, documents, events."""

from contextlib import contextmanager

import psycopg
import pytest

from maestro.testing.conformance import DocumentStoreConformance, EventLogConformance, LeaseStoreConformance
from maestro.testing.conformance.audit import AuditStoreConformance
from maestro_adapters.postgres import (
    Database,
    PostgresAudit,
    PostgresDocuments,
    PostgresLeases,
    PostgresOutbox,
)
from stores.support import ServerClock, ServerMachine

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("postgres")]


class OnPostgres:
    """A schema for each store under test."""

    @pytest.fixture(autouse=True)
    def _server(self, service):
        self.url = service("postgres")

    @contextmanager
    def bench(self):
        self.databases = []
        with super().bench() as bench:
            yield bench
        for database in self.databases:
            database.close()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET client_min_messages = error")
            connection.execute(f'DROP SCHEMA IF EXISTS "{bench.folder.name}" CASCADE')

    def database(self, folder):
        self.databases.append(Database(self.url, schema=folder.name, size=4))
        return self.databases[-1]


class LeasesOnPostgres(OnPostgres, LeaseStoreConformance):
    def test_it_answers_as_the_model_does(self):
        self.run_machine(ServerMachine)


class TestLeasesByTheClockOfTests(LeasesOnPostgres):
    resolution_nanoseconds = 1000
    examples = 10
    rounds = 8

    def make(self, clock, folder):
        return PostgresLeases(self.database(folder), clock=ServerClock(clock))


class TestLeasesByTheServersClock(LeasesOnPostgres):
    clock_control = False
    examples = 6
    rounds = 8

    def make(self, clock, folder):
        return PostgresLeases(self.database(folder))


class TestDocuments(OnPostgres, DocumentStoreConformance):
    examples = 8

    def make(self, clock, folder):
        return PostgresDocuments(self.database(folder))


class TestEvents(OnPostgres, EventLogConformance):
    examples = 8

    def make(self, clock, folder):
        return PostgresOutbox(self.database(folder))


class TestAudit(OnPostgres, AuditStoreConformance):
    examples = 8

    def make(self, clock, folder):
        return PostgresAudit(self.database(folder), "example.org/node-1")
