"""A node's audit log on PostgreSQL as it fails: cut off after the commit, killed, read-only, damaged, set back."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest

from maestro.audit import Draft, Judge, LogSigner
from maestro.kernel.errors import PortError, UntrustedError
from maestro.runtime.audit import AuditLog
from maestro.testing.conformance.audit import draft
from maestro.testing.conformance.interleaved import together
from maestro_adapters.clock import SystemClock
from maestro_adapters.postgres import Database, PostgresAudit
from maestro_adapters.postgres.audit import PostgresAuditLogs
from maestro_adapters.postgres.errors import failure
from stores.support import CuttingProxy, OwnServer

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("postgres")]

AT = datetime(2026, 3, 30, tzinfo=UTC)
SIGNER = LogSigner("example.org/node-1", b"1" * 32)


@pytest.fixture
def url(service):
    return service("postgres")


@pytest.fixture
def sql(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        yield connection.execute


@pytest.fixture
def schema(sql, request):
    name = f"a {request.node.name[:40]}-{os.getpid()}"
    yield name
    sql(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


@pytest.fixture
def base(url, schema):
    opened = Database(url, schema=schema, size=4, timeout=2.0)
    yield opened
    opened.close()


@pytest.fixture
def store(base):
    return PostgresAudit(base, SIGNER.name)


@pytest.fixture
def log(store):
    return AuditLog(store, SIGNER, SystemClock())


def tell(log, number):
    return log.append(actor="ann", action="kit.told", subject=str(number), id=f"kit#{number}", time=AT)


def judged(store, elsewhere=None):
    judge = Judge(SIGNER.key, store.checkpoint(), earlier=store.checkpoints()[:-1], elsewhere=elsewhere)
    for entry in store.read(0, 100_000):
        judge.feed(entry.body, entry.hashes)
    return judge.verdict()


def note(_last, _before, after):
    return f"{SIGNER.name}\n{after.size}\n".encode()


def test_an_append_whose_answer_was_lost_is_entered_once_when_told_again(url, schema, log, store):
    port = int(psycopg.conninfo.conninfo_to_dict(url)["port"])
    proxy = CuttingProxy(port)
    through = Database(psycopg.conninfo.make_conninfo(url, port=proxy.port), schema=schema, timeout=2.0)
    far = AuditLog(PostgresAudit(through, SIGNER.name), SIGNER, SystemClock())
    tell(far, 0)
    proxy.cut_after(b"COMMIT")
    with pytest.raises(PortError) as caught:
        tell(far, 1)
    assert (caught.value.code, proxy.cuts) == ("store_unreachable", 1)
    assert [tell(far, 1), tell(far, 2), tell(log, 0)] == [1, 2, 0]
    assert (judged(store).ok, store.size()) == (True, 3)
    through.close()
    proxy.close()


def test_what_was_answered_outlives_a_killed_server_and_is_as_signed(service):
    service("postgres")  # skipped or failed by the rule for services
    server = OwnServer("postgres")
    base = Database(server.start(), timeout=2.0)
    store = PostgresAudit(base, SIGNER.name)
    log = AuditLog(store, SIGNER, SystemClock())
    for number in range(20):
        tell(log, number)
    kept = log.checkpoint()
    server.kill()
    with pytest.raises(PortError) as caught:
        tell(log, 20)
    assert caught.value.retry_after
    server.start()
    assert tell(log, 20) == 20
    verdict = judged(store, elsewhere=kept)
    assert (verdict.ok, verdict.size, verdict.not_checked) == (True, 21, ())
    base.close()
    server.stop()


def test_nodes_of_one_schema_have_logs_of_their_own_and_do_not_wait_for_one_another(base, store):
    other = PostgresAudit(base, "example.org/node\\2")

    def seal(last, before, after):
        other.append([draft("1")], note)  # while this log's turn is taken
        return note(last, before, after)

    assert store.append([draft("1"), draft("2")], seal) == (0, 1)
    assert (store.size(), other.size(), other.find("2")) == (2, 1, None)


def test_together_nodes_of_one_key_grow_one_history(base, store):
    logs = [AuditLog(PostgresAudit(base, SIGNER.name), SIGNER, SystemClock()) for _ in range(3)]
    together(3, lambda number: [tell(logs[number], f"{number}/{each}") for each in range(10)])
    assert (judged(store).ok, store.size()) == (True, 30)


def test_names_and_ids_of_any_kind_are_kept(store):
    long, odd = "x" * 10_000, "nul \0, surrogate \ud800"
    assert store.append([draft(long), draft(None)], note) == (0, 1)
    assert store.append([draft(long), draft(None)], note) == (0, 2)
    assert (store.find(long), store.find(odd)) == (0, None)


def test_old_checkpoints_are_thinned_to_one_in_a_thousand(store):
    for number in range(0, 5000, 250):
        store.append([draft(None, each) for each in range(number, number + 250)], note)
    assert [int(each.split()[1]) for each in store.checkpoints()] == [1000, 2000, 3000, 4000, 5000]


def test_a_log_set_back_to_an_older_copy_is_not_grown(sql, base, log):
    for number in range(3):
        tell(log, number)
    sql(f"DELETE FROM {base.schema}.audit_checkpoints WHERE size = 3")
    sql(f"DELETE FROM {base.schema}.audit_entries WHERE sequence = 2")
    with pytest.raises(UntrustedError) as caught:
        tell(log, 3)
    assert caught.value.code == "log_altered"


def test_a_log_that_lacks_a_hash_is_not_grown(sql, base, store):
    store.append([draft(None) for _ in range(4)], note)
    sql(f"UPDATE {base.schema}.audit_entries SET hashes = substr(hashes, 1, 32) WHERE sequence = 3")
    with pytest.raises(PortError, match="subtree 2/0 is missing") as caught:
        store.append([draft(None)], note)
    assert (caught.value.code, store.size()) == ("log_damaged", 4)


def test_a_read_only_database_is_refused_and_read_all_the_same(base, store):
    store.append([draft("1")], note)
    with base.connection() as connection:
        connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(PortError, match="target_session_attrs") as caught:
        store.append([draft("2")], note)
    assert (caught.value.code, store.size()) == ("store_read_only", 1)


def test_a_call_that_gets_no_connection_in_time_says_so(url, schema):
    base = Database(url, schema=schema, size=1, timeout=0.2)
    store = PostgresAudit(base, SIGNER.name)
    with base.connection(), pytest.raises(PortError, match="all 1 connections") as caught:
        store.append([Draft(AT, "ann", "kit.told", "kit")], note)
    assert (caught.value.code, store.size()) == ("store_busy", 0)
    base.close()


def test_at_another_isolation_level_nothing_is_entered(base):
    with base.connection() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(f"SELECT {base.schema}.lock_audit('log')")
        connection.execute("ROLLBACK")
    assert failure("PostgreSQL", caught.value).code == "store_unsuited"


def test_a_log_opened_by_address_closes_what_it_opened(url, sql):
    store = PostgresAudit(url, SIGNER.name)
    assert (store.append([], note), store.checkpoint(), store.checkpoints()) == ((), None, [])
    store.close()
    with pytest.raises(PortError, match="is closed"):
        store.size()
    sql("DROP SCHEMA maestro CASCADE")


# ---- evidence: read, and nothing else ------------------------------------------------------------------------


@pytest.fixture
def kept(url, sql):
    """A log where the command line looks for it."""
    sql("DROP SCHEMA IF EXISTS maestro CASCADE")
    store = PostgresAudit(url, SIGNER.name)
    log = AuditLog(store, SIGNER, SystemClock())
    for number in range(5):
        tell(log, number)
    yield store
    store.close()
    sql("DROP SCHEMA maestro CASCADE")


def run(*arguments):
    command = [sys.executable, "-m", "maestro_sidecar", "audit", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_log_on_a_server_is_verified_exported_and_proved(url, sql, kept, tmp_path):
    public = tmp_path / "node.pub"
    public.write_text(f"{SIGNER.key}\n")
    code, report = run("verify", url, "--key", public)
    assert (code, report["ok"], report["size"]) == (0, True, 5)
    assert run("export", url, tmp_path / "log.jsonl")[1]["size"] == 5
    assert run("verify", tmp_path / "log.jsonl", "--key", public)[1]["rootHash"] == report["rootHash"]
    code, proof = run("prove", url, 3)
    assert (code, proof["index"], len(proof["hashes"])) == (0, 3, 3)
    sql(
        "UPDATE maestro.audit_entries SET body = replace(encode(body, 'escape'), 'ann', 'eve')::bytea WHERE sequence = 2"
    )
    code, report = run("verify", url, "--key", public)
    assert (code, report["firstBad"], report["reasons"]) == (3, 2, ["entry_altered"])


def test_evidence_is_read_as_of_one_moment_and_cannot_be_changed(url, sql, kept):
    with PostgresAuditLogs(url) as logs:
        tell(AuditLog(kept, SIGNER, SystemClock()), 99)
        assert (logs.origins(), len(list(logs.entries(SIGNER.name)))) == ([SIGNER.name], 5)
        assert len(logs.checkpoints(SIGNER.name)) == 1
        assert logs.hashes(SIGNER.name, []) == []
        with pytest.raises(PortError) as caught:
            logs._rows("DELETE FROM maestro.audit_entries")
    assert caught.value.code == "store_read_only"


def test_what_holds_no_log_is_bad_input_and_gets_no_schema(url, sql, schema):
    with pytest.raises(PortError) as caught:
        PostgresAuditLogs(url, schema)
    assert caught.value.code == "no_such_log"
    assert sql("SELECT count(*) FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() == (0,)
    away = psycopg.conninfo.make_conninfo(url, port=1)
    with pytest.raises(PortError, match="Start the server"):
        PostgresAuditLogs(away)
    code, problem = run("verify", "postgresql://u:sesame@127.0.0.1:1/db", "--key", SIGNER.key)
    assert (code, problem["field"]) == (2, "LOG")
    assert "sesame" not in json.dumps(problem)
