"""Every adapter of this project against the suite of its port, as `docs/howto/adapter.md` tells outside authors."""

from maestro.testing.conformance import DocumentStoreConformance, EventLogConformance, LeaseStoreConformance
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases, InProcessOutbox
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases, SqliteOutbox


class TestInProcessLeases(LeaseStoreConformance):
    def make(self, clock, folder):
        return InProcessLeases(clock)


class TestInProcessLeasesWithEvents(LeaseStoreConformance):
    def make(self, clock, folder):
        return InProcessLeases(clock, InProcessOutbox())


class TestSqliteLeases(LeaseStoreConformance):
    def make(self, clock, folder):
        return SqliteLeases(folder / "maestro.db", clock)


class TestSqliteLeasesWithoutEvents(LeaseStoreConformance):
    examples = 20

    def make(self, clock, folder):
        return SqliteLeases(folder / "maestro.db", clock, events=False)


class TestInProcessDocuments(DocumentStoreConformance):
    def make(self, clock, folder):
        return InProcessDocuments()


class TestInProcessDocumentsWithEvents(DocumentStoreConformance):
    def make(self, clock, folder):
        return InProcessDocuments(InProcessOutbox())


class TestSqliteDocuments(DocumentStoreConformance):
    def make(self, clock, folder):
        return SqliteDocuments(folder / "maestro.db")


class TestInProcessOutbox(EventLogConformance):
    def make(self, clock, folder):
        return InProcessOutbox()


class TestSqliteOutbox(EventLogConformance):
    def make(self, clock, folder):
        return SqliteOutbox(folder / "maestro.db")
