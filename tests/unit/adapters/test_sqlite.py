"""The SQLite file itself: what is refused with which remedy, and what a boot, a fork or a rival does to it."""

import multiprocessing
import os
import sqlite3
import threading
import warnings
from pathlib import Path
from typing import ClassVar

import pytest

from maestro.kernel.errors import PortError
from maestro.kernel.events import Event
from maestro.kernel.instants import EPOCH
from maestro.ports.capabilities import Capability
from maestro.ports.leases import Caps, Claim, Lease
from maestro.testing.clock import VirtualClock
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases, SqliteOutbox, database
from maestro_adapters.sqlite.database import APPLICATION_ID, Database

NO_CAPS = Caps()


def claim(run, tenant="acme", ttl=60.0):
    return Claim(tenant, run, "ns/a", ttl, EPOCH)


def rows(path, query):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def fork(work):
    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    process.join(60)
    return process.exitcode


# ---- files that cannot be used ---------------------------------------------------------------------------


@pytest.mark.parametrize("store", [SqliteLeases, SqliteDocuments, SqliteOutbox])
def test_a_missing_folder_is_named(store, tmp_path):
    with pytest.raises(PortError, match=r"Create .*nowhere") as caught:
        store(tmp_path / "nowhere" / "maestro.db")
    assert caught.value.code == "store_unopened"
    assert caught.value.retry_after is None
    assert not (tmp_path / "nowhere").exists()


def test_what_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes, and rather a lot of them\n" * 100)
    with pytest.raises(PortError, match=r"notes\.txt.*not a database") as caught:
        SqliteLeases(path)
    assert caught.value.code == "store_corrupt"
    assert path.read_text() == "my notes, and rather a lot of them\n" * 100


def test_a_damaged_database_is_told(tmp_path):
    path = tmp_path / "maestro.db"
    store = SqliteDocuments(path)
    for number in range(50):
        store.put(
            "k", "t", b"x" * 5000, expected=number, changed_by="ann", changed_at=EPOCH.replace(year=2026)
        )
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 8192))
    with pytest.raises(PortError, match=r"maestro\.db") as caught:
        SqliteDocuments(path).history("k", "t")
    assert caught.value.code == "store_corrupt"
    assert "backup" in caught.value.remedy


def test_the_database_of_another_application_is_left_alone(tmp_path):
    path = tmp_path / "theirs.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE leases (id)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(PortError, match="another application") as caught:
        SqliteLeases(path)
    assert caught.value.code == "store_foreign"
    assert path.read_bytes() == before


def test_a_newer_schema_is_left_alone(tmp_path):
    path = tmp_path / "maestro.db"
    SqliteLeases(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(PortError, match="schema version 999; this release knows up to") as caught:
        SqliteLeases(path)
    assert caught.value.code == "store_newer"
    assert rows(path, "PRAGMA user_version") == [(999,)]


def test_a_database_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    path = tmp_path / "maestro.db"
    SqliteLeases(path).close()
    # As root every file can be written; a connection that refuses to is the same to the store.
    connect = sqlite3.connect
    monkeypatch.setattr(
        database.sqlite3, "connect", lambda path, **more: connect(f"file:{path}?mode=ro", uri=True, **more)
    )
    with pytest.raises(PortError, match="writable") as caught:
        SqliteLeases(path, VirtualClock())
    assert caught.value.code in {"store_read_only", "store_unopened"}
    assert caught.value.retry_after is None


def test_a_folder_in_place_of_the_file_is_told(tmp_path):
    with pytest.raises(PortError, match="unable to open") as caught:
        SqliteLeases(tmp_path)
    assert caught.value.code == "store_unopened"


def test_an_old_sqlite_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(database.sqlite3, "sqlite_version_info", (3, 30, 0))
    with pytest.raises(PortError, match="too old") as caught:
        SqliteLeases(tmp_path / "maestro.db")
    assert "3.37.0" in caught.value.remedy


def test_a_full_disk_is_told_and_undone(tmp_path):
    store = SqliteDocuments(tmp_path / "maestro.db")
    with store._database.reading() as cursor:
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(PortError, match="full") as caught:
        store.put("k", "t", b"x" * 100_000, expected=0, changed_by="ann", changed_at=EPOCH)
    assert caught.value.code == "store_full"
    assert caught.value.retry_after == 30.0
    assert store.get("k", "t") is None
    assert store.put("k", "t", b"x", expected=0, changed_by="ann", changed_at=EPOCH).version == 1


def test_a_closed_store_refuses(tmp_path):
    store = SqliteLeases(tmp_path / "maestro.db")
    store.close()
    store.close()
    for ask in (store.held, lambda: store.acquire(claim("r"), NO_CAPS)):
        with pytest.raises(PortError, match="closed") as caught:
            ask()
        assert caught.value.code == "store_closed"


def test_a_name_that_utf8_cannot_hold_is_refused(tmp_path):
    store = SqliteLeases(tmp_path / "maestro.db")
    with pytest.raises(UnicodeEncodeError):
        store.acquire(claim("\ud800"), NO_CAPS)
    assert store.held() == {}
    assert isinstance(store.acquire(claim("r"), NO_CAPS), Lease)


class _Stubborn(sqlite3.Connection):
    """A connection whose switch to a write-ahead log goes as the test says."""

    answers: ClassVar[list] = []

    def execute(self, sql, *arguments):
        if "journal_mode" in sql and self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, int):
                error = sqlite3.OperationalError("no luck")
                error.sqlite_errorcode = answer
                raise error
            return super().execute("SELECT ?", (answer,))
        return super().execute(sql, *arguments)


