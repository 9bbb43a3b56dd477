"""Drill ``edge-stale-bundle``: the source of bundles is cut off, then offers a forged one; decisions must go on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from maestro.formats import jws
from maestro.formats.opa_bundle import canonical_tar, gzipped
from maestro.formats.opa_signature import signed
from maestro.kernel.events import Event
from maestro_sidecar.gameday.common import proof
from maestro_sidecar.gameday.proxy import FaultProxy
from maestro_sidecar.gameday.sidecars import Sidecar
from maestro_sidecar.gameday.stage import Stage, current
from maestro_sidecar.static_server import StaticServer

__all__ = [
    "active",
    "answered",
    "cut_off",
    "forge",
    "needs",
    "prepare",
    "prove_cut",
    "prove_forgery",
    "reconnect",
    "repair",
]

_PATIENCE = 60.0
_QUESTION = {"input": {"request": {"tenant": "acme", "package": "drill/etl"}}}
_PATH = "/v1/data/mc/limits/allow"
_PAUSE = 0.01
_SETTINGS = """
[edge]
node = "drill"
state = "{folder}/edge"
pollSeconds = 0.3
rapidSeconds = 0.1
longPollSeconds = 0
ttlSeconds = {ttl}
lastGoodMaxAgeSeconds = 3600
trialSeconds = 0.5
[edge.damping]
holdSeconds = 0.3
mostHoldSeconds = 1
[edge.cache]
decisions = 0
[edge.source]
url = "http://127.0.0.1:{port}/bundle.tar.gz"
seconds = 5
[[edge.keys]]
file = "{folder}/key.pub"
id = "drill"
"""


@attrs.define
class Parts:
    """A sidecar with an edge, the source of its bundles, the proxy between them, and who asks all the while."""

    sidecars: tuple[Sidecar, ...]
    source: Source
    proxy: FaultProxy
    users: Users
    wanted: int = 1
    """The revision that the edge has to have reached."""


class Source:
    """A static server with one bundle, signed by a key of its own and published anew before it grows stale.

    Args:
        stage: where it is put.
        every: seconds between two publications, while it ``goes_on``.
    """

    def __init__(self, stage: Stage, every: float) -> None:
        self._stage = stage
        self._every = every
        self._quiet = threading.Event()
        self._publisher = threading.Thread()
        self._folder = stage.folder / "source"
        self._folder.mkdir()
        private, public = jws.generate_pem("ES256")
        self._key = jws.parse_private_key(private, "ES256")
        (stage.folder / "key.pub").write_bytes(public)
        self.revision = 0
        self.publish()
        self._server = StaticServer(str(self._folder), "127.0.0.1", 0)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = int(self._server.address.rpartition(":")[2].strip("/"))

    def goes_on(self) -> None:
        """Publish now and again and again."""
        self.publish()
        self._quiet.clear()
        self._publisher = threading.Thread(target=self._publish, daemon=True)
        self._publisher.start()

    def falls_silent(self) -> None:
        """Publish no more."""
        self._quiet.set()
        if self._publisher.is_alive():
            self._publisher.join()

    def _publish(self) -> None:
        while not self._quiet.wait(self._every):
            self.publish()

    def publish(self) -> None:
        """The next revision, signed now."""
        self.revision += 1
        issued = int(self._stage.now().timestamp())
        self._write(signed(self._files(self.revision), self._key, "drill", {"iat": issued}))

    def forge(self) -> None:
        """A revision ahead, altered after it was signed."""
        issued = int(self._stage.now().timestamp())
        files = signed(self._files(self.revision + 1000), self._key, "drill", {"iat": issued})
        open_to_all: dict[str, Any] = {"mc": {"documents": {"acme": {}, "mallory": {}}}}
        self._write({**files, "data.json": json.dumps(open_to_all).encode()})

    def close(self) -> None:
        """Stop serving."""
        self.falls_silent()
        self._server.shutdown()
        self._server.server_close()

    def _files(self, revision: int) -> dict[str, bytes]:
        data = {"mc": {"documents": {"acme": {"maxConcurrent": 5}}}}
        manifest = {"revision": str(revision), "roots": ["mc"]}
        return {".manifest": json.dumps(manifest).encode(), "data.json": json.dumps(data).encode()}

    def _write(self, files: Mapping[str, bytes]) -> None:
        place: Path = self._folder / "bundle.tar.gz"
        part = self._folder / ".part"
        part.write_bytes(gzipped(canonical_tar(files)))
        part.replace(place)


class Users:
    """Asks for decisions all the while; each one that is not answered as it should be is a fault.

    Args:
        stage: where it is told.
        sidecar: that is asked.
    """

    def __init__(self, stage: Stage, sidecar: Sidecar) -> None:
        self._stage = stage
        self._client = sidecar.client
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answered = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _ask(self) -> None:
        while not self._stopped.wait(_PAUSE):
            answer = self._client.ask("POST", _PATH, _QUESTION)
            if answer.status == 200 and answer.document == {"result": True}:
                self.answered += 1
                self._stage.mark("admitted")
            elif not self._stopped.is_set():
                self._stage.mark("unavailable")
                self._stage.fault(f"a decision was answered {answer.status} {answer.document}")


def needs(configuration: Mapping[str, Any]) -> None:
    """Nothing that is not brought along."""
    del configuration


def prepare(stage: Stage, configuration: Mapping[str, Any]) -> Parts:
    """Start source, proxy and sidecar, and wait for the first bundle."""
    source = Source(stage, configuration["ttlSeconds"] / 5)
    stage.at_end(source.close)
    proxy = FaultProxy("127.0.0.1", source.port)
    stage.at_end(proxy.close)
    settings = _SETTINGS.format(
        folder=stage.folder.as_posix(), port=proxy.port, ttl=configuration["ttlSeconds"]
    )
    sidecar = Sidecar(stage, more=settings)
    users = Users(stage, sidecar)
    parts = Parts((sidecar,), source, proxy, users)
    stage.parts = parts
    source.goes_on()
    _until(active, "the first bundle was not activated")
    users.start()
    stage.at_end(users.stop)
    return parts


def active() -> bool:
    """Whether a bundle decides that is as new as it should be."""
    parts = current().parts
    status = _status(parts.sidecars[0])
    return bool(status["state"] == "active" and int(status["serving"]["revision"]) >= parts.wanted)


def answered() -> bool:
    """Whether users are being answered right now."""
    parts = current().parts
    before = parts.users.answered
    return current().wait_until(lambda: parts.users.answered > before, _PATIENCE)


def cut_off() -> dict[str, Any]:
    """Cut the source off, and keep it so until the serving bundle is stale."""
    stage, parts = current(), current().parts
    parts.source.falls_silent()
    parts.proxy.down()
    stage.fault_begins("source cut off")
    began = stage.seconds()
    _until(
        lambda: _status(parts.sidecars[0])["state"] == "quarantined",
        "the edge was not quarantined when its bundle grew stale",
    )
    stage.figures["quarantined after the cut, seconds"] = round(stage.seconds() - began, 2)
    return {"state": _status(parts.sidecars[0])["state"]}


def prove_cut() -> dict[str, Any]:
    """Whether the source was away, by the proxy's count, and the incident told so."""
    parts = current().parts
    opened = _events("mc.incident.open")
    refused = parts.proxy.refused
    reason = opened[-1].data["reason"] if opened else ""
    right = refused > 0 and reason == "serving_stale"
    return proof(
        injected=right, why=f"{refused} polls refused, reason {reason!r}", refused=refused, reason=reason
    )


