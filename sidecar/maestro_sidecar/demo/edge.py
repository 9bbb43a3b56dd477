"""The demo's second act: a bundle is published, served, tampered with, quarantined, and all recovers. Nothing is staged.

A real repository behind a real web server on a free port of this machine, a real edge, a signed audit log.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from maestro.audit import LogSigner
from maestro.edge.record import State
from maestro.edge.rules import DampingRules, Rules
from maestro.kernel.errors import PortError
from maestro.rego.engine import RegoEngine
from maestro.runtime.audit import AuditLog
from maestro.runtime.edge import EdgeNode, EdgeParts
from maestro.runtime.edge_bundles import Loader
from maestro.runtime.edge_repository import RepositorySource
from maestro.runtime.native_policy import NativeLimits
from maestro.runtime.publishing import Order, Publisher
from maestro_adapters.clock import SystemClock
from maestro_adapters.edge_folder import EdgeFolder
from maestro_adapters.edge_keys import KeyFolder
from maestro_adapters.fetch_http import HttpFetcher
from maestro_adapters.folder_repository import FolderRepository
from maestro_adapters.inprocess import InProcessOutbox
from maestro_adapters.inprocess_audit import InProcessAudit
from maestro_sidecar.static_server import StaticServer

__all__ = ["EdgeReport", "Moment", "run_edge"]

_ORIGIN = "demo.example/edge"
_RULES = Rules(
    trial=timedelta(milliseconds=200),
    damping=DampingRules(hold=timedelta(milliseconds=100), most_hold=timedelta(milliseconds=200)),
)
_PAUSE = 0.02
_PATIENCE = 1500
_QUESTION = {"request": {"tenant": "acme", "package": "ns/a"}, "packageUsage": {"ns/a": 1}}


@attrs.frozen
class Moment:
    """What could be seen at one moment.

    Attributes:
        did: what was done.
        state: of the edge.
        serving: the revision that decides, empty for none.
        says: what it says to the demo's question: ``allow``, ``deny``, or ``closed``.
        why: why it is not active.
    """

    did: str
    state: str
    serving: str
    says: str
    why: str = ""


@attrs.frozen
class EdgeReport:
    """How it went.

    Attributes:
        moments: one after the other.
        audit: actions in the audit log.
        incidents: events of the outbox.
    """

    moments: tuple[Moment, ...]
    audit: tuple[str, ...]
    incidents: tuple[str, ...]

    @property
    def as_promised(self) -> bool:
        """Refused what was tampered with, answered all the while, recovered by itself."""
        seen = [(moment.state, moment.serving, moment.says) for moment in self.moments]
        return seen == [
            ("active", "1", "deny"),
            ("quarantined", "1", "deny"),
            ("active", "3", "allow"),
            ("active", "3", "allow"),
        ] and self.incidents == ("mc.incident.open", "mc.incident.close")

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "moments": [attrs.asdict(moment) for moment in self.moments],
            "audit": list(self.audit),
            "incidents": list(self.incidents),
            "asPromised": self.as_promised,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        wide = max(len(moment.did) for moment in self.moments)
        yield f"{'edge':{wide}} {'state':11} {'revision':>8} {'says':>6}"
        for one in self.moments:
            yield f"{one.did:{wide}} {one.state:11} {one.serving:>8} {one.says:>6}  {one.why}".rstrip()
        yield f"audit       {', '.join(action.removeprefix('mc.edge.') for action in self.audit)}"


def run_edge(folder: Path, say: Callable[[str], object]) -> EdgeReport:
    """Publish, serve, tamper, quarantine, recover, and restart without a network.

    Args:
        folder: for all of it.
        say: takes lines of progress.
    """
    stage = _Stage(folder, say)
    with stage.until:
        stage.publish(cap=1)
        stage.reach("published revision 1", State.ACTIVE)
        stage.tamper()
        stage.reach("revision 2 is altered on its way", State.QUARANTINED)
        stage.publish(cap=3)
        stage.reach("published revision 3", State.ACTIVE)
        stage.lose_network()
        stage.see("restarted, the network is gone")
        return stage.report()


class _Stage:
    """The parts, from the publisher to the outbox."""

    def __init__(self, folder: Path, say: Callable[[str], object]) -> None:
        self.until = ExitStack()
        self._say = say
        self._clock = SystemClock()
        self._moments: list[Moment] = []
        self._repository, self._served = folder / "repository", folder / "served"
        for place in (self._repository, self._served):
            place.mkdir(parents=True)
        keys = KeyFolder(folder / "keys")
        keys.create("ES256", 1, 1)
        self._publisher = Publisher(FolderRepository(self._repository), keys.load(), self._clock)
        self._public = (folder / "keys" / "bundle-1.pub").read_bytes()
        self._audit = InProcessAudit(_ORIGIN)
        self._log = AuditLog(self._audit, LogSigner(_ORIGIN, secrets.token_bytes(32)), self._clock)
        self._outbox = InProcessOutbox(1000)
        self._state = folder / "state"
        self._server = StaticServer(self._served)
        serving = threading.Thread(target=self._server.serve_forever, daemon=True)
        serving.start()
        self.until.callback(serving.join)
        self.until.callback(self._server.server_close)
        self.until.callback(self._server.shutdown)
        self._node: EdgeNode | None = None
        self._process = self.until.enter_context(ExitStack())

    def publish(self, *, cap: int) -> None:
        """Sign and publish the next revision."""
        data = {"mc": {"documents": {"acme": {"packageCaps": {"ns/a": cap}}}}}
        manifest = {"revision": "", "roots": ["mc"]}
        files = {".manifest": json.dumps(manifest).encode(), "data.json": json.dumps(data).encode()}
        self._publisher.publish(files, Order())
        shutil.copytree(self._repository, self._served, dirs_exist_ok=True)

    def tamper(self) -> None:
        """Publish, and change a byte of each bundle and delta on its way to the web server."""
        self.publish(cap=2)
        for file in (each for each in (self._served / "targets").rglob("*") if each.is_file()):
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.write_bytes(content)

    def reach(self, did: str, state: State) -> None:
        """Poll as an edge does, until it is in a state."""
        node = self._running()
        for _ in range(_PATIENCE):
            node.poll()
            if node.record.state is state:
                break
            threading.Event().wait(_PAUSE)
        self.see(did)

    def lose_network(self) -> None:
        """End the edge and its source, and start it again."""
        self._server.shutdown()
        self._process.close()
        self._node = None
        self._running()

    def see(self, did: str) -> None:
        """Look at the edge and ask it."""
        node = self._running()
        record = node.record
        try:
            says = "allow" if node.decide(("mc", "limits", "allow"), _QUESTION) else "deny"
        except PortError:
            says = "closed"
        serving = record.serving.revision if record.serving is not None else ""
        why = record.incident.reason if record.incident is not None else ""
        self._moments.append(Moment(did, record.state.value, serving, says, why))
        self._say(
            f"{did}: {record.state.value}{f' ({why})' if why else ''}, revision {serving} decides: {says}"
        )

    def report(self) -> EdgeReport:
        """All that was seen."""
        entries = [json.loads(entry.body)["action"] for entry in self._audit.read()]
        events = [event.type for _, event in self._outbox.read()]
        return EdgeReport(tuple(self._moments), tuple(entries), tuple(events))

    def _running(self) -> EdgeNode:
        if self._node is None:
            from maestro.edge.verify import TrustedKey
            from maestro.formats.jws import parse_public_key

            fetcher = HttpFetcher(self._server.address, seconds=5)
            self._process.callback(fetcher.close)
            store = EdgeFolder(self._state)
            self._process.callback(store.close)
            keys = [TrustedKey("", parse_public_key(self._public))]
            root = (self._served / "metadata" / "1.root.json").read_bytes()
            engine = RegoEngine(NativeLimits())
            parts = EdgeParts(
                store,
                RepositorySource(fetcher, root),
                Loader(store, engine, lambda: keys),
                self._clock,
                self._log,
                self._outbox,
            )
            self._node = EdgeNode("demo", parts, rules=_RULES)
            self._node.start()
        return self._node
