"""The SQLite store keeps the port's contract, and the suite catches stores that do not."""

import sqlite3
from contextlib import closing

import hypothesis
import pytest

from maestro.audit import EMPTY_ROOT, Draft
from maestro.kernel.errors import PortError, UntrustedError
from maestro.ports.audit import StoredEntry
from maestro.testing.conformance.audit import AuditStoreConformance, draft
from maestro_adapters.inprocess_audit import InProcessAudit
from maestro_adapters.sqlite.audit import SqliteAudit, SqliteAuditFile

ORIGIN = "example.org/node-1"


def note(_last, _before, after):
    return f"{ORIGIN}\n{after.size}\n".encode()


class TestSqliteAudit(AuditStoreConformance):
    examples = 15

    def make(self, clock, folder):
        return SqliteAudit(folder / "store.db", ORIGIN)


class TestInProcessAudit(AuditStoreConformance):
    examples = 15

    def make(self, clock, folder):
        return InProcessAudit(ORIGIN)


class Forgetful(SqliteAudit):
    """Takes every draft for new."""

    def append(self, drafts, seal):
        return super().append([Draft(d.time, d.actor, d.action, d.subject, d.data) for d in drafts], seal)


class Premature(SqliteAudit):
    """Seals in a transaction of its own, after the entries."""

    def append(self, drafts, seal):
        places = super().append(drafts, note)
        super().append([], seal)
        return places


class Renumbering(SqliteAudit):
    """Answers the places of a page from 0."""

    def read(self, first=0, limit=1000):
        return [StoredEntry(n, e.body, e.hashes) for n, e in enumerate(super().read(first, limit))]


class Swapping(SqliteAudit):
    """Mixes up the hashes of a proof."""

    def hashes(self, nodes):
        return super().hashes(nodes)[::-1]


class Stale(SqliteAudit):
    """Keeps the first checkpoint for the newest."""

    def checkpoint(self):
        return next(iter(self.checkpoints()), None) if self.size() < 3 else b"old"


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (Forgetful, "expected"),
        (Premature, "sealed None|ZeroDivisionError"),
        (Renumbering, r"read\("),
        (Swapping, "does not"),
        (Stale, "checkpoint"),
    ],
)
def test_the_suite_catches_planted_bugs(store, message):
    class Suite(AuditStoreConformance):
        def make(self, clock, folder):
            return store(folder / "store.db", ORIGIN)

        def settings(self):
            found = [hypothesis.Phase.generate]  # the smallest history is for people
            return hypothesis.settings(super().settings(), phases=found, report_multiple_bugs=False)

    with pytest.raises((AssertionError, UntrustedError), match=message):
        Suite().test_it_answers_as_the_model_does()


@pytest.fixture
def store(tmp_path):
    with closing(SqliteAudit(tmp_path / "store.db", ORIGIN)) as opened:
        yield opened


def test_logs_of_several_nodes_share_a_file(tmp_path, store):
    with closing(SqliteAudit(tmp_path / "store.db", "example.org/node-2")) as other:
        store.append([draft("1"), draft("2")], note)
        other.append([draft("1")], note)
        assert (store.size(), other.size()) == (2, 1)
        assert other.find("1") == 0
    with SqliteAuditFile(tmp_path / "store.db") as file:
        assert file.origins() == [ORIGIN, "example.org/node-2"]
        assert [len(list(file.entries(name))) for name in file.origins()] == [2, 1]


def test_old_checkpoints_are_thinned_to_one_in_a_thousand(store):
    for number in range(0, 5000, 250):
        store.append([draft(None, each) for each in range(number, number + 250)], note)
    assert [int(each.split()[1]) for each in store.checkpoints()] == [1000, 2000, 3000, 4000, 5000]


def test_an_empty_log_has_no_checkpoint_and_no_entries(store):
    assert (store.size(), store.checkpoint(), list(store.read()), store.find("1")) == (0, None, [], None)
    heads = []
    store.append([draft(None)], lambda last, before, after: heads.append((last, before)) or b"1")
    assert heads == [(None, (0, EMPTY_ROOT))]


def test_a_log_that_lacks_a_hash_is_not_grown(tmp_path, store):
    store.append([draft(None) for _ in range(4)], note)
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
        connection.execute("UPDATE audit_entries SET hashes = substr(hashes, 1, 32) WHERE sequence = 3")
    with pytest.raises(PortError, match="subtree 2/0 is missing") as caught:
        store.append([draft(None)], note)
    assert (caught.value.code, store.size()) == ("log_damaged", 4)


def test_reading_evidence_changes_nothing(tmp_path, store):
    store.append([draft(None) for _ in range(4)], note)
    store.close()
    path = tmp_path / "store.db"
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    with SqliteAuditFile(path) as file:
        assert len(list(file.entries(ORIGIN))) == 4
        with pytest.raises(PortError, match="readonly"), file.cursor() as cursor:
            cursor.execute("DELETE FROM audit_entries")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, stamp)


def test_one_moment_is_read_while_the_log_grows(tmp_path, store):
    store.append([draft(None)], note)
    with SqliteAuditFile(tmp_path / "store.db") as file:
        store.append([draft(None)], note)
        assert len(list(file.entries(ORIGIN))) == len(file.checkpoints(ORIGIN)) == 1


def test_what_is_no_audit_log_is_refused(tmp_path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("PRAGMA application_id = 0x4D434F4E")
        connection.execute("CREATE TABLE leases (x)")
    for path, code in [
        (other, "store_foreign"),
        (old, "no_such_log"),
        (tmp_path / "none.db", "store_unopened"),
    ]:
        with pytest.raises(PortError) as caught:
            SqliteAuditFile(path)
        assert (caught.value.code, caught.value.remedy != "", str(path) in str(caught.value)) == (
            code,
            True,
            True,
        )
