"""An edge in a real sidecar: an OPA client that nobody here wrote, operators' commands, and kill -9 in a swap."""

import json
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from opa_client.opa import OpaClient

from edge.live import SCRIPT, Live, toml_of
from edge_support.bundles import packed
from edge_support.native import edge_table, native_files, publish, write

FAST = {"trialSeconds": 0.2, "damping": {"holdSeconds": 0.1, "mostHoldSeconds": 0.2, "halfLifeSeconds": 0.5}}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "bundle.tar.gz"


@pytest.fixture
def live(tmp_path, place):
    publish(place, 1)
    running = Live(tmp_path, toml_of(edge_table(tmp_path, **FAST)))
    yield running
    if running.process.poll() is None:
        running.stop()


def command(live, *arguments):
    token = live.folder / "token.txt"
    token.write_text(live.token)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "edge", *arguments, "--url", live.url, "--token-file", str(token)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_an_opa_client_nobody_here_wrote_works_unchanged(live):
    live.until(lambda status: status["deciding"])
    where = urlsplit(live.url)
    client = OpaClient(host=where.hostname, port=where.port, token=live.token, timeout=30)
    try:
        assert client.check_health()
        assert client.check_health(query={"bundles": True})
        asked = {"request": {"tenant": "acme", "package": "ns/a"}, "packageUsage": {"ns/a": 1}}
        answer = client.query_rule(asked, "mc.limits", "allow")
        assert answer["result"] is False
        assert (
            client.query_rule(asked, "mc.limits", "decision")["result"]["denies"][0]["reason"]
            == "package_cap"
        )
        assert "result" not in client.query_rule(asked, "mc.nothing", "here")
        assert client.get_data("mc/limits/allow") == {"result": False}
    finally:
        client.close_connection()


def test_tamper_quarantine_recover_by_the_operators_commands(live, place):
    live.until(lambda status: status["state"] == "active")
    write(place, packed(native_files(2)))
    assert command(live, "poll")[0] == 0
    live.until(lambda status: status["state"] == "quarantined")
    code, out, _ = command(live, "status")
    assert code == 0
    assert "quarantined, decides" in out
    assert "signature_missing" in out
    publish(place, 3)
    live.until(lambda status: status["state"] == "active" and status["serving"]["revision"] == "3")
    code, out, _ = command(live, "pin", "1", "--json")
    assert (code, json.loads(out)["state"]) == (0, "pinned")
    code, out, _ = command(live, "unpin")
    assert "  serving   3" in out
    code, out, err = command(live, "pin", "77")
    assert code != 0
    assert "holds no good bundle 77" in err
    assert command(live, "clock-reset")[0] == 0


def test_commands_that_reach_nobody_say_so(live, tmp_path):
    live.stop()
    code, _, err = command(live, "status")
    assert code == 1
    assert "cannot be asked" in err


@pytest.mark.parametrize("kills", [4])
def test_killed_in_the_middle_of_swaps_it_always_comes_back_with_a_verified_bundle(live, place, kills):
    newest = 1
    live.until(lambda status: status["deciding"])
    for number in range(kills):
        for _ in range(3):
            newest += 1
            publish(place, newest)
            live.ask("POST", "/api/edge/refresh")
        if number % 2:
            live.until(lambda status, wanted=newest: int(status["serving"]["revision"]) >= wanted)
        seen = int(live.status()["serving"]["revision"])
        live.kill()
        live.start()
        status = live.until(lambda status: status["deciding"])
        assert seen <= int(status["serving"]["revision"]) <= newest
        assert status["state"] == "active"
        assert live.ask("POST", "/v1/data/mc/limits/allow", {"input": {}})[0] == 200
    live.until(lambda status: status["serving"]["revision"] == str(newest))


def test_without_its_source_a_new_process_decides_at_once(live, place):
    live.until(lambda status: status["deciding"])
    live.stop()
    place.unlink()
    live.start()
    assert live.ask("POST", "/v1/data/mc/limits/allow", {"input": {}})[0] == 200
