"""What the stores say of a PostgreSQL that cannot be used, and how they write names, without one."""

import sys

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.kernel.errors import PortError
from maestro_adapters.postgres import Database
from maestro_adapters.postgres.database import escape, unescape
from maestro_adapters.postgres.errors import failure


@pytest.mark.parametrize(
    ("error", "code", "again", "remedy"),
    [
        (psycopg.errors.ConnectionFailure("gone"), "store_unreachable", True, "the next call connects again"),
        (psycopg.errors.AdminShutdown("terminating connection"), "store_unreachable", True, "wait"),
        (psycopg.errors.TooManyConnections("sorry"), "store_busy", True, "max_connections"),
        (psycopg.errors.DiskFull("no space left"), "store_full", True, "disk"),
        (psycopg.errors.QueryCanceled("statement timeout"), "store_busy", True, "pg_stat_activity"),
        (psycopg.errors.LockNotAvailable("lock timeout"), "store_busy", True, "pg_stat_activity"),
        (psycopg.errors.IdleInTransactionSessionTimeout("idle"), "store_busy", True, "pg_stat_activity"),
        (psycopg.errors.DeadlockDetected("deadlock"), "store_busy", True, "Try again"),
        (psycopg.errors.ReadOnlySqlTransaction("read-only"), "store_read_only", True, "primary"),
        (psycopg.errors.InvalidPassword("no"), "store_refused", False, "pg_hba.conf"),
        (psycopg.errors.InsufficientPrivilege("no"), "store_refused", False, "CREATE"),
        (psycopg.errors.InvalidCatalogName("no"), "store_unopened", False, "database"),
        (psycopg.errors.UndefinedFunction("no"), "store_unopened", False, "open the store again"),
        (psycopg.errors.DuplicateTable("no"), "store_foreign", False, "another one"),
        (psycopg.errors.UntranslatableCharacter("no"), "store_unsuited", False, "UTF8"),
        (psycopg.errors.DivisionByZero("no"), "store_failed", True, "log"),
        (psycopg.DataError("no"), "store_failed", True, "log"),
    ],
)
def test_every_state_says_what_to_do_and_whether_to_try_again(error, code, again, remedy):
    told = failure("PostgreSQL", error)
    assert told.code == code
    assert (told.retry_after is not None) == again
    assert remedy in told.remedy


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("connection refused", "store_unreachable"),
        ("server closed the connection unexpectedly", "store_unreachable"),
        ("SSL error: certificate verify failed", "store_untrusted"),
        ("server does not support SSL, but SSL was required", "store_untrusted"),
        ('FATAL:  password authentication failed for user "app"', "store_refused"),
        ('FATAL:  no pg_hba.conf entry for host "::1"', "store_refused"),
        ("fe_sendauth: no password supplied", "store_refused"),
        ('FATAL:  role "app" does not exist', "store_refused"),
        ('FATAL:  database "app" does not exist', "store_unopened"),
        ("FATAL:  the database system is starting up", "store_unreachable"),
        ("FATAL:  sorry, too many clients already", "store_busy"),
        ("FATAL:  remaining connection slots are reserved", "store_busy"),
        ("session is read-only", "store_read_only"),
    ],
)
def test_a_connection_that_does_not_open_says_why(text, code):
    told = failure(
        "PostgreSQL", psycopg.OperationalError(f'connection failed: connection to "h" failed: {text}')
    )
    assert told.code == code
    assert told.remedy


@given(st.lists(st.text(st.sampled_from("\\\0a0'é"), max_size=8), min_size=2, max_size=2))
def test_names_come_back_as_they_were_and_two_never_become_one(names):
    one, other = names
    assert unescape(escape(one)) == one
    assert "\0" not in escape(one)
    assert (escape(one) == escape(other)) == (one == other)


def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(PortError, match=r"pip install 'maestro-conductor\[postgres\]'") as caught:
        Database("postgresql://localhost/db")
    assert caught.value.code == "missing_extra"
