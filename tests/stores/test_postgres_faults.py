"""PostgreSQL as it fails: killed, restarted, cut off after the commit, crowded, slow, read-only, foreign."""

import os
import signal
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from maestro.kernel.errors import BadInputError, ConflictError, PortError
from maestro.ports.leases import Caps, Claim, Full, Release
from maestro.testing.clock import VirtualClock
from maestro.testing.conformance.alphabet import event
from maestro.testing.conformance.interleaved import together
from maestro_adapters.postgres import Database, PostgresDocuments, PostgresLeases, PostgresOutbox, database
from maestro_adapters.postgres.errors import failure
from stores.support import CuttingProxy, OwnServer

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("postgres")]

AT = datetime(2026, 3, 30, tzinfo=UTC)
ONE = Caps(tenant=1)


def claim(run, tenant="acme", ttl=60.0):
    return Claim(tenant, run, "ns/a", ttl, AT)


def admitted(lease):
    return event(f"admitted-{lease.run}-{lease.token}", AT, subject=lease.run)


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
    name = f"t {request.node.name[:40]}-{os.getpid()}"
    yield name
    sql(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


@pytest.fixture
def base(url, schema):
    opened = Database(url, schema=schema, size=4, timeout=2.0)
    yield opened
    opened.close()


@pytest.fixture
def leases(base):
    return PostgresLeases(base)


def subjects(outbox, after=0):
    return [one.subject for _, one in outbox.read(after)]


# ---- the server dies, the network dies ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(service):
    service("postgres")  # skipped or failed by the rule for services
    server = OwnServer("postgres")
    server.url = server.start()
    yield server
    server.stop()


def test_leases_survive_a_killed_server_and_the_next_call_connects_again(own):
    store = PostgresLeases(Database(own.url, schema="killed", timeout=2.0))
    lease = store.acquire(claim("r-1"), ONE, admitted)
    own.kill()
    for ask in (lambda: store.find("acme", "r-1"), lambda: store.acquire(claim("r-2"), ONE, admitted)):
        with pytest.raises(PortError) as caught:
            ask()
        assert caught.value.code == "store_unreachable"
        assert caught.value.retry_after
    own.start()
    assert store.find("acme", "r-1").token == lease.token
    assert isinstance(store.acquire(claim("r-2"), ONE, admitted), Full)
    assert subjects(store.outbox) == ["r-1"]
    heir = store.acquire(claim("r-2"), Caps())
    assert heir.token > lease.token
    store._database.close()


def test_a_restart_between_two_calls_is_not_noticed(own):
    store = PostgresLeases(Database(own.url, schema="restarted", timeout=2.0))
    together(4, lambda number: store.acquire(claim(f"r-{number}"), Caps()))
    own.kill()
    own.start()
    assert store.held() == {"acme": 4}
    store._database.close()


def test_a_server_that_is_frozen_is_given_up_and_used_again_when_it_thaws(own):
    base = Database(own.url, schema="frozen", timeout=0.5)
    store = PostgresLeases(base)
    lease = store.acquire(claim("r-1"), ONE, admitted)
    own.signal(signal.SIGSTOP)
    try:
        for ask in (lambda: store.find("acme", "r-1"), lambda: store.acquire(claim("r-2"), ONE, admitted)):
            with pytest.raises(PortError) as caught:
                ask()
            assert (caught.value.code, bool(caught.value.retry_after)) == ("store_unreachable", True)
    finally:
        own.signal(signal.SIGCONT)
    assert store.find("acme", "r-1").token == lease.token
    assert isinstance(store.acquire(claim("r-2"), ONE, admitted), Full)
    assert subjects(store.outbox) == ["r-1"]
    base.close()


@pytest.fixture
def cut(url, schema):
    parts = psycopg.conninfo.conninfo_to_dict(url)
    proxy = CuttingProxy(int(parts["port"]))
    through = psycopg.conninfo.make_conninfo(url, port=proxy.port)
    base = Database(through, schema=schema, timeout=2.0)
    yield proxy, base
    base.close()
    proxy.close()


@pytest.mark.parametrize(("marker", "announce"), [(b"r-1", None), (b"COMMIT", admitted)])
def test_an_acquire_whose_answer_was_lost_is_answered_the_same_when_asked_again(
    cut, url, schema, marker, announce
):
    proxy, base = cut
    store, direct = PostgresLeases(base), PostgresLeases(Database(url, schema=schema))
    proxy.cut_after(marker)
    with pytest.raises(PortError) as caught:
        store.acquire(claim("r-1"), ONE, announce)
    assert (caught.value.code, proxy.cuts) == ("store_unreachable", 1)
    happened = direct.find("acme", "r-1")
    again = store.acquire(claim("r-1"), ONE, announce)
    assert (again.token, again.created) == (happened.token, False)
    assert subjects(direct.outbox) == (["r-1"] if announce else [])
    direct._database.close()


def test_what_was_not_committed_when_the_connection_broke_did_not_happen(sql, base, leases):
    def ended_meanwhile(lease):
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'")
        return admitted(lease)

    with pytest.raises(PortError) as caught:
        leases.acquire(claim("r-1"), ONE, ended_meanwhile)
    assert caught.value.code == "store_unreachable"
    assert leases.acquire(claim("r-2"), ONE, admitted).created
    assert leases.held() == {"acme": 1}
    assert subjects(leases.outbox) == ["r-2"]


def test_a_put_whose_answer_was_lost_is_stored_once(cut):
    proxy, base = cut
    store = PostgresDocuments(base)

    def put():
        store.put("windows", "acme", b"{}", expected=0, changed_by="ann", changed_at=AT)

    proxy.cut_after(b"COMMIT")
    with pytest.raises(PortError):
        put()
    with pytest.raises(ConflictError):
        put()
    assert [document.version for document in store.history("windows", "acme")] == [1]


# ---- the outbox's order ------------------------------------------------------------------------------------


def test_a_reader_does_not_pass_over_the_event_of_a_slower_transaction(base, leases):
    outbox, waiting, go_on = leases.outbox, threading.Event(), threading.Event()

    def slowly(lease):
        waiting.set()
        assert go_on.wait(10)
        return admitted(lease)

    slow = threading.Thread(target=leases.acquire, args=(claim("slow", "a"), ONE, slowly))
    slow.start()
    assert waiting.wait(10)
    leases.acquire(claim("fast", "b"), ONE, admitted)  # another tenant does not wait
    seen = outbox.read()
    outbox.acknowledge("reader", seen[-1][0] if seen else 0)
    go_on.set()
    slow.join()
    seen = [*seen, *outbox.read(outbox.acknowledged("reader"))]
    assert [one.subject for _, one in seen] == ["slow", "fast"]  # in the order of the clock that they tell


def test_readers_miss_nothing_while_many_write(base, leases):
    outbox, done = leases.outbox, threading.Event()
    seen = []

    def read():
        finished = False
        while not finished:
            finished = done.is_set()
            while page := outbox.read(seen[-1][0] if seen else 0, 3):
                seen.extend(page)

    reader = threading.Thread(target=read)
    reader.start()

    def tell(number):
        told = []

        def announce(lease):
            told.append(lease.counted_at)
            return event(f"{number}-{lease.run}", AT, subject=str(lease.counted_at))

        for run in range(25):
            leases.acquire(claim(f"r-{run}", f"t-{number}"), Caps(), announce)
        return told

    together(3, tell)
    done.set()
    reader.join(20)
    assert len({one.id for _, one in seen}) == len(seen) == 75
    readings = [float(one.subject) for _, one in seen]
    assert readings == sorted(readings)


def test_a_writer_that_never_ends_is_ended_and_holds_up_nobody_for_long(url, schema):
    base = Database(url, schema=schema, size=4, timeout=0.2)
    store = PostgresLeases(base)
    gone, ended = threading.Event(), []

    def hang(lease):
        gone.wait(1.0)
        return admitted(lease)

    def acquire():
        try:
            store.acquire(claim("hangs", "a"), ONE, hang)
        except PortError as error:
            ended.append(error)

    hanging = threading.Thread(target=acquire)
    hanging.start()
    gone.wait(0.1)
    store.acquire(claim("other", "b"), ONE, admitted)
    hanging.join(10)
    assert ended[0].retry_after
    assert subjects(store.outbox) == ["other"]
    assert store.find("a", "hangs") is None
    base.close()


# ---- too many, too slow --------------------------------------------------------------------------------------


def test_a_call_that_gets_no_connection_in_time_says_so(url, schema):
    base = Database(url, schema=schema, size=1, timeout=0.2)
    store = PostgresLeases(base)
    with base.connection(), pytest.raises(PortError, match="all 1 connections") as caught:
        store.held()
    assert caught.value.code == "store_busy"
    assert store.held() == {}
    base.close()


def test_a_server_that_takes_no_more_connections_says_so(url, sql):
    sql("DROP ROLE IF EXISTS crowded")
    sql("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    with pytest.raises(PortError, match="max_connections") as caught:
        Database(psycopg.conninfo.make_conninfo(url, user="crowded"))
    assert (caught.value.code, caught.value.retry_after) == ("store_busy", 1.0)
    sql("DROP ROLE crowded")


def test_a_tenant_that_somebody_holds_for_too_long_is_busy_and_others_are_not(url, schema):
    base = Database(url, schema=schema, timeout=0.2)
    store = PostgresLeases(base)
    with base.transaction() as transaction:
        transaction.ask(f"SELECT {base.schema}.lock_tenant('acme', false)")
        with pytest.raises(PortError, match="pg_stat_activity") as caught:
            store.acquire(claim("r-1"), ONE)
        assert caught.value.code == "store_busy"
        assert store.acquire(claim("r-1", "other"), ONE).created
    assert store.acquire(claim("r-1"), ONE).created
    base.close()


# ---- not the database it should be -----------------------------------------------------------------------------


def test_a_read_only_database_is_refused_and_nothing_has_changed(url, sql, base, leases):
    leases.acquire(claim("r-1"), ONE)
    with base.connection() as connection:
        connection.execute("SET default_transaction_read_only = on")
    for ask in (
        lambda: leases.acquire(claim("r-2"), Caps()),
        lambda: leases.acquire(claim("r-2"), Caps(), admitted),
    ):
        with pytest.raises(PortError, match="target_session_attrs") as caught:
            ask()
        assert caught.value.code == "store_read_only"
    assert leases.held() == {"acme": 1}


def test_a_newer_schema_is_left_alone(url, sql, base, schema):
    PostgresLeases(base).acquire(claim("r-1"), ONE)
    sql(f"INSERT INTO {base.schema}.schema_versions VALUES (99)")
    with pytest.raises(PortError, match=r"has version 99; this release knows up to \d+") as caught:
        Database(url, schema=schema)
    assert (caught.value.code, caught.value.retry_after) == ("store_newer", None)
    assert sql(f"SELECT count(*) FROM {base.schema}.leases").fetchone() == (1,)


def test_a_migration_that_fails_leaves_nothing(url, sql, schema, monkeypatch):
    steps = [*database._migrations(), "CREATE TABLE more (a int); SELECT 1 / 0"]
    monkeypatch.setattr(database, "_migrations", lambda: steps)
    with pytest.raises(PortError):
        Database(url, schema=schema)
    assert sql("SELECT count(*) FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() == (0,)


def test_a_later_step_is_added_to_a_schema_in_use(url, sql, base, schema, monkeypatch):
    steps = [*database._migrations(), "CREATE TABLE more (a int)"]
    monkeypatch.setattr(database, "_migrations", lambda: steps)
    Database(url, schema=schema).close()
    assert sql(
        f"SELECT array_agg(version ORDER BY version) FROM {base.schema}.schema_versions"
    ).fetchone() == (list(range(1, len(steps) + 1)),)
    assert sql(f"SELECT count(*) FROM {base.schema}.more").fetchone() == (0,)


def test_many_may_open_a_new_schema_at_once(url, sql, schema):
    together(5, lambda _: Database(url, schema=schema).close())
    assert sql(f'SELECT count(*) FROM "{schema}".schema_versions').fetchone() == (
        len(database._migrations()),
    )


def test_a_schema_of_another_application_is_left_alone(url, sql, schema):
    sql(f'CREATE SCHEMA "{schema}"')
    sql(f'CREATE TABLE "{schema}".leases (theirs int)')
    with pytest.raises(PortError, match="name another one") as caught:
        Database(url, schema=schema)
    assert caught.value.code == "store_foreign"
    assert sql("SELECT count(*) FROM pg_tables WHERE schemaname = %s", (schema,)).fetchone() == (1,)


def test_a_schema_that_is_dropped_while_in_use_says_so(sql, base, leases):
    sql(f"DROP SCHEMA {base.schema} CASCADE")
    with pytest.raises(PortError, match="open the store again") as caught:
        leases.held()
    assert caught.value.code == "store_unopened"


def test_a_database_of_another_encoding_is_refused(url, sql):
    sql("DROP DATABASE IF EXISTS latin")
    sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(PortError, match="encoding LATIN1") as caught:
        Database(psycopg.conninfo.make_conninfo(url, dbname="latin"))
    assert caught.value.code == "store_unsuited"
    sql("DROP DATABASE latin")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"dbname": "nowhere"}, "store_unopened"),
        ({"user": "nobody-we-know"}, "store_refused"),
        ({"sslmode": "require"}, "store_untrusted"),
        ({"port": 1}, "store_unreachable"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(url, change, code):
    conninfo = psycopg.conninfo.make_conninfo(url, **change, password="sesame")
    with pytest.raises(PortError) as caught:
        Database(conninfo, timeout=2.0)
    assert caught.value.code == code
    assert caught.value.remedy
    assert "sesame" not in str(caught.value)


def test_at_another_isolation_level_nothing_is_counted(base):
    with base.connection() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(f"SELECT {base.schema}.lock_tenant('acme', false)")
        connection.execute("ROLLBACK")
    assert failure("PostgreSQL", caught.value).code == "store_unsuited"


def test_settings_of_a_role_do_not_weaken_the_store(url, sql, schema):
    sql("DROP ROLE IF EXISTS careless")
    sql("CREATE ROLE careless SUPERUSER LOGIN")
    sql("ALTER ROLE careless SET synchronous_commit = off")
    sql("ALTER ROLE careless SET default_transaction_isolation = 'repeatable read'")
    base = Database(psycopg.conninfo.make_conninfo(url, user="careless"), schema=schema)
    with base.connection() as connection:
        for name, value in (
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
        ):
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)
    base.close()
    sql(f'DROP SCHEMA "{schema}" CASCADE')
    sql("DROP ROLE careless")


# ---- clocks, tokens, processes -----------------------------------------------------------------------------------


def test_a_step_back_of_the_servers_clock_costs_no_more_than_one_ttl(base):
    clock = VirtualClock()
    clock.advance(100_000)
    store = PostgresLeases(base, clock=clock)
    dead = store.acquire(claim("dead", ttl=60.0), ONE)
    clock._nanoseconds -= 3600 * 10**9
    assert isinstance(store.acquire(claim("r-1"), ONE), Full)
    assert store.find("acme", "dead").remaining == 60.0
    clock.advance(59)
    assert store.acquire(claim("r-1"), ONE).usage.tenant_frees_in == pytest.approx(1.0)
    clock.advance(1)
    assert store.acquire(claim("r-1"), ONE).token > dead.token


def test_on_a_server_that_lost_the_last_tokens_they_go_on_growing(sql, base, leases):
    before = leases.acquire(claim("r-1"), Caps())
    threading.Event().wait(0.11)  # no failover is faster
    sql(f"SELECT setval('{base.schema}.fence', 1)")
    assert leases.acquire(claim("r-2"), Caps()).token > before.token


def test_expired_leases_of_tenants_that_never_come_back_are_swept(sql, base):
    clock = VirtualClock()
    store = PostgresLeases(base, clock=clock)
    store.acquire(claim("r-1", "gone", ttl=1.0), Caps())
    clock.advance(2)
    sql(f"SELECT setval('{base.schema}.fence', {1024 * 10**6 - 1})")
    assert store.acquire(claim("r-1", "here"), Caps()).token == 1024 * 10**6
    assert sql(f"SELECT tenant FROM {base.schema}.leases").fetchall() == [("here",)]


def test_tokens_and_caps_of_any_size_are_understood(leases):
    lease = leases.acquire(claim("r-1"), Caps(2**70, 2**70))
    assert leases.renew("acme", "r-1", 2**70, 60.0) is None
    assert leases.release("acme", "r-1", -(2**70)) is Release.STALE
    assert leases.release("acme", "r-1", lease.token) is Release.RELEASED


def test_a_forked_child_opens_its_own_connections(leases):
    lease = leases.acquire(claim("r-1"), ONE)
    child = os.fork()
    if not child:
        try:
            os._exit(leases.find("acme", "r-1").token != lease.token)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert leases.find("acme", "r-1").token == lease.token


def test_a_closed_store_is_closed_and_one_that_was_handed_a_database_leaves_it_open(url, sql, schema):
    base = Database(url, schema=schema)
    for kind in (PostgresLeases, PostgresDocuments, PostgresOutbox):
        kind(base).close()
    assert PostgresLeases(base).held() == {}
    base.close()
    with pytest.raises(PortError, match="is closed") as caught:
        PostgresLeases(base).held()
    assert caught.value.code == "store_closed"
    for kind in (PostgresLeases, PostgresDocuments, PostgresOutbox):
        kind(url).close()
    sql("DROP SCHEMA maestro CASCADE")


def test_what_is_no_address_or_schema_is_refused(url):
    with pytest.raises(PortError, match="malformed") as caught:
        Database("postgresql://u:sesame@[host/db")
    assert "sesame" not in str(caught.value)
    for name in ("", "x" * 64, "a\0b"):
        with pytest.raises(BadInputError):
            Database(url, schema=name)


def test_an_event_told_by_two_tenants_at_once_is_kept_once(leases):
    together(4, lambda number: leases.acquire(claim("r", f"t-{number}"), Caps(), lambda _: event("same", AT)))
    assert len(leases.outbox.read()) == 1


def test_batches_of_the_same_events_in_another_order_do_not_wait_for_one_another(base):
    outbox = PostgresOutbox(base)
    events = [event(str(number), AT) for number in range(30)]
    together(4, lambda number: outbox.append(events[::-1] if number % 2 else events))
    assert sorted(one.id for _, one in outbox.read()) == sorted(one.id for one in events)


def test_a_long_backlog_gets_its_positions_in_several_steps(base, monkeypatch):
    outbox = PostgresOutbox(base)
    outbox.append(event(str(number), AT + timedelta(seconds=number)) for number in range(5500))
    found = outbox.read(0, 10_000)
    assert [position for position, _ in found] == list(range(1, 5501))
    assert [one.id for _, one in found] == [str(number) for number in range(5500)]
