"""What all tests share: real servers, outside data, and an account of every test that did not run.

A test that does not run must not look like one that passed. Three cases are allowed, each with its own rule:

* `services`: a real server. Its address comes from the environment, else `tests/services/up-*.sh` starts it,
  else the test is skipped, or fails under `MAESTRO_REQUIRE_SERVICES=1`.
* `outside(data="…", tool="…", module="…")`: something no install step of ours can bring, above all data that
  is not ours to copy, below `$MAESTRO_OUTSIDE`. Unmet: skipped, with a reason.
* everything else runs. `--account` (CI) fails on any other skip or deselection, and when the list of unmet
  outside tests differs from `tests/outside.txt`.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import hypothesis
import pytest

TESTS = Path(__file__).parent
SERVICES = TESTS / "services"
OUTSIDE_LIST = TESTS / "outside.txt"

# No deadline: on two busy cores it measures the machine. In CI the same commit draws the same examples.
hypothesis.settings.register_profile("local", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


# ---- real servers ----------------------------------------------------------------------------------------


def required() -> bool:
    return os.environ.get("MAESTRO_REQUIRE_SERVICES") == "1"


def missing(what: str) -> None:
    """Fail or skip, as `MAESTRO_REQUIRE_SERVICES` says."""
    if required():
        pytest.fail(f"MAESTRO_REQUIRE_SERVICES=1, but {what}", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def services_dir(worker_id: str) -> Iterator[Path]:
    """Where this worker's servers keep their data; they are stopped and purged with it."""
    base = os.environ.get("SERVICES_DIR")
    made = None if base else tempfile.mkdtemp(prefix="maestro-services-")
    folder = Path(base or made) / worker_id
    folder.mkdir(parents=True, exist_ok=True)
    # Under root the servers run as an unprivileged account, which has to enter these folders.
    for path in (folder, folder.parent):
        path.chmod(0o755)
    yield folder
    purge = os.environ | {"SERVICES_DIR": str(folder), "SERVICES_PURGE": "1"}
    subprocess.run([SERVICES / "down.sh"], env=purge, check=True, capture_output=True)
    if made:
        shutil.rmtree(made)


