"""Two sidecars on one store that both reach: PostgreSQL alone, or with the leases on Redis."""

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid

import pytest

from maestro.kernel.errors import BadInputError
from maestro_sidecar.settings import Overrides, load, parse_settings

pytestmark = pytest.mark.services


class Node:
    """A sidecar process without tokens on loopback."""

    def __init__(self, folder, *arguments):
        folder.mkdir()
        command = [sys.executable, "-m", "maestro_sidecar", "serve", "--port", "0", "--no-auth", "--json"]
        config = folder / "maestro.toml"
        config.write_text(f'state = "{folder}"\n')
        self.stderr = (folder / "stderr").open("w")
        self.process = subprocess.Popen(
            [*command, "--config", str(config), *arguments],
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            text=True,
        )
        text = ""
        while not text.endswith("\n}\n"):
            line = self.process.stdout.readline()
            assert line, (folder / "stderr").read_text()
            text += line
        self.started = json.loads(text)
        self.address = self.started["addresses"][0]

    def ask(self, method, path, body=None, **headers):
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read() or b"null")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0
        self.process.stdout.close()
        self.stderr.close()


@pytest.fixture(params=["postgres", "postgres and redis", "sqlite and redis"])
def nodes(request, service, tmp_path):
    if request.param == "sqlite and redis":
        arguments = ["--store", str(tmp_path / "documents.db"), "--leases", service("redis")]
    else:
        arguments = ["--store", service("postgres")]
        arguments += ["--leases", service("redis")] if "redis" in request.param else []
    pair = [Node(tmp_path / name, *arguments) for name in ("one", "two")]
    yield pair
    for node in pair:
        node.stop()


def test_the_cap_holds_over_both(nodes):
    one, two = nodes
    tenant = f"t-{uuid.uuid4()}"
    assert one.ask("PUT", "/api/limits/package-caps", {"tenant": tenant, "maxConcurrent": 3})[0] == 201
    held = []

    def take(node, number):
        status, headers, _ = node.ask(
            "POST", "/api/limits/runs", {"tenant": tenant, "run": f"r-{number}", "package": "ns/a"}
        )
        if status == 201:
            held.append((f"r-{number}", headers["ETag"]))
        else:
            assert status == 429
            assert int(headers["Retry-After"]) >= 1

    threads = [threading.Thread(target=take, args=(nodes[number % 2], number)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 3

    ask = {"tenant": tenant, "package": "ns/a"}
    decision = two.ask("POST", "/api/limits/decisions", ask)[2]
    assert [deny["reason"] for deny in decision["denies"]] == ["tenant_cap"]
    run, tag = held[0]
    path = f"/api/limits/runs/{run}"
    assert two.ask("POST", f"{path}/renew?tenant={tenant}", {"ttlSeconds": 60}, **{"If-Match": tag})[0] == 200
    assert two.ask("DELETE", f"{path}?tenant={tenant}", **{"If-Match": tag})[0] == 204
    assert one.ask("POST", "/api/limits/decisions", ask)[2]["allowed"]
    assert one.ask("GET", "/readyz")[0] == two.ask("GET", "/readyz")[0] == 200


def test_each_node_enters_what_any_of_them_changed_in_a_log_of_its_own(nodes):
    tenant = f"t-{uuid.uuid4()}"
    assert nodes[0].ask("PUT", "/api/limits/package-caps", {"tenant": tenant, "maxConcurrent": 3})[0] == 201

    def subjects(node):
        first, seen = 0, set()
        while first is not None:
            page = node.ask("GET", f"/api/audit/entries?first={first}")[2]
            seen |= {json.loads(one["entry"])["subject"] for one in page["entries"]}
            first = page.get("next")
        return seen

    assert f"{tenant}/package-caps" in subjects(nodes[0])
    for _ in range(300):
        if f"{tenant}/package-caps" in subjects(nodes[1]):
            break
        threading.Event().wait(0.1)
    else:
        pytest.fail("the other node did not enter it")
    origins = {node.ask("GET", "/api/audit/log")[2]["origin"] for node in nodes}
    assert len(origins) == 2


def test_nothing_that_is_told_holds_a_password(service):
    url = service("postgres").replace("postgres@", "postgres:secret@", 1)
    settings = load(
        overrides=Overrides(store=url, leases="redis://:secret@127.0.0.1/0"), environment={"HOME": "/x"}
    )
    assert settings.store.url == url
    assert settings.store_name == "postgres, leases on redis"


@pytest.mark.parametrize(
    ("store", "field"),
    [
        ({"kind": "postgres"}, "store.url"),
        ({"kind": "sqlite", "url": "postgresql://x/y"}, "store.url"),
        ({"kind": "postgres", "url": "postgresql://x/y", "path": "z"}, "store.path"),
        ({"kind": "memory", "leases": "redis://x"}, "store.leases"),
    ],
)
def test_a_store_that_makes_no_sense_is_named(store, field):
    with pytest.raises(BadInputError) as caught:
        parse_settings({"store": store})
    assert caught.value.field == field
