"""The example client: as tuf-conformance drives it, against repositories of ours, and by the suite itself where it is at hand."""

import contextlib
import functools
import importlib.util
import io
import os
import subprocess
import sys
import threading
from unittest import mock

import pytest

from edge_support.repositories import Repository
from house.tree import ROOT
from maestro.edge.repository import Target
from maestro_adapters.clock import SystemClock
from maestro_sidecar.static_server import StaticServer

CLIENT = ROOT / "examples" / "tuf_client" / "client.py"


@functools.cache
def client():
    spec = importlib.util.spec_from_file_location("tuf_client_example", CLIENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Site:
    """A repository published now, served from a folder, and the client's own folders."""

    def __init__(self, folder):
        self.folder, self.repository = folder, Repository()
        for name in ("site", "metadata", "targets"):
            (folder / name).mkdir()
        self.address = ""

    def publish(self, content=b"hello"):
        self.repository.publish([Target("a/b.txt", content, {})], at=SystemClock().now())
        self.put(self.repository.files)

    def put(self, files):
        for path, data in files.items():
            (self.folder / "site" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "site" / path).write_bytes(data)

    def run(self, *arguments):
        """The client's exit code and what it says, in this process: a start costs more than a refresh."""
        said = io.StringIO()
        command = [str(CLIENT), "--metadata-dir", str(self.folder / "metadata"), *arguments]
        with contextlib.redirect_stderr(said), mock.patch.object(sys, "argv", command):
            return client().main(), said.getvalue()

    def init(self):
        root = self.folder / "site" / "metadata" / "1.root.json"
        assert self.run("init", str(root)) == (0, "")

    def refresh(self):
        return self.run("--metadata-url", f"{self.address}/metadata", "refresh")

    def download(self, name="a/b.txt"):
        return self.run("--metadata-url", f"{self.address}/metadata", "--target-name", name, "--target-base-url", f"{self.address}/targets", "--target-dir", str(self.folder / "targets"), "download")  # fmt: skip

    def kept(self):
        return sorted(path.name for path in (self.folder / "metadata").iterdir())


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    made.publish()
    server = StaticServer(tmp_path / "site")
    made.address = server.address
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_init_refresh_download(site):
    site.init()
    assert site.kept() == ["root.json"]
    assert site.refresh() == (0, "")
    assert site.kept() == ["root.json", "snapshot.json", "targets.json", "timestamp.json"]
    assert site.download() == (0, "")
    assert (site.folder / "targets" / "a%2Fb.txt").read_bytes() == b"hello"
    site.publish(b"changed")
    assert site.download() == (0, "")
    assert (site.folder / "targets" / "a%2Fb.txt").read_bytes() == b"changed"
    assert site.download() == (0, "")
    assert site.download("none")[0] == 1


def test_it_starts_as_a_program(site):
    root = str(site.folder / "site" / "metadata" / "1.root.json")
    command = [sys.executable, str(CLIENT), "--metadata-dir", str(site.folder / "metadata"), "init", root]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0


def test_a_rollback_is_refused_and_what_was_trusted_stays(site):
    site.init()
    old = dict(site.repository.files)
    site.publish(b"changed")
    assert site.refresh() == (0, "")
    newest = (site.folder / "metadata" / "timestamp.json").read_bytes()
    site.put({"metadata/timestamp.json": old["metadata/timestamp.json"]})
    code, said = site.refresh()
    assert (code, said.split(":")[0]) == (1, "metadata_rollback")
    assert (site.folder / "metadata" / "timestamp.json").read_bytes() == newest


@pytest.mark.outside(data="tuf-conformance")
@pytest.mark.parametrize("cases", ["test_rollback.py", "test_expiration.py"])
def test_the_suites_own_cases(outside_data, tmp_path, cases):
    """tuf-conformance's rollback and expiry cases; the suite needs faketime, and is not ours to copy."""
    suite = outside_data / "tuf-conformance"
    entry = tmp_path / "client"
    entry.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{CLIENT}" "$@"\n')
    entry.chmod(0o755)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={suite}"]  # fmt: skip
    command += ["--entrypoint", str(entry), f"tuf_conformance/{cases}"]
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=570, check=False)
    assert done.returncode == 0, done.stdout