def reconnect() -> None:
    """Let the source be reached again."""
    stage = current()
    stage.parts.proxy.up()
    stage.fault_ends("source cut off")


def forge() -> dict[str, Any]:
    """Have the source offer a bundle that was altered after signing."""
    stage, parts = current(), current().parts
    parts.source.forge()
    stage.fault_begins("forged bundle offered")
    reconnect()
    _until(
        lambda: any("file_altered" in one["reasons"] for one in _status(parts.sidecars[0])["refused"]),
        "the forged bundle was not refused",
    )
    status = _status(parts.sidecars[0])
    if int(status["serving"]["revision"]) > parts.source.revision:
        stage.fault(f"revision {status['serving']['revision']} serves after the forgery", violation=True)
    return {"refused": status["refused"][0]["reasons"], "serving": status["serving"]["revision"]}


def prove_forgery() -> dict[str, Any]:
    """Whether the forged bundle was there and was refused, by the sidecar's own counter."""
    refused = current().parts.sidecars[0].metric("mc_edge_refusals_total", 'reason="file_altered"')
    return proof(injected=refused > 0, why="no forged bundle was refused", refusals=refused)


def repair() -> dict[str, Any]:
    """Publish the next good revision: the edge recovers by itself, and the incident closes."""
    stage, parts = current(), current().parts
    parts.source.goes_on()
    parts.wanted = parts.source.revision
    stage.fault_ends("forged bundle offered")
    began = stage.seconds()
    _until(active, "the edge did not recover")
    stage.figures["active again after the repair, seconds"] = round(stage.seconds() - began, 2)
    stage.figures["swaps"] = _status(parts.sidecars[0])["swaps"]
    _until(lambda: len(_events("mc.incident.close")) > 0, "the incident was not closed")
    opened, closed = _events("mc.incident.open"), _events("mc.incident.close")
    if {each.data["dedupeKey"] for each in opened} != {each.data["dedupeKey"] for each in closed}:
        stage.fault("an incident that was opened was not closed")
    stage.figures["incidents opened and closed"] = f"{len(opened)} and {len(closed)}"
    stage.figures["decisions answered"] = parts.users.answered
    return {"incidents": len(closed)}


def _status(sidecar: Sidecar) -> dict[str, Any]:
    status: dict[str, Any] = sidecar.client.ask("GET", "/api/edge/status").document
    return status


def _events(kind: str) -> list[Event]:
    return [event for event in current().parts.sidecars[0].events() if event.type == kind]


def _until(true: Callable[[], bool], otherwise: str) -> None:
    stage = current()
    if not stage.wait_until(true, _PATIENCE, pace=0.05):
        stage.fault(otherwise)
