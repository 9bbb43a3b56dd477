"""The demo with few runs: everything it tells is measured, and it leaves nothing behind."""

import gzip
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from maestro.limits.decide import decide
from maestro.limits.documents import limits_from
from maestro.limits.policy import compile_file
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite import SqliteLeases
from maestro_sidecar.cli import demo as command
from maestro_sidecar.demo import arrivals, demo, dispatcher
from maestro_sidecar.demo.arrivals import Arrival, made_up, read_trace
from maestro_sidecar.demo.dispatcher import Dispatcher, Tally
from maestro_sidecar.demo.edge import run_edge
from maestro_sidecar.demo.report import percentile
from maestro_sidecar.demo.tenants import demo_tenants

DOCUMENT = {
    "runs",
    "completed",
    "denies",
    "admitted",
    "violations",
    "ratio",
    "decisions",
    "decisionMicroseconds",
    "seconds",
    "store",
    "tenants",
    "edge",
}
HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
NOW = datetime(2026, 3, 30, 12, 0, 0, 250_000, tzinfo=UTC)


def nobody_watches(*_):
    pass


@pytest.fixture
def open_already(monkeypatch):
    """Window and closure of half a minute ago, for tests that are about something else."""
    monkeypatch.setattr(demo, "demo_tenants", lambda now: demo_tenants(now - timedelta(seconds=30)))


@pytest.mark.slow
def test_json(maestro, tmp_path):
    store = tmp_path / "kept.db"
    answer = maestro("demo", "--runs", "60", "--store", store, "--json")
    assert answer.code == 0
    document = answer.document
    assert document.keys() == DOCUMENT
    assert (document["runs"], document["completed"], document["admitted"]) == (60, 60, 60)
    assert (document["violations"], document["ratio"]) == (0, 0.0)
    assert document["decisionMicroseconds"].keys() == {"p50", "p95"}
    assert document["decisions"] >= 60
    acme, boreal, *_, ember = document["tenants"]
    # Truly exercised: nobody starts before window and closure say so, and each waits in between.
    assert acme["denies"]["outside_run_window"] > 0
    assert acme["firstStartSeconds"] >= 3
    assert boreal["denies"]["closure"] > 0
    assert boreal["firstStartSeconds"] >= 1
    assert (ember["limits"], ember["denies"]) == (None, {})
    first, *progress = answer.err.splitlines()
    progress, edge = progress[:-4], progress[-4:]
    assert all("decides: " in line for line in edge)
    assert first == "60 runs of five tenants, by two dispatchers that share kept.db"
    assert all(" of 60 completed, " in line for line in progress)
    # The store stays, no slot is held, and the other command comes to the same figure.
    leases = SqliteLeases(store)
    assert leases.held() == {}
    leases.close()
    assert maestro("limits", "replay", store, "--json").document["admitted"] == 60


