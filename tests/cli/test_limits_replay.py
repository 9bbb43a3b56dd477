import sqlite3
from datetime import UTC, datetime

import pytest

from maestro.formats.cloudevents import encode_event
from maestro.kernel.events import Event
from maestro.runtime import BlockingLimits, Slot
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases, SqliteOutbox
from maestro_sidecar.cli import limits_replay

REPORT = {"events", "admitted", "violated", "ratio", "shadowDenied", "violations"}


@pytest.fixture
def store(tmp_path):
    """A store with three runs, admitted by its own rules."""
    path = tmp_path / "store.db"
    leases, documents = SqliteLeases(path), SqliteDocuments(path)
    with BlockingLimits(leases, SystemClock(), documents) as limits:
        documents.outbox.append([limits.declared_defaults()])
        limits.put({"tenant": "acme", "maxConcurrent": 2}, by="test")
        for number in range(3):
            slot = limits.acquire(run=f"r-{number}", tenant="acme", package="a")
            assert isinstance(slot, Slot)
            slot.release()
    leases.close()
    documents.close()
    return path


def events(path):
    outbox = SqliteOutbox(path)
    found = [event for _, event in outbox.read()]
    outbox.close()
    return found


@pytest.fixture
def smuggled(store):
    """The same store, with two runs that nobody should have admitted."""
    outbox = SqliteOutbox(store)
    first = next(event for event in events(store) if event.type.endswith("admitted"))
    for number in range(4):
        data = first.data | {
            "run": f"x-{number}",
            "token": 900 + number,
            "storeSeconds": 1e9,
            "ttlSeconds": 60,
        }
        outbox.append([Event(f"{900 + number}/admitted", first.source, first.type, "x", first.time, data)])
    outbox.close()
    return store


def as_lines(path, target):
    target.write_bytes(b"\n\n".join(encode_event(event) for event in events(path)) + b"\n")
    return target


def test_a_clean_store(maestro, store):
    answer = maestro("limits", "replay", store, "--json")
    assert (answer.code, answer.err) == (0, "")
    document = answer.document
    assert document.keys() == REPORT
    assert document | {"events": 0} == {
        "events": 0,
        "admitted": 3,
        "violated": 0,
        "ratio": 0.0,
        "shadowDenied": 0,
        "violations": [],
    }
    assert "violations     0\n" in maestro("limits", "replay", store).out


def test_violations_are_named(maestro, smuggled):
    answer = maestro("limits", "replay", smuggled, "--json")
    assert answer.code == 3
    document = answer.document
    assert (document["admitted"], document["violated"]) == (7, 2)
    assert document["ratio"] == pytest.approx(2 / 7)
    first = document["violations"][0]
    assert first.keys() == {"tenant", "run", "package", "token", "at", "reasons", "explanation"}
    assert (first["run"], first["reasons"]) == ("x-2", ["tenant_cap"])
    told = maestro("limits", "replay", smuggled)
    assert told.code == 3
    assert "acme/x-2 (a, token 902): tenant_cap." in told.out


def test_lines_give_the_same_answer(maestro, smuggled, tmp_path):
    lines = as_lines(smuggled, tmp_path / "log.jsonl")
    assert (
        maestro("limits", "replay", lines, "--json").document
        == maestro("limits", "replay", smuggled, "--json").document
    )


def test_more_violations_than_are_listed(maestro, smuggled, monkeypatch):
    monkeypatch.setattr("maestro.limits.replay.KEPT_VIOLATIONS", 1)
    assert "  and 1 more\n" in maestro("limits", "replay", smuggled).out


def test_long_logs_tell_how_far_they_are(maestro, store, monkeypatch):
    monkeypatch.setattr(limits_replay, "_NOTE_EVERY", 4)
    answer = maestro("limits", "replay", store, "--json")
    assert answer.err.startswith("4 events, ")
    assert answer.document["admitted"] == 3


def test_a_log_without_admissions_says_so(maestro, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    answer = maestro("limits", "replay", empty)
    assert answer.code == 0
    assert "nothing to judge" in answer.out


def test_a_bad_line_is_named(refused, store, tmp_path):
    lines = as_lines(store, tmp_path / "log.jsonl")
    with lines.open("ab") as file:
        file.write(b'{"specversion": "0.3"}\n')
    problem = refused("limits", "replay", lines)
    count = len(lines.read_bytes().splitlines())
    assert (problem["field"], problem["file"]) == ("specversion", f"{lines}, line {count}")


def test_an_altered_event_is_bad_input(refused, tmp_path):
    event = Event("1", "/x", "mc.limits.run.admitted", "x", datetime(2026, 1, 1, tzinfo=UTC), {})
    log = tmp_path / "log.jsonl"
    log.write_bytes(encode_event(event))
    assert refused("limits", "replay", log)["field"] == "data"


@pytest.mark.parametrize("name", ["no-such-file", ".", "a\0b"])
def test_a_log_that_cannot_be_read(name, refused):
    assert refused("limits", "replay", name)["field"] == "LOG"


def test_a_database_of_somebody_else(refused, tmp_path):
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    problem = refused("limits", "replay", path)
    assert problem["field"] == "LOG"
    assert "another application" in problem["detail"]


def test_a_broken_database(refused, tmp_path):
    path = tmp_path / "broken.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert refused("limits", "replay", path)["field"] == "LOG"


def test_a_store_that_is_busy_is_not_the_callers_fault(maestro, store, monkeypatch):
    from maestro.kernel.errors import PortError

    def busy(_):
        raise PortError("in use", retry_after=1.0)

    monkeypatch.setattr("maestro_adapters.sqlite.evidence.SqliteEventsFile", busy)
    assert maestro("limits", "replay", store).code == 1


def test_a_log_is_only_read(maestro, store):
    before, stamp = store.read_bytes(), store.stat().st_mtime_ns
    assert maestro("limits", "replay", store).code == 0
    assert (store.read_bytes(), store.stat().st_mtime_ns) == (before, stamp)


def unwritable(monkeypatch):
    """As on a read-only medium, also where tests run as root: nothing can be made beside the file."""
    connect = sqlite3.connect

    def refusing(address, **options):
        if "immutable" not in address:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(address, **options)

    monkeypatch.setattr("maestro_adapters.sqlite.evidence.sqlite3.connect", refusing)


def test_a_store_on_a_read_only_medium_is_replayed(maestro, store, monkeypatch):
    unwritable(monkeypatch)
    answer = maestro("limits", "replay", store, "--json")
    assert answer.code == 0, answer.out + answer.err
    assert answer.document["admitted"] == 3


def test_what_is_not_in_the_file_itself_is_not_passed_over(refused, store, monkeypatch):
    unwritable(monkeypatch)
    store.with_name("store.db-wal").write_bytes(b"not merged")
    problem = refused("limits", "replay", store)
    assert problem["field"] == "LOG"
    assert "store.db-wal" in problem["remedy"]


def test_the_example_of_the_help_runs(example):
    done = example("limits", "replay")
    assert done.returncode == 0, done.stderr
    assert "admitted       20\n" in done.stdout
