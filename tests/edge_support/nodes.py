"""An edge in one process with everything around it under a test's hand: source, disk, engine, audit log, clocks."""

import json
from datetime import timedelta

from edge_support.bundles import AT, FILES, bundle, packed, revision, seconds, trusted
from maestro import PortError, UntrustedError
from maestro.edge.candidates import SourceRules
from maestro.edge.record import decode
from maestro.edge.rules import Rules
from maestro.ports.capabilities import Capability
from maestro.ports.fetching import Fetched
from maestro.ports.policy import EVERYTHING, UNDEFINED
from maestro.runtime.edge import EdgeNode, EdgeParts
from maestro.runtime.edge_bundles import Loader
from maestro.runtime.edge_sources import PlainSource
from maestro.testing.clock import VirtualClock


class Server:
    """A bundle server: offers bytes with an etag, or fails."""

    capabilities = frozenset({Capability.BLOCKING})

    def __init__(self):
        self.body = None
        self.error = None
        self.version = self.asked = self.sent = 0

    def offer(self, body):
        self.body, self.error = body, None
        self.version += 1

    def get(self, path, *, most, types=None, etag="", wait=0.0):
        self.asked += 1
        if self.error is not None:
            raise self.error
        if self.body is None:
            return Fetched(missing=True)
        if etag == str(self.version):
            return Fetched(etag=etag)
        self.sent += 1
        return Fetched(self.body[:most], str(self.version))


class Disk:
    """A state store in memory that may be full, or crash before or after any of its writes."""

    capabilities = frozenset({Capability.BLOCKING, Capability.DURABLE})

    def __init__(self):
        self.record = None
        self.archives = {}
        self.full = False
        self.crash_in = None
        """Writes until a crash; even: before the write counts, odd: after it."""

    def load(self):
        return self.record

    def save(self, record):
        self._write(lambda: setattr(self, "record", record))

    def get(self, digest):
        return self.archives.get(digest)

    def put(self, digest, archive):
        self._write(lambda: self.archives.__setitem__(digest, archive))

    def keep_only(self, digests):
        self._write(
            lambda: setattr(self, "archives", {d: a for d, a in self.archives.items() if d in digests})
        )

    def _write(self, write):
        if self.full:
            raise PortError("The disk is full.", code="store_full")
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                self.crash_in = None
                if len(self.archives) % 2:
                    write()
                raise CrashError
        write()

    def known(self):
        return None if self.record is None else decode(self.record)


class CrashError(BaseException):
    """The process is gone; whatever it had in memory is lost."""


class Data:
    """An engine that answers from a bundle's data, and may refuse a bundle or be away."""

    capabilities = frozenset({Capability.IN_MEMORY})

    def __init__(self):
        self.away = False
        self.refuses = frozenset()
        self.loads = 0

    def load(self, bundle):
        self.loads += 1
        if self.away:
            raise PortError("The engine is away.")
        if bundle.revision in self.refuses:
            raise UntrustedError("No such rule.", code="engine_refused")
        return DataPolicy(bundle)


class DataPolicy:
    def __init__(self, bundle):
        self.revision, self.digest, self._data = bundle.revision, bundle.digest, bundle.data

    def evaluate(self, path, input, now):  # noqa: A002
        value = self._data
        for step in path:
            value = value.get(step, UNDEFINED) if isinstance(value, dict) else UNDEFINED
        return value

    def dependencies(self, path):
        return EVERYTHING

    def holds_until(self, path, input, now):  # noqa: A002
        return now


class Book:
    """An audit log and an outbox that may be down. Each id is entered once."""

    capabilities = frozenset({Capability.IN_MEMORY})

    def __init__(self):
        self.down = False
        self.entries = {}
        self.events = {}

    def append(self, events=None, **entry):
        if self.down:
            raise PortError("The store is down.", code="store_unreachable")
        if events is not None:
            self.events.update({event.id: event for event in events})
            return None
        self.entries.setdefault(entry["id"], entry)
        return len(self.entries)

    def actions(self):
        return [entry["action"] for entry in self.entries.values()]


class World:
    """Everything that outlives the process of an edge, and the edge."""

    def __init__(self, rules=None, source=None):
        self.clock = VirtualClock(AT)
        self.server, self.disk, self.engine, self.book = Server(), Disk(), Data(), Book()
        self.keys = [trusted()]
        self.rules, self.source = rules or Rules(), source or SourceRules()
        self.node = None
        self.start()

    def start(self):
        """A new process of the edge."""
        loader = Loader(self.disk, self.engine, lambda: self.keys, scope=self.source.scope)
        parts = EdgeParts(self.disk, PlainSource(self.server), loader, self.clock, self.book, self.book)
        self.node = EdgeNode("n1", parts, rules=self.rules, source=self.source)
        self.node.start()
        return self.node

    def publish(self, number, *, key=None, **claims):
        """Offer a revision signed now."""
        files = revision(
            number, FILES | {"limits/data.json": json.dumps({"users": ["ann"], "cap": number}).encode()}
        )
        claims = {"iat": seconds(self.clock.now())} | claims
        self.server.offer(packed(bundle(files, key, **claims)))

    def spoil(self):
        """Offer what nobody signed, another one each time."""
        files = bundle(revision(900))
        files["limits/data.json"] = b'{"cap":%d}' % self.server.version
        self.server.offer(packed(files))

    def pass_(self, seconds=0.0):
        """Let time pass, with a tick at its end."""
        self.clock.advance(seconds)
        self.node.tick()

    def poll(self, seconds=0.0):
        self.clock.advance(seconds)
        return self.node.poll()

    def recover(self, seconds=31.0):
        """Poll until the edge is active again, for as long as damping may take."""
        for _ in range(200):
            self.poll(seconds)
            if self.node.record.state == "active":
                return
        raise AssertionError(self.node.record)

    def decide(self):
        """The serving bundle's number, or None when nothing is decided."""
        try:
            return self.node.decide(("limits", "cap"), {})
        except PortError as error:
            if error.code != "policy_unavailable":
                raise
            return None


HOUR = timedelta(hours=1)
