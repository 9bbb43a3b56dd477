"""`maestro serve` as its user meets it. What the server answers is tests/sidecar's business."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from maestro_sidecar import server
from maestro_sidecar.server import Started


@pytest.fixture
def serving(tmp_path):
    """A server in a process of its own; ended as Ctrl-C does."""
    running = []

    def start(*options):
        environment = os.environ | {"MAESTRO_STATE": str(tmp_path / "state")}
        command = [sys.executable, "-m", "maestro_sidecar", "serve", "--port", "0", *options]
        running.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_it_serves_until_ctrl_c(serving, tmp_path):
    process = serving("--store", str(tmp_path / "s.db"), "--json", "--log-level", "error")
    text = ""
    while not text.endswith("}\n"):
        text += process.stdout.readline()
        assert process.poll() is None
    started = json.loads(text)
    assert started.keys() == {"addresses", "tokenFile", "store", "auditKey"}
    assert started["store"] == str(tmp_path / "s.db")
    assert started["auditKey"] == (tmp_path / "state" / "audit.key.pub").read_text().strip()
    with urllib.request.urlopen(f"{started['addresses'][0]}/livez") as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")


@pytest.fixture
def served(monkeypatch, tmp_path):
    """The settings that reach the server; it is ready at once, and ends."""
    seen = []

    def serve(settings, ready):
        seen.append(settings)
        token = None if settings.server.auth == "none" else "/state/to ken"
        ready(Started(["http://127.0.0.1:1", "unix:/run/m.sock"], token, "memory", "node-1+key"))
        return 0

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setenv("MAESTRO_STATE", str(tmp_path))
    return seen


def test_options_reach_the_settings(maestro, served, written):
    config = written("m.toml", b"[server]\nport = 1\nmaxRequests = 7\n")
    answer = maestro(
        "serve", "--config", config, "--host", "::1", "--port", "0", "--socket", "s", "--store", ":memory:",
        "--no-auth", "--log-level", "debug",
    )  # fmt: skip
    assert answer.code == 0
    (settings,) = served
    one = settings.server
    assert (one.host, one.port, one.socket, one.auth, one.max_requests) == ("::1", 0, "s", "none", 7)
    assert (settings.store.kind, settings.log.level) == ("memory", "debug")
    assert "serving memory at http://127.0.0.1:1; Ctrl-C stops it\n" in answer.out
    assert "token" not in answer.out


def test_it_tells_where_the_token_is_and_how_to_use_it(maestro, served):
    out = maestro("serve").out
    assert "the token is in /state/to ken\n" in out
    assert "$(cat '/state/to ken')" in out
    assert "verified by node-1+key\n" in out


def test_a_socket_alone_has_no_curl_line(maestro, monkeypatch, tmp_path):
    monkeypatch.setenv("MAESTRO_STATE", str(tmp_path))
    monkeypatch.setattr(
        server, "serve", lambda _, ready: ready(Started(["unix:/s"], None, "memory", "node-1+key")) or 0
    )
    assert "curl" not in maestro("serve").out


def test_the_demo_serves_its_store(maestro, served, monkeypatch):
    from maestro_sidecar.demo import arrivals

    monkeypatch.setattr(arrivals, "SPAN", 0.1)
    answer = maestro("demo", "--runs", "5", "--serve", "--json")
    assert answer.code == 0
    assert answer.document["store"] == served[0].store.path
    assert "serving memory at http://127.0.0.1:1" in answer.err


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--config", "no-such-file"], "config"),
        (["--port", "70000"], "server.port"),
        (["--host", "0.0.0.0", "--no-auth"], "server.host"),
    ],
)
def test_bad_settings(options, field, refused, monkeypatch, tmp_path):
    monkeypatch.setenv("MAESTRO_STATE", str(tmp_path))
    assert refused("serve", *options)["field"] == field


def test_the_example_of_the_help_parses(maestro, served):
    example = maestro("serve", "--help").out.split("example:\n")[1].split()
    assert maestro(*example[1:]).code == 0
    assert served[0].store.path == "limits.db"