@pytest.fixture
def stubborn(monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(
        database.sqlite3, "connect", lambda path, **more: connect(path, factory=_Stubborn, **more)
    )
    monkeypatch.setattr(_Stubborn, "answers", [])
    return _Stubborn.answers


def test_the_switch_to_a_log_waits_for_others(tmp_path, stubborn):
    stubborn += [sqlite3.SQLITE_BUSY] * 3
    SqliteLeases(tmp_path / "maestro.db").close()
    assert stubborn == []


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([sqlite3.SQLITE_BUSY] * 100, "store_busy"),
        ([sqlite3.SQLITE_IOERR], "store_failed"),
        (["delete"], "store_unopened"),
    ],
)
def test_a_file_that_cannot_have_a_log_is_told(tmp_path, stubborn, answers, code):
    stubborn += answers
    with pytest.raises(PortError) as caught:
        Database(tmp_path / "maestro.db", busy_seconds=0.1)
    assert caught.value.code == code
    assert stubborn == []


# ---- rivals ----------------------------------------------------------------------------------------------


def test_a_long_writer_is_waited_for_then_told(tmp_path):
    path = tmp_path / "maestro.db"
    store = SqliteLeases(path)
    store._database._busy_seconds = 0.05
    with store._database.reading() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    rival = sqlite3.connect(path, isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    with pytest.raises(PortError, match="in use by other writers") as caught:
        store.acquire(claim("r"), NO_CAPS)
    assert caught.value.code == "store_busy"
    assert caught.value.retry_after == 1.0
    assert store.held() == {}  # readers are not kept waiting
    rival.execute("ROLLBACK")
    rival.close()
    assert isinstance(store.acquire(claim("r"), NO_CAPS), Lease)


def test_a_thread_waits_for_another_then_is_told(tmp_path):
    base = Database(tmp_path / "maestro.db", busy_seconds=0.05)
    told = []

    def ask():
        try:
            with base.reading():
                told.append("read")
        except PortError as error:
            told.append(error.code)

    with base.writing():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert told == ["store_busy"]
    ask()
    assert told == ["store_busy", "read"]


def test_many_processes_make_one_new_file(tmp_path):
    path = tmp_path / "maestro.db"
    gate = multiprocessing.get_context("fork").Barrier(6)

    def make():
        gate.wait(30)
        store = SqliteLeases(path)
        store.acquire(claim(f"r-{os.getpid()}"), NO_CAPS)
        os._exit(0)

    context = multiprocessing.get_context("fork")
    makers = [context.Process(target=make, daemon=True) for _ in range(6)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for maker in makers:
            maker.start()
    for maker in makers:
        maker.join(60)
    assert [maker.exitcode for maker in makers] == [0] * 6
    assert SqliteLeases(path).held() == {"acme": 6}
    assert len(rows(path, "SELECT * FROM fence")) == 1


def test_a_forked_child_opens_its_own_connection(tmp_path):
    store = SqliteLeases(tmp_path / "maestro.db")
    first = store.acquire(claim("parent"), NO_CAPS)

    def child():
        lease = store.acquire(claim("child"), NO_CAPS)
        os._exit(0 if lease.token == first.token + 1 and store.held() == {"acme": 2} else 1)

    # The lock as another thread of the parent would hold it at the moment of the fork.
    with store._database.writing():
        pass
    assert fork(child) == 0
    assert store.held() == {"acme": 2}
    assert store.acquire(claim("later"), NO_CAPS).token == first.token + 2


def test_a_child_forked_within_a_transaction_is_not_stuck(tmp_path):
    store = SqliteLeases(tmp_path / "maestro.db")

    def child():
        os._exit(0 if store.held() == {} else 1)

    with store._database.writing() as cursor:
        cursor.execute("INSERT INTO leases VALUES ('t', 'r', 'p', 9e18, 0, 9, 1, 0, NULL, '')")
        assert fork(child) == 0
    assert store.held() == {"t": 1}


# ---- boots -----------------------------------------------------------------------------------------------


def test_a_reboot_ends_all_leases_and_moves_the_token_far(tmp_path, virtual):
    path = tmp_path / "maestro.db"
    store = SqliteLeases(path, virtual)
    before = store.acquire(claim("r"), Caps(tenant=1))
    store.close()
    virtual.reboot()
    store = SqliteLeases(path, virtual)
    assert store.held() == {}
    after = store.acquire(claim("r"), Caps(tenant=1))
    assert after.token == before.token + 2**20 + 1
    store.close()
    assert SqliteLeases(path, virtual).find("acme", "r").token == after.token


def test_a_lost_tail_of_the_log_brings_no_token_twice(tmp_path, virtual):
    path = tmp_path / "maestro.db"
    store = SqliteLeases(path, virtual)
    store._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    saved = path.read_bytes()  # what a power cut may leave of it
    tokens = [store.acquire(claim(f"r-{number}"), NO_CAPS).token for number in range(500)]
    store.close()
    path.write_bytes(saved)
    for name in ("maestro.db-wal", "maestro.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    virtual.reboot()
    assert SqliteLeases(path, virtual).acquire(claim("r"), NO_CAPS).token > max(tokens)


def test_a_file_that_another_machine_took_over_is_refused(tmp_path, virtual):
    path = tmp_path / "maestro.db"
    here = SqliteLeases(path, virtual)
    other = VirtualClock()
    other.reboot()
    there = SqliteLeases(path, other)
    with pytest.raises(PortError, match="another boot or machine") as caught:
        here.acquire(claim("r"), NO_CAPS)
    assert caught.value.code == "store_other_boot"
    assert caught.value.retry_after is None
    assert isinstance(there.acquire(claim("r"), NO_CAPS), Lease)


def test_the_first_commit_of_a_boot_waits_for_the_disk(tmp_path, virtual):
    base = Database(tmp_path / "maestro.db")
    with base.durably() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)
    with base.reading() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (1,)
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# ---- leases ----------------------------------------------------------------------------------------------


def test_dead_leases_are_deleted_at_times(tmp_path, virtual):
    path = tmp_path / "maestro.db"
    store = SqliteLeases(path, virtual)
    for number in range(1000):
        store.acquire(claim(f"r-{number}", ttl=1.0), NO_CAPS)
        virtual.advance(0.1)
    assert rows(path, "SELECT count(*) FROM leases")[0][0] < 300


def test_dead_leases_of_short_lived_processes_are_deleted(tmp_path, virtual):
    path = tmp_path / "maestro.db"
    for number in range(200):
        store = SqliteLeases(path, virtual)
        for lease in range(4):
            store.acquire(claim(f"r-{number}-{lease}", ttl=1.0), NO_CAPS)
        store.close()
        virtual.advance(1.0)
    assert rows(path, "SELECT count(*) FROM leases")[0][0] <= 256


@pytest.mark.parametrize(
    "ask", [lambda store: store.usage("acme", "ns/a").tenant, lambda store: sum(store.held().values())]
)
def test_a_slow_reader_counts_no_slot_twice(tmp_path, virtual, ask):
    """Between its reading of the clock and of the leases, one may expire and its slot be given away."""
    path = tmp_path / "maestro.db"
    writer = SqliteLeases(path, virtual)
    writer.acquire(claim("r-1", ttl=1.0), Caps(tenant=1))

    class Slow(VirtualClock):
        def nanoseconds(self):
            now = virtual.nanoseconds()
            if self.slow:
                virtual.advance(1.0)
                assert isinstance(writer.acquire(claim("r-2"), Caps(tenant=1)), Lease)
            return now

    clock = Slow()
    clock.slow = False
    reader = SqliteLeases(path, clock)
    clock.slow = True
    assert ask(reader) == 1


def test_a_snapshot_that_cannot_begin_lets_go(tmp_path):
    base = Database(tmp_path / "maestro.db")
    with base.writing() as cursor:
        cursor.execute("ALTER TABLE fence RENAME TO gone")
    with pytest.raises(PortError, match="no such table"), base.snapshot():
        pass
    with base.writing() as cursor:
        cursor.execute("ALTER TABLE gone RENAME TO fence")
    with base.snapshot() as cursor:
        assert cursor.execute("SELECT count(*) FROM fence").fetchone() == (0,)


def test_the_systems_clock_is_the_default(tmp_path):
    store = SqliteLeases(tmp_path / "maestro.db")
    store.acquire(claim("r"), NO_CAPS)
    assert 59.0 < store.find("acme", "r").remaining <= 60.0


def test_without_events_announce_is_refused(tmp_path):
    store = SqliteLeases(tmp_path / "maestro.db", events=False)
    assert Capability.EVENTS not in store.capabilities
    assert store.outbox is None
    with pytest.raises(PortError, match="does not offer 'events'"):
        store.acquire(claim("r"), NO_CAPS, lambda lease: Event("1", "/s", "t", "", EPOCH, {}))
    assert store.held() == {}


def test_one_file_serves_all_stores(tmp_path, virtual):
    path = tmp_path / "maestro.db"
    leases, documents, outbox = SqliteLeases(path, virtual), SqliteDocuments(path), SqliteOutbox(path)
    leases.acquire(claim("r"), NO_CAPS, lambda lease: Event("1", "/s", "t", "", EPOCH, {}))
    documents.put(
        "k", "t", b"{}", expected=0, changed_by="ann", changed_at=EPOCH,
        announce=lambda document: Event("2", "/s", "t", "", EPOCH, {}),
    )  # fmt: skip
    assert [one.id for _, one in outbox.read()] == ["1", "2"]
    assert rows(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    for store in (leases, documents, outbox):
        store.close()


def test_relative_paths_mean_the_folder_of_their_opening(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SqliteOutbox("maestro.db")
    store._database.forked()  # the next use opens again
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert store.read() == []
    assert not Path("maestro.db").exists()


def test_generation_notices_other_connections_and_itself(tmp_path):
    path = tmp_path / "maestro.db"
    mine, theirs = SqliteDocuments(path), SqliteDocuments(path)
    seen = [mine.generation()]
    for store in (theirs, mine, theirs):
        store.put("k", "t", b"", expected=None, changed_by="ann", changed_at=EPOCH)
        seen.append(mine.generation())
        assert mine.generation() == seen[-1]
    assert seen == [0, 1, 2, 3]


# ---- migrations ------------------------------------------------------------------------------------------


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "maestro.db"
    steps = database._migrations()
    SqliteLeases(path).close()
    monkeypatch.setattr(
        database, "_migrations", lambda: [*steps, "CREATE TABLE more (a);\nCREATE TABLE leases (again);\n"]
    )
    with pytest.raises(PortError, match="already exists"):
        SqliteLeases(path)
    assert rows(path, "PRAGMA user_version") == [(len(steps),)]
    assert rows(path, "SELECT * FROM sqlite_schema WHERE name = 'more'") == []


def test_a_file_of_an_earlier_release_is_brought_up_to_date(tmp_path, monkeypatch, virtual):
    path = tmp_path / "maestro.db"
    steps = database._migrations()
    store = SqliteLeases(path, virtual)
    token = store.acquire(claim("r"), NO_CAPS).token
    store.close()
    monkeypatch.setattr(database, "_migrations", lambda: [*steps, "-- one more\nCREATE TABLE more (a);\n"])
    assert SqliteLeases(path, virtual).find("acme", "r").token == token
    assert rows(path, "SELECT count(*) FROM more") == [(0,)]
    assert rows(path, "PRAGMA user_version") == [(len(steps) + 1,)]
