"""Document stores and event logs with planted bugs, and sound ones that each of them breaks in one step."""

# ruff: noqa: D102  # the steps and the port's methods say by their names what they do

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Event as Signal
from threading import RLock
from typing import Any

from maestro.kernel.events import Event
from maestro.kernel.instants import require_aware
from maestro.ports.capabilities import Capability
from maestro.ports.documents import StoredDocument, version_conflict
from maestro.testing.model import ModelEventLog

__all__ = ["PLANTED_DOCUMENT_BUGS", "PLANTED_EVENT_BUGS", "SoundDocuments", "SoundEventLog"]

_CAPABILITIES = frozenset({Capability.BLOCKING, Capability.IN_MEMORY})


class SoundDocuments:
    """A right document store of small steps, with events."""

    capabilities = _CAPABILITIES | {Capability.EVENTS}

    def __init__(self) -> None:
        self.lock = RLock()
        self.stored: dict[tuple[str, str], list[StoredDocument]] = {}
        self.changes = 0
        self.outbox = ModelEventLog()

    # The steps that the planted bugs break.

    def key(self, kind: str, tenant: str) -> tuple[str, str]:
        return (kind, tenant)

    def writing(self) -> Any:
        return self.lock

    def between_check_and_act(self) -> None:
        pass

    def check(self, kind: str, tenant: str, expected: int | None, newest: int) -> None:
        if expected is not None and expected != newest:
            raise version_conflict(kind, tenant, expected, newest)

    def next_version(self, versions: list[StoredDocument]) -> int:
        return len(versions) + 1

    def keep(self, versions: list[StoredDocument], document: StoredDocument) -> None:
        versions.append(document)

    def tell(self, announce: Callable[[StoredDocument], Event] | None, document: StoredDocument) -> None:
        if announce is not None:
            self.outbox.append([announce(document)])

    def changed(self) -> None:
        self.changes += 1

    # The port.

    def get(self, kind: str, tenant: str, version: int | None = None) -> StoredDocument | None:
        with self.lock:
            for document in self.history(kind, tenant, 10**6):
                if version is None or document.version == version:
                    return document
            return None

    def put(
        self,
        kind: str,
        tenant: str,
        body: bytes,
        *,
        expected: int | None,
        changed_by: str,
        changed_at: datetime,
        announce: Callable[[StoredDocument], Event] | None = None,
    ) -> StoredDocument:
        changed_at = require_aware(changed_at, "changed_at")
        with self.writing():
            versions = self.stored.setdefault(self.key(kind, tenant), [])
            self.check(kind, tenant, expected, len(versions))
            version = self.next_version(versions)
            self.between_check_and_act()
            document = StoredDocument(kind, tenant, version, bytes(body), changed_by, changed_at)
            self.tell(announce, document)
            self.keep(versions, document)
            self.changed()
            return document

    def history(self, kind: str, tenant: str, limit: int = 100) -> Sequence[StoredDocument]:
        with self.lock:
            return self.stored.get(self.key(kind, tenant), [])[::-1][:limit]

    def generation(self) -> int:
        return self.changes


class PutIgnoresExpected(SoundDocuments):
    """The last writer wins."""

    def check(self, kind: str, tenant: str, expected: int | None, newest: int) -> None:
        pass


class HistoryIsMutable(SoundDocuments):
    """A writer who writes again amends its last version."""

    def next_version(self, versions: list[StoredDocument]) -> int:
        return max(len(versions), 1)

    def keep(self, versions: list[StoredDocument], document: StoredDocument) -> None:
        versions[document.version - 1 :] = [document]


class ConflictLeavesAGap(SoundDocuments):
    """A number is used up by a refused put."""

    def __init__(self) -> None:
        super().__init__()
        self.wasted = 0

    def check(self, kind: str, tenant: str, expected: int | None, newest: int) -> None:
        self.wasted += 1
        super().check(kind, tenant, expected, newest)
        self.wasted -= 1

    def next_version(self, versions: list[StoredDocument]) -> int:
        return super().next_version(versions) + self.wasted


class KeysOfDocumentsFolded(SoundDocuments):
    """``A`` and ``a`` are one tenant."""

    def key(self, kind: str, tenant: str) -> tuple[str, str]:
        return (kind, tenant.casefold())


class GenerationStandsStill(SoundDocuments):
    """Only first versions are noticed."""

    def generation(self) -> int:
        return len(self.stored)


class EventBeforeTheCheck(SoundDocuments):
    """The event is told, then the put is refused."""

    def put(
        self,
        kind: str,
        tenant: str,
        body: bytes,
        *,
        expected: int | None,
        changed_by: str,
        changed_at: datetime,
        announce: Callable[[StoredDocument], Event] | None = None,
    ) -> StoredDocument:
        versions = self.stored.get((kind, tenant), [])
        self.tell(announce, StoredDocument(kind, tenant, len(versions) + 1, body, changed_by, changed_at))
        return super().put(
            kind, tenant, body, expected=expected, changed_by=changed_by, changed_at=changed_at
        )


class WritersRace(SoundDocuments):
    """Checking and writing are two transactions."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        yield

    def between_check_and_act(self) -> None:
        Signal().wait(0.0005)


class SoundEventLog(ModelEventLog):
    """A right event log."""

    capabilities = _CAPABILITIES

    def __init__(self) -> None:
        super().__init__()
        self.lock = RLock()

    def append(self, events: Iterable[Event]) -> None:
        with self.lock:
            super().append(events)


class KeepsTwice(SoundEventLog):
    """What is told twice is kept twice."""

    def append(self, events: Iterable[Event]) -> None:
        with self.lock:
            for event in list(events):
                self._last += 1
                self._kept.append((self._last, event))


class KeepsHalf(SoundEventLog):
    """A batch that breaks leaves its beginning."""

    def append(self, events: Iterable[Event]) -> None:
        with self.lock:
            for event in events:
                super().append([event])


class AcknowledgesBackward(SoundEventLog):
    """The last acknowledgement counts, not the furthest."""

    def acknowledge(self, consumer: str, position: int, state: bytes | None = None) -> None:
        self._consumers[consumer] = (position, state)


class KeepsAnOldState(SoundEventLog):
    """A consumer that goes on without a state is given the one it had before."""

    def acknowledge(self, consumer: str, position: int, state: bytes | None = None) -> None:
        super().acknowledge(consumer, position, self.resume(consumer)[1] if state is None else state)


class ForgetsTheNewest(SoundEventLog):
    """With the newest event its position is forgotten, and the next one gets it again."""

    def forget(self, positions: Sequence[int]) -> None:
        self._kept = [kept for kept in self._kept if kept[0] not in positions]
        self._last = max((position for position, _ in self._kept), default=0)


class ReadsTheLastAgain(SoundEventLog):
    """``after`` is inclusive."""

    def read(self, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, Event]]:
        return super().read(max(after - 1, 0), limit)


PLANTED_DOCUMENT_BUGS: tuple[type[SoundDocuments], ...] = (
    PutIgnoresExpected,
    HistoryIsMutable,
    ConflictLeavesAGap,
    KeysOfDocumentsFolded,
    GenerationStandsStill,
    EventBeforeTheCheck,
    WritersRace,
)
PLANTED_EVENT_BUGS: tuple[type[SoundEventLog], ...] = (
    KeepsTwice,
    KeepsHalf,
    AcknowledgesBackward,
    KeepsAnOldState,
    ForgetsTheNewest,
    ReadsTheLastAgain,
)