@pytest.mark.usefixtures("open_already")
def test_the_table_on_a_terminal(maestro, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(arrivals, "SPAN", 0.2)
    answer = maestro("demo", "--runs", "5")
    assert answer.code == 0
    assert "runs        5 real processes, 5 completed" in answer.out
    assert "violations  0 in 5 admissions" in answer.out
    assert "\r\x1b[K" in answer.err


@pytest.mark.usefixtures("open_already")
def test_a_real_trace_is_replayed(maestro, tmp_path, monkeypatch):
    monkeypatch.setattr(arrivals, "SPAN", 1.0)
    trace = tmp_path / "trace.csv.gz"
    rows = [f"2023-11-16 18:{15 + n // 60}:{n % 60:02}.6805900,374,{n}\n" for n in range(100)]
    trace.write_bytes(gzip.compress((HEAD + "".join(rows)).encode()))
    answer = maestro("demo", "--runs", "50", "--trace", trace, "--json")
    assert answer.code == 0
    document = answer.document
    assert document.keys() == DOCUMENT | {"trace"}
    assert document["trace"] == {
        "file": "trace.csv.gz",
        "rows": 100,
        "replayed": 50,
        "traceSeconds": 99.0,
        "compression": 99.0,
    }
    assert document["runs"] == 50


@pytest.mark.slow
@pytest.mark.outside(data="traces/azure_llm_conv.csv.gz")
def test_the_trace_of_a_public_cloud(maestro, outside_data):
    trace = outside_data / "traces" / "azure_llm_conv.csv.gz"
    answer = maestro("demo", "--trace", trace, "--runs", "150", "--json")
    assert answer.code == 0
    document = answer.document
    assert (document["violations"], document["trace"]["rows"]) == (0, 19366)
    assert document["seconds"] < 40


@pytest.mark.usefixtures("open_already")
def test_the_demo_says_no_when_a_run_fails(maestro, monkeypatch):
    monkeypatch.setattr(dispatcher, "_CHILD", "raise SystemExit(1)")
    monkeypatch.setattr(arrivals, "SPAN", 0.1)
    answer = maestro("demo", "--runs", "5", "--json")
    assert (answer.code, answer.document["completed"]) == (3, 0)
    assert [tenant["failed"] for tenant in answer.document["tenants"]] == [1] * 5


@pytest.mark.parametrize("runs", ["0", "5001", "-3"])
def test_too_few_or_many_runs(runs, refused):
    assert refused("demo", f"--runs={runs}")["field"] == "--runs"


def test_a_store_in_no_folder(refused, tmp_path):
    assert refused("demo", "--store", tmp_path / "no" / "demo.db")["field"] == "--store"


# ---- tenants ---------------------------------------------------------------------------------------------


def verdicts(now):
    return {
        tenant.name: decide(compile_file(limits_from(tenant.limits)), tenant.packages[0], now)
        for tenant in demo_tenants(NOW)
        if tenant.limits
    }


def test_window_and_closure_wait_seconds_and_not_longer():
    first = verdicts(NOW)
    assert {name for name, verdict in first.items() if not verdict.allowed} == {"acme", "boreal"}
    assert (first["acme"].retry_after, first["boreal"].retry_after) == (7, 5)
    assert all(verdict.allowed for verdict in verdicts(NOW + timedelta(seconds=7)).values())


@pytest.mark.parametrize(
    "at", ["2026-03-30T05:59:58+00:00", "2026-11-01T08:00:00+00:00", "2026-03-08T09:00:00+00:00"]
)
def test_the_demo_runs_at_any_time_of_the_year(at):
    now = datetime.fromisoformat(at)
    for tenant in demo_tenants(now):
        if tenant.limits:
            policy = compile_file(limits_from(tenant.limits))
            assert decide(policy, tenant.packages[0], now + timedelta(seconds=8)).allowed


# ---- arrivals --------------------------------------------------------------------------------------------


def test_made_up_arrivals_are_dealt_to_all():
    runs = made_up(100, demo_tenants(NOW))
    assert len({run.run for run in runs}) == 100
    assert {run.tenant for run in runs} == {"acme", "boreal", "cobalt", "delta", "ember"}
    assert runs == sorted(runs, key=lambda run: run.after)
    assert all(0 <= run.after < arrivals.SPAN for run in runs)


def test_a_trace_keeps_its_shape(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(HEAD + "2023-11-16 18:00:10,1,9000\n\n2023-11-16T18:00:00+00:00,1,0\n")
    trace = read_trace(path, 10)
    assert (trace.rows, trace.seconds) == (2, 10.0)
    first, second = trace.arrivals(demo_tenants(NOW))
    assert (first.after, second.after) == (0, arrivals.SPAN)
    assert (first.seconds, second.seconds) == (arrivals._SHORTEST, arrivals._LONGEST)


def test_a_trace_of_one_moment(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("TIMESTAMP\n2023-11-16 18:00:10\n")
    trace = read_trace(path, 10)
    assert [arrival.after for arrival in trace.arrivals(demo_tenants(NOW))] == [0.0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "TIMESTAMP"),
        (b"when,what\n1,2\n", "TIMESTAMP"),
        (HEAD.encode(), "no arrivals"),
        (HEAD.encode() + b"yesterday,1,2\n", "line 2"),
        (HEAD.encode() + b"2023-11-16 18:00:10,1,many\n", "line 2"),
        (HEAD.encode() + b"\xff\n", "cannot be read"),
    ],
)
def test_a_bad_trace_is_told(content, told, refused, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    problem = refused("demo", "--trace", path)
    assert problem["field"] == "--trace"
    assert told in problem["detail"]
    assert problem["remedy"]


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(HEAD.encode())[:-12]], ids=["other", "cut"])
def test_a_broken_archive_is_told(content, refused, tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(content)
    assert refused("demo", "--trace", path)["field"] == "--trace"


def test_a_trace_that_is_too_long_is_told(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(arrivals, "_MOST_ROWS", 2)
    path = tmp_path / "t.csv"
    path.write_text("TIMESTAMP\n" + "2023-11-16 18:00:10\n" * 3)
    assert "more than 2 rows" in refused("demo", "--trace", path)["detail"]


# ---- dispatcher ------------------------------------------------------------------------------------------


@pytest.fixture
def limits(tmp_path):
    from maestro.runtime import BlockingLimits
    from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases

    with BlockingLimits(InProcessLeases(), SystemClock(), InProcessDocuments()) as door:
        yield door


def test_a_run_that_no_retry_helps_is_given_up(limits):
    limits.put({"tenant": "t", "packageCaps": {"a": 0}}, by="test")
    one = Dispatcher(limits, SystemClock(), [Arrival(0, "t", "a", "r", 0.01)])
    one.work(threading.Event())
    assert one.tallies["t"] == Tally(runs=1, given_up=1, denies={"package_cap": 1})


def test_stopping_leaves_no_process_and_no_slot(limits):
    one = Dispatcher(limits, SystemClock(), [Arrival(0, "t", "a", f"r-{n}", 600) for n in range(3)])
    stop = threading.Event()
    worker = threading.Thread(target=one.work, args=[stop])
    worker.start()
    while one.going < 3:
        stop.wait(0.01)
        assert worker.is_alive()
    processes = [going.process for going in one._going]
    stop.set()
    worker.join(10)
    assert all(process.returncode for process in processes)
    assert limits.leases.held() == {}
    assert one.waiting == 0


def test_a_process_that_cannot_start_holds_no_slot(limits, monkeypatch):
    def no_process(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    one = Dispatcher(limits, SystemClock(), [Arrival(0, "t", "a", "r", 0.1)])
    with pytest.raises(OSError, match="no more"):
        one.work(threading.Event())
    assert limits.leases.held() == {}


def test_a_dispatcher_that_fails_stops_the_other(tmp_path, monkeypatch):
    def fails(self, stop):
        if self._due:
            raise RuntimeError("broken")

    monkeypatch.setattr(Dispatcher, "work", fails)
    with pytest.raises(RuntimeError, match="broken"):
        demo.run_demo(tmp_path / "d.db", 5, nobody_watches)


def test_ctrl_c_ends_it_quietly_and_at_once(tmp_path):
    command = [sys.executable, "-m", "maestro_sidecar", "demo", "--store", str(tmp_path / "d.db")]
    demo_process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert "five tenants" in demo_process.stderr.readline()
    assert " completed, " in demo_process.stderr.readline()
    os.killpg(demo_process.pid, signal.SIGINT)
    out, err = demo_process.communicate(timeout=20)
    assert (demo_process.returncode, out) == (130, "")
    assert "Traceback" not in err
    leases = SqliteLeases(tmp_path / "d.db")
    assert leases.held() == {}
    leases.close()


def test_percentiles():
    assert [percentile(list(range(1, 101)), percent) for percent in (50, 95)] == [50, 95]
    assert percentile([7], 95) == 7
    assert percentile([], 50) == 0


def test_progress_away_from_a_terminal_comes_in_lines(capsys):
    watch = command._progress()
    for tenths in range(45):
        watch(tenths / 10, [])
    assert [line[:7] for line in capsys.readouterr().err.splitlines()] == ["  2.0 s", "  4.0 s"]


def test_the_example_of_the_help_runs(example):
    done = example("demo")
    assert done.returncode == 0, done.stderr
    assert "runs        50 real processes, 50 completed" in done.stdout


def test_the_edge_is_tampered_with_and_recovers(tmp_path):
    said = []
    report = run_edge(tmp_path, said.append)
    assert report.as_promised
    assert [moment.why for moment in report.moments] == ["", "digest_mismatch", "", ""]
    assert "mc.edge.quarantined" in report.audit
    assert len(said) == 4
    assert "digest_mismatch" in "\n".join(report.lines())


def test_without_its_drivers_the_edge_is_left_out(maestro, monkeypatch, open_already):
    monkeypatch.setitem(sys.modules, "tuf", None)
    answer = maestro("demo", "--runs", "5", "--json")
    assert "edge" not in answer.document
    assert "maestro-conductor[edge]" in answer.err


def test_the_edge_can_be_left_out(maestro, open_already):
    assert "edge" not in maestro("demo", "--runs", "5", "--no-edge", "--json").document
