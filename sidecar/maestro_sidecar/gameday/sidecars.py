"""Real sidecars: ``maestro serve`` as a process of its own, on a free port of this machine."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TextIO

import msgspec

from maestro.kernel.errors import PortError
from maestro.kernel.events import Event
from maestro_sidecar.event_logs import events_in
from maestro_sidecar.gameday.client import Answer, Client
from maestro_sidecar.gameday.servers import Server
from maestro_sidecar.gameday.stage import Stage

__all__ = ["SETTINGS", "Sidecar"]

SETTINGS = '[server]\nport = 0\nauth = "none"\n[log]\nlevel = "warning"\n'
"""Of every sidecar of a drill; the store is added."""

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


class Sidecar:
    """A sidecar on a SQLite file in the stage's folder. It is stopped with the stage.

    Args:
        stage: where it is put.
        name: of the file.
        environment: assignments as ``env`` takes them, for this process alone.
        servers: where its stores are, instead of in the file: its leases on Redis, all else on PostgreSQL.
        more: further settings, as TOML.

    Raises:
        PortError: it did not get ready; tells its last words.
    """

    def __init__(
        self,
        stage: Stage,
        name: str = "sidecar",
        environment: Sequence[str] = (),
        servers: Sequence[Server] = (),
        more: str = "",
    ) -> None:
        self.store = stage.folder / f"{name}.db"
        self._servers = {server.kind: server for server in servers}
        config = stage.folder / f"{name}.toml"
        # A state folder of its own: keys and checkpoints of who runs the drill belong to other logs.
        state = f'state = "{(stage.folder / f"{name}-state").as_posix()}"\n'
        config.write_text(f"{state}{SETTINGS}[store]\n{self._settings()}{more}", encoding="utf-8")
        # Nothing of who runs the drill gets in: no settings, no socket. `env` becomes the sidecar, so its pid is it.
        own = ["-u", "MAESTRO_CONFIG", "-u", "MAESTRO_SOCKET", *environment]
        serve = ["maestro_sidecar", "serve", "--json", "--config", str(config)]
        self._told: deque[str] = deque(maxlen=50)
        self._said: deque[str] = deque(maxlen=50)
        self._listening: list[threading.Thread] = []
        self.client = Client(0)
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter
            ["env", *own, sys.executable, "-m", *serve],  # noqa: S607 - env is where the PATH says
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the drill alone, which then rolls back
        )
        stage.at_end(self.stop)
        for stream, kept in ((self.process.stdout, self._told), (self.process.stderr, self._said)):
            listening = threading.Thread(target=_listen, args=(stream, kept), daemon=True)
            self._listening.append(listening)
            listening.start()
        if not stage.wait_until(self._is_ready, _START_SECONDS):
            raise PortError(f"The sidecar did not start: {self._last_words()}.")
        self.client = Client(self._port)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self.process.pid

    def ready(self) -> int:
        """The status of ``/readyz``."""
        return self.client.ask("GET", "/readyz").status

    def scrape(self) -> Answer:
        """The answer of ``/metrics``."""
        return self.client.ask("GET", "/metrics")

    def metric(self, name: str, label: str) -> int:
        """The sum of its own counter over all series with this label, such as ``reason="tenant_cap"``."""
        text = str(self.scrape().document)
        series = re.findall(rf"^{name}{{([^}}]*)}} (\S+)$", text, re.MULTILINE)
        return int(sum(float(value) for labels, value in series if label in labels.split(",")))

    def put(self, kind: str, document: object) -> None:
        """Write a tenant's document.

        Raises:
            PortError: the sidecar refused it.
        """
        answer = self.client.ask("PUT", f"/api/limits/{kind}", document)
        if answer.status not in {200, 201}:
            raise PortError(f"The sidecar refused a document: {answer.status} {answer.document}.")

    def events(self) -> Iterator[Event]:
        """Its event log, read beside it."""
        shared = self._servers.get("postgres")
        return events_in(self.store) if shared is None else shared.events()

    def kill(self) -> int:
        """``kill -9``; its exit code."""
        self.process.kill()
        code = self.process.wait()
        self.stop()
        return code

    def stop(self) -> None:
        """Let it finish, then end it."""
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for listening in self._listening:
            listening.join()  # until the pipe ends, which it closes

    def _settings(self) -> str:
        """Where its stores are, as TOML."""
        redis, postgres = self._servers.get("redis"), self._servers.get("postgres")
        lines = [f'path = "{self.store.as_posix()}"'] if postgres is None else []
        lines += [f'kind = "postgres"\nurl = "{postgres.address}"'] if postgres is not None else []
        lines += [f'leases = "{redis.address}"'] if redis is not None else []
        return "\n".join(lines) + "\n"

    def _last_words(self) -> str:
        return " ".join([*self._told, *self._said]) or "it said nothing"

    def _is_ready(self) -> bool:
        """Whether it has told its address, which it does once, as one document."""
        if self.process.poll() is not None:
            raise PortError(f"The sidecar ended: {self._last_words()}.")
        with suppress(msgspec.DecodeError, KeyError):
            started = msgspec.json.decode("\n".join(self._told))
            self._port = int(started["addresses"][0].rpartition(":")[2])
            return True
        return False


def _listen(stream: TextIO, kept: deque[str]) -> None:
    """Keep what it says, until it ends; the deque is bounded."""
    with stream:
        kept.extend(line.rstrip() for line in stream)
