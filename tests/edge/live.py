"""A sidecar with an edge as a process of its own."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SERVE = """
import sys, msgspec
from maestro_sidecar.server import serve
from maestro_sidecar.settings import load
sys.exit(serve(load(sys.argv[1]), lambda started: print(msgspec.json.encode(started).decode(), flush=True)))
"""
SCRIPT = "import sys; from maestro_sidecar.cli import main; sys.exit(main(sys.argv[1:]))"
PATIENCE = 60


class Live:
    def __init__(self, folder, toml):
        self.folder = folder
        self.config = folder / "maestro.toml"
        self.config.write_text(
            f'state = "{folder}/state"\n[server]\nport = 0\n[log]\nlevel = "warning"\n{toml}'
        )
        self.start()

    def start(self):
        command = [sys.executable, "-c", SERVE, str(self.config)]
        with (self.folder / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        line = self.process.stdout.readline()
        if not line:
            self._ended()
            raise AssertionError((self.folder / "stderr").read_text())
        self.started = json.loads(line)
        self.url = self.started["addresses"][0]
        self.token = Path(self.started["tokenFile"]).read_text().strip()

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        asked = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def status(self):
        return self.ask("GET", "/api/edge/status")[1]

    def until(self, holds, what="status"):
        """Wait until the status is as it should be."""
        deadline = time.monotonic() + PATIENCE
        while not holds(status := self.status()):
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def kill(self):
        self.process.kill()
        self._ended()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self._ended() == 0, (self.folder / "stderr").read_text()

    def _ended(self):
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code


def toml_of(edge):
    """``[edge]`` as TOML; the tables of tests are flat enough for that."""
    lines, tables = ["[edge]"], []
    for name, value in edge.items():
        if isinstance(value, dict):
            tables.append(f"[edge.{name}]")
            tables += [f"{key} = {json.dumps(item)}" for key, item in value.items()]
        elif isinstance(value, list):
            for item in value:
                tables.append(f"[[edge.{name}]]")
                tables += [f"{key} = {json.dumps(each)}" for key, each in item.items()]
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join([*lines, *tables])