@pytest.fixture(scope="session")
def service(services_dir: Path) -> Callable[..., str]:
    """`service("redis")` is the address of a real Redis: `$MAESTRO_REDIS`, or one started for this session."""

    def address(name: str, *arguments: str, **environment: str) -> str:
        if given := os.environ.get(f"MAESTRO_{name.upper()}"):
            return given
        done = subprocess.run(
            [SERVICES / f"up-{name}.sh", *arguments],
            env=os.environ | {"SERVICES_DIR": str(services_dir)} | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            missing((done.stderr.strip().splitlines() or [f"up-{name}.sh failed"])[-1])
        return done.stdout.strip()

    return address


@attrs.frozen
class Prometheus:
    """A real Prometheus and the file from which it learns what to scrape, every second."""

    address: str
    targets: Path

    def scrape(self, target: str, **labels: str) -> None:
        """Scrape `http://TARGET/metrics` (`host:port`) from now on, and nothing else but itself."""
        fresh = self.targets.with_suffix(".new")
        fresh.write_text(json.dumps([{"targets": [target], "labels": labels}]))
        fresh.chmod(0o644)
        fresh.replace(self.targets.with_suffix(".json"))

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        url = f"{self.address}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def wait_for(self, promql: str, seconds: float = 20) -> dict[str, Any]:
        """The first sample of a query that has one, as soon as it has one."""
        end = time.monotonic() + seconds
        while not (samples := self.query(promql)):
            assert time.monotonic() < end, f"nothing in {seconds} s: {promql}"
            time.sleep(0.1)
        return samples[0]


@pytest.fixture(scope="session")
def prometheus(service: Callable[..., str], services_dir: Path) -> Prometheus:
    """A given server (`MAESTRO_PROMETHEUS`) must also say which targets file it reads."""
    address = service("prometheus")
    given = os.environ.get("MAESTRO_PROMETHEUS_TARGETS")
    if "MAESTRO_PROMETHEUS" in os.environ and not given:
        missing("MAESTRO_PROMETHEUS is set without MAESTRO_PROMETHEUS_TARGETS")
    return Prometheus(address, Path(given) if given else services_dir / "prometheus" / "targets.json")


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """`tool("promtool")` is the path of an installed program, by the same rule as a server."""

    def path(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            missing(f"{name} not found; run tests/services/install.sh first")
        return found

    return path


# ---- what cannot be installed ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def outside_data() -> Path:
    """The folder of outside data; only tests marked `outside(data=…)` may ask for it."""
    return Path(os.environ["MAESTRO_OUTSIDE"])


def unmet(mark: pytest.Mark) -> str | None:
    """Why the needs of one `outside` mark are not met here, in words that are the same on every machine."""
    if mark.args or not mark.kwargs or mark.kwargs.keys() - {"data", "tool", "module"}:
        raise pytest.UsageError("outside needs keywords, as in outside(data='traces/x.csv', tool='docker')")
    if (data := mark.kwargs.get("data")) is not None:
        folder = os.environ.get("MAESTRO_OUTSIDE")
        if not folder or not (Path(folder) / data).exists():
            return f"needs {data} below $MAESTRO_OUTSIDE"
    if (program := mark.kwargs.get("tool")) is not None and shutil.which(program) is None:
        return f"needs the program {program}"
    if (module := mark.kwargs.get("module")) is not None and importlib.util.find_spec(module) is None:
        return f"needs the Python module {module}"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--without-slow"):
        items[:] = [item for item in items if item.get_closest_marker("slow") is None]
    for item in items:
        for mark in item.iter_markers("outside"):
            if reason := unmet(mark):
                item.add_marker(pytest.mark.skip(reason=f"outside: {reason}"))
                break


# ---- the account -----------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--account",
        action="store_true",
        help="fail on skips and deselections, but for the outside tests that tests/outside.txt lists",
    )
    parser.addoption(
        "--without-slow",
        action="store_true",
        help="leave out the tests marked slow, for a second run on another Python",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Workers of pytest-xdist only hand on what they deselected; the controller keeps the account.
    if config.getoption("--account"):
        config.pluginmanager.register(Account(config), "maestro-account")


class Account:
    """Every test that did not run, and why."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.ran = 0
        self.outside: set[str] = set()
        self.faults: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An expected failure is reported as a skip, but it ran.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped(report)
        elif report.when == "call":
            self.ran += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped(report)

    def skipped(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        where = report.longrepr
        reason = (where[2] if isinstance(where, tuple) else str(where)).removeprefix("Skipped: ")
        if reason.startswith("outside: "):
            self.outside.add(f"{plain(report.nodeid)}: {reason.removeprefix('outside: ')}")
        else:
            self.faults.add(f"skipped: {plain(report.nodeid)}: {reason}")

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.faults.update(f"deselected: {plain(item.nodeid)}" for item in items)

    def pytest_testnodedown(self, node: object) -> None:
        self.faults.update(getattr(node, "workeroutput", {}).get("faults", ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["faults"] = sorted(self.faults)
            return
        lines = OUTSIDE_LIST.read_text(encoding="utf-8").splitlines()
        listed = {line for line in lines if line and not line.startswith("#")}
        self.faults.update(f"outside, but not in tests/outside.txt: {line}" for line in self.outside - listed)
        self.faults.update(f"in tests/outside.txt, but it ran: {line}" for line in listed - self.outside)
        if not self.ran:
            self.faults.add("no test ran")
        if self.faults and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("account")
        for line in sorted(self.outside):
            terminalreporter.line(f"outside, not run: {line}")
        for line in sorted(self.faults):
            terminalreporter.line(f"FAULT {line}", red=True)
        terminalreporter.line(f"{self.ran} ran, {len(self.outside)} outside, {len(self.faults)} faults")


def plain(nodeid: str) -> str:
    """The node id without the `@group` that pytest-xdist appends for its load groups."""
    return nodeid.rsplit("@", 1)[0] if "@" in nodeid.rsplit("]", 1)[-1] else nodeid
