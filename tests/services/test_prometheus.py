"""The fixture's promise: what a process of ours exposes, a real Prometheus stores."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("prometheus")]


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b'# TYPE mc_probe gauge\nmc_probe{tenant="acme"} 42\n')

    def log_message(self, *_):
        pass


@pytest.fixture
def exporter():
    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_target_is_scraped_with_its_labels(prometheus, exporter):
    prometheus.scrape(exporter, node="n1")
    sample = prometheus.wait_for('mc_probe{tenant="acme"}')
    assert sample["metric"]["node"] == "n1"
    assert sample["value"][1] == "42"


def test_a_target_that_is_gone_is_down(prometheus):
    prometheus.scrape("127.0.0.1:9")
    sample = prometheus.wait_for('up{instance="127.0.0.1:9"} == 0')
    assert sample["value"][1] == "0"


def test_promtool_judges_metric_texts(tool):
    def check(text):
        command = [tool("promtool"), "check", "metrics"]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    assert check("# HELP mc_x_total X.\n# TYPE mc_x_total counter\nmc_x_total 1\n").returncode == 0
    assert check("# TYPE mc_x counter\nmc_x 1\n").returncode != 0
    assert check("mc_x{ 1\n").returncode != 0
