"""The same attacks served to a real OPA that verifies signatures, and judged by us. Ours refuses every one."""

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager

import pytest

from edge_support.attacks import ATTACKS, SERVED, good, judge, root_of
from edge_support.bundles import bundle, packed, pair
from maestro_sidecar.static_server import StaticServer

pytestmark = pytest.mark.services
NUMBERS = range(len(ATTACKS))


@pytest.mark.parametrize("number", NUMBERS, ids=[attack.title for attack in ATTACKS])
def test_ours_refuses(number):
    attack = ATTACKS[number]
    verdict = judge(attack, root_of(number))
    assert not verdict.trusted
    assert verdict.bundle is None
    assert attack.reason in verdict.reasons


@contextmanager
def running(opa, folder, config):
    """A real OPA server with this configuration; its address."""
    (folder / "config.json").write_text(json.dumps(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [opa, "run", "--server", f"--addr=127.0.0.1:{port}", f"--config-file={folder / 'config.json'}", "--log-level=error", "--skip-version-check"]  # fmt: skip
    with (folder / "opa.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=60)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except OSError:
        return {}


def bundles(address):
    """What OPA says of each bundle."""
    return get(f"{address}/v1/status").get("result", {}).get("bundles", {})


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "OPA did not get there"
        time.sleep(0.1)
    return found


def config(address, numbers):
    def one(number):
        signing = {"scope": ""}
        if ATTACKS[number].also:
            signing["exclude_files"] = ["excluded.rego"]
        polling = {"min_delay_seconds": 1, "max_delay_seconds": 1}
        return {
            "service": "repo",
            "resource": f"{root_of(number)}.tar.gz",
            "signing": signing,
            "polling": polling,
        }

    return {
        "services": {"repo": {"url": address}},
        "keys": {"default": {"key": pair()[1].decode(), "algorithm": "ES256"}},
        "bundles": {root_of(number): one(number) for number in numbers},
        "status": {"prometheus": True},
    }


@pytest.fixture(scope="module")
def seen(opa, tmp_path_factory):
    """After each attack was served to one OPA: whether it activated it, and its words."""
    folder = tmp_path_factory.mktemp("attacks")
    roots = [root_of(number) for number in NUMBERS]
    for root in roots:
        (folder / f"{root}.tar.gz").write_bytes(packed(bundle(good(root))))
    server = StaticServer(folder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    work = tmp_path_factory.mktemp("opa")
    try:
        with running(opa, work, config(server.address, NUMBERS)) as address:
            served = str(SERVED)
            wait_for(
                lambda: all(bundles(address).get(root, {}).get("active_revision") == served for root in roots)
            )
            before = {root: each["last_successful_activation"] for root, each in bundles(address).items()}
            for number in NUMBERS:
                (folder / "new").write_bytes(ATTACKS[number].make(root_of(number)))
                (folder / "new").replace(folder / f"{root_of(number)}.tar.gz")

            def judged():
                found = bundles(address)
                done = all(
                    found[root]["last_successful_activation"] != before[root] or found[root].get("code")
                    for root in roots
                )
                return found if done else None

            found = wait_for(judged)
            yield {
                root: (
                    found[root]["last_successful_activation"] != before[root],
                    found[root].get("message", ""),
                )
                for root in roots
            }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("number", NUMBERS, ids=[attack.title for attack in ATTACKS])
def test_opa_does_what_the_table_says(number, seen):
    activated, words = seen[root_of(number)]
    assert activated is ATTACKS[number].opa, words
