"""A node's log: signed as it grows, never two histories, every audited event once, whatever crashes."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestro.audit import (
    Cosigner,
    Judge,
    LogSigner,
    open_checkpoint,
    verify_consistency,
    verify_entry,
)
from maestro.kernel.errors import BadInputError, PortError, UntrustedError
from maestro.kernel.events import Event
from maestro.limits.events import DEFAULT_DECLARED, DOCUMENT_CHANGED, RUN_ADMITTED
from maestro.runtime import BlockingLimits
from maestro.runtime.audit import AUDITED, AuditLog, EventFollower
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessLeases
from maestro_adapters.sqlite import SqliteDocuments, SqliteOutbox
from maestro_adapters.sqlite.audit import SqliteAudit

AT = datetime(2026, 3, 30, 10, tzinfo=UTC)
SIGNER, WITNESS = LogSigner("example.org/node-1", bytes(range(32))), Cosigner("example.org/w", bytes(32))


class Clock:
    def now(self):
        return AT


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def store(path):
    with closing(SqliteAudit(path, SIGNER.name)) as opened:
        yield opened


@pytest.fixture
def events(path):
    with closing(SqliteOutbox(path)) as opened:
        yield opened


@pytest.fixture
def log(store):
    return AuditLog(store, SIGNER, Clock(), cosigner=WITNESS)


def judged(store, **options):
    notes = store.checkpoints()
    judge = Judge(SIGNER.key, notes[-1], earlier=notes[:-1], cosigners=[WITNESS.key], **options)
    for entry in store.read(0, 10_000):
        judge.feed(entry.body, entry.hashes)
    return judge.verdict()


def enter(log, count=1):
    return [log.append(actor="ada", action="a.b", subject=f"s{number}") for number in range(count)]


def event(number, kind=DOCUMENT_CHANGED):
    return Event(
        f"{number}", "/maestro/limits", kind, "acme/windows", AT, {"changedBy": "ada", "version": number}
    )


def ids(store):
    return [store.find(f"/maestro/limits#{number}") for number in range(20)]


def test_every_append_is_signed_and_cosigned(log, store):
    assert log.checkpoint() is None
    assert enter(log, 5) == [0, 1, 2, 3, 4]
    assert judged(store, elsewhere=log.checkpoint()).ok
    assert open_checkpoint(log.checkpoint(), log.key, cosigners=[WITNESS.key]).size == 5
    assert log.origin == SIGNER.name


def test_what_is_told_twice_is_entered_once(log, store):
    first = log.append(actor="ada", action="a.b", subject="s", id="x", time=AT - timedelta(1))
    note = log.checkpoint()
    assert log.append(actor="eve", action="c.d", subject="t", id="x", data={"other": True}) == first
    assert (store.size(), log.checkpoint()) == (1, note)
    assert b"2026-03-29T10:00:00Z" in store.read()[0].body


def test_entries_are_proved_to_who_has_the_public_key(log, store):
    enter(log, 7)
    for entry in store.read():
        checkpoint = verify_entry(entry.body, log.prove(entry.sequence), log.key, cosigners=[WITNESS.key])
        assert checkpoint.size == 7
    old = open_checkpoint(log.checkpoint(), log.key)
    enter(log, 4)
    new = open_checkpoint(log.checkpoint(), log.key)
    verify_consistency(old.head, new.head, log.prove_consistency(7, 11))


def test_an_empty_log_proves_nothing(log):
    with pytest.raises(BadInputError, match="is not an entry"):
        log.prove(0)


def test_the_key_must_be_the_log_s(store):
    with pytest.raises(BadInputError, match=r"is of 'example\.org/b'"):
        AuditLog(store, LogSigner("example.org/b", bytes(32)), Clock())


def tamper(path, statement):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        # entry 6 of 7 stands alone in the tree so far, so its hash is one that the next append builds on
        "UPDATE audit_entries SET hashes = zeroblob(32) WHERE sequence = 6",
        "DELETE FROM audit_entries WHERE sequence = 6",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_checkpoints SET note = CAST(replace(CAST(note AS TEXT), char(10) || '7' || char(10), char(10) || '6' || char(10)) AS BLOB)",
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_log_that_is_not_as_signed_is_not_signed_again(path, store, log, statement, restarted):
    enter(log, 7)
    tamper(path, statement)
    held = store.size()
    if restarted:
        log = AuditLog(store, SIGNER, Clock(), cosigner=WITNESS)
    with pytest.raises((UntrustedError, PortError)) as caught:
        enter(log)
    assert caught.value.code in {"log_altered", "bad_signature"}
    assert store.size() == held


def test_a_store_that_was_set_back_is_not_signed_on_while_the_node_remembers(path, store, log):
    enter(log, 3)
    backup = path.with_name("backup.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    enter(log, 3)
    with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    assert judged(store).size == 3
    with pytest.raises(UntrustedError, match="not the one that was signed last"):
        enter(log)


def test_another_writer_of_the_same_log_is_no_fault(path, log):
    enter(log, 2)
    with closing(SqliteAudit(path, SIGNER.name)) as other:
        enter(AuditLog(other, SIGNER, Clock(), cosigner=WITNESS), 2)
        enter(log, 2)
        assert judged(other).ok
        assert other.size() == 6


class Full(SqliteAudit):
    """A disk that is full when the transaction ends, once."""

    full = True

    def append(self, drafts, seal):
        def last_step(*heads):
            note = seal(*heads)
            if self.full:
                self.full = False
                raise PortError("The disk is full.")
            return note

        return super().append(drafts, last_step)


def test_a_commit_that_failed_does_not_stop_the_log(path, log):
    enter(log, 3)
    with closing(Full(path, SIGNER.name)) as store:
        log = AuditLog(store, SIGNER, Clock(), cosigner=WITNESS)
        with pytest.raises(PortError, match="full"):
            enter(log)
        assert store.size() == 3
        assert enter(log, 2) == [3, 4]
        assert judged(store).ok


def test_a_fault_of_the_store_enters_nothing(store, log):
    with pytest.raises(BadInputError):
        log.append(actor="ada", action="a.b", subject="s", data={"a": float("inf")})
    assert store.size() == 0


# ---- following events ------------------------------------------------------------------------------------


def test_audited_events_are_entered_in_order_and_others_are_not(store, log, events):
    kinds = [DOCUMENT_CHANGED, RUN_ADMITTED, DEFAULT_DECLARED, "mc.other"] * 3
    events.append([event(number, kind) for number, kind in enumerate(kinds)])
    auditor = EventFollower(log, events)
    assert auditor.catch_up() == 12
    assert [one for one in ids(store) if one is not None] == list(range(6))
    assert ids(store)[:4] == [0, None, 1, None]
    assert auditor.catch_up() == 0
    events.append([event(12)])
    assert (auditor.catch_up(), store.size()) == (1, 7)
    assert judged(store).ok


def test_which_events_are_audited_can_be_said(store, log, events):
    events.append([event(0), event(1, "mc.other")])
    EventFollower(log, events, types=AUDITED | {"mc.other"}).catch_up()
    assert store.size() == 2


class Dying:
    """An event log whose reader dies at its n-th call."""

    def __init__(self, events, calls):
        self._events, self._calls = events, calls

    def _step(self):
        self._calls -= 1
        if self._calls < 0:
            raise KeyboardInterrupt

    def read(self, after, limit):
        self._step()
        return self._events.read(after, 3)

    def acknowledged(self, consumer):
        self._step()
        return self._events.acknowledged(consumer)

    def acknowledge(self, consumer, position):
        self._step()
        self._events.acknowledge(consumer, position)


@settings(max_examples=20)
@given(deaths=st.lists(st.integers(0, 9), max_size=4))
def test_wherever_it_dies_every_event_is_entered_once(tmp_path_factory, deaths):
    path = tmp_path_factory.mktemp("log") / "store.db"
    with closing(SqliteAudit(path, SIGNER.name)) as store, closing(SqliteOutbox(path)) as events:
        events.append([event(number) for number in range(10)])
        for calls in deaths:
            log = AuditLog(store, SIGNER, Clock(), cosigner=WITNESS)
            try:
                EventFollower(log, Dying(events, calls)).catch_up()
            except KeyboardInterrupt:
                continue
        EventFollower(AuditLog(store, SIGNER, Clock(), cosigner=WITNESS), events).catch_up()
        assert ids(store) == [*range(10), *[None] * 10]
        assert (store.size(), judged(store).ok) == (10, True)


FOLLOW = """
import sys
from maestro.audit import LogSigner, Cosigner
from maestro.runtime.audit import EventFollower, AuditLog
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite import SqliteOutbox
from maestro_adapters.sqlite.audit import SqliteAudit
path = sys.argv[1]
signer = LogSigner("example.org/node-1", bytes(range(32)))
log = AuditLog(SqliteAudit(path, signer.name), signer, SystemClock(), cosigner=Cosigner("example.org/w", bytes(32)))
class Slow(SqliteOutbox):
    def read(self, after=0, limit=1000):
        return super().read(after, 1)
    def acknowledge(self, consumer, position):
        print(position, flush=True)
        super().acknowledge(consumer, position)
EventFollower(log, Slow(path)).catch_up()
"""


def test_a_killed_follower_goes_on_where_it_stopped(path, store, log, events):
    events.append([event(number) for number in range(20)])
    for kills_after in (1, 4, 7):
        process = subprocess.Popen([sys.executable, "-c", FOLLOW, str(path)], stdout=subprocess.PIPE)
        with process:
            for _ in range(kills_after):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
    assert 0 < store.size() < 20
    EventFollower(log, events).catch_up()
    assert ids(store) == list(range(20))
    assert (store.size(), judged(store).ok) == (20, True)


def test_changes_of_limits_are_the_first_entries(path, store, log, events):
    with closing(SqliteDocuments(path)) as documents:
        limits = BlockingLimits(InProcessLeases(), SystemClock(), documents)
        limits.put({"tenant": "acme", "packageCaps": {"ns/*": 2}}, by="ada")
    EventFollower(log, events).catch_up()
    bodies = [entry.body for entry in store.read()]
    assert [b'"actor":"ada"' in body for body in bodies] == [True, True]
    assert [b"acme/windows" in bodies[0], b"acme/package-caps" in bodies[1]] == [True, True]
