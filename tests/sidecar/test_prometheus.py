"""A real Prometheus scrapes the sidecar, and its linter finds nothing to say."""

import contextlib
import http.client
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

pytestmark = pytest.mark.services

SCRIPT = """
import sys
from maestro_sidecar.server import serve
from maestro_sidecar.settings import Overrides, load
over = Overrides(port=0, store=":memory:", no_auth=True)
sys.exit(serve(load(overrides=over), lambda started: print(started.addresses[0], flush=True)))
"""


@pytest.fixture
def target(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip().removeprefix("http://")
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


def ask(target, method, path, body):
    connection = http.client.HTTPConnection(target, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse().status


def traffic(target):
    assert ask(target, "PUT", "/api/limits/package-caps", {"tenant": "acme", "maxConcurrent": 1}) == 201
    run = {"tenant": "acme", "package": "ns/a", "ttlSeconds": 600}
    assert ask(target, "POST", "/api/limits/runs", {**run, "run": "r-1"}) == 201
    assert ask(target, "POST", "/api/limits/runs", {**run, "run": "r-2"}) == 429
    assert ask(target, "POST", "/api/limits/decisions", {"tenant": "beta", "package": "ns/a"}) == 200


def query(address, expression):
    where = f"{address}/api/v1/query?query={urllib.parse.quote(expression)}"
    with urllib.request.urlopen(where, timeout=10) as answer:
        return [float(row["value"][1]) for row in json.load(answer)["data"]["result"]]


def test_prometheus_scrapes_the_sidecar(prometheus, target):
    traffic(target)
    prometheus.scrape(target)
    expected = {
        f'up{{instance="{target}"}}': [1.0],
        f'mc_window_denies_total{{instance="{target}",tenant="acme",reason="tenant_cap"}}': [1.0],
        f'mc_limits_leases_held{{instance="{target}",tenant="acme"}}': [1.0],
        f'mc_limit_violations_ratio{{instance="{target}"}}': [0.0],
        f'mc_http_requests_total{{instance="{target}",route="/api/limits/runs",status="429"}}': [1.0],
        f'mc_limits_decision_seconds_count{{instance="{target}"}}': [1.0],
    }
    end = time.monotonic() + 30
    while {expression: query(prometheus.address, expression) for expression in expected} != expected:
        assert time.monotonic() < end
        time.sleep(0.3)


def test_promtool_finds_nothing_to_say(tool, target):
    traffic(target)
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as answer:
        text = answer.read()
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
