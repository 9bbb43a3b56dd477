"""The contract registry's door: the pure registry over a store of documents, which keeps its changes as versions.

The registry is the log of its changes, one version of one document each: the store counts them without a gap, lets
one of two writers win, keeps each with its event in one transaction, and has all that for SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock
from typing import Final, TypeVar

import attrs

from maestro.kernel.errors import ConflictError, PortError
from maestro.lake.contracts.registry.changes import Change, decode_change, encode_change
from maestro.lake.contracts.registry.events import event_of
from maestro.lake.contracts.registry.registry import Registry
from maestro.lake.contracts.registry.state import State
from maestro.lake.contracts.verdict import Mode
from maestro.ports.capabilities import Capability
from maestro.ports.clock import Clock
from maestro.ports.documents import DocumentStore, StoredDocument

__all__ = ["ContractRegistry", "LoggedChange"]

T = TypeVar("T")

KIND: Final = "contract-changes"
OWNER: Final = "registry"
"""The store's name for whose documents these are: one registry a store."""
_TRIES: Final = 20


@attrs.frozen
class LoggedChange:
    """An entry of the change log.

    Attributes:
        number: its place, counted from 1.
        change: what happened.
        by: the identity that did it.
        at: when, aware UTC.
    """

    number: int
    change: Change
    by: str
    at: datetime


class ContractRegistry:
    """Registers contracts. Thread-safe; several processes may share a store.

    Args:
        documents: where the changes are kept.
        clock: dates them.
        default: the mode of subjects when nobody has set one.
    """

    def __init__(self, documents: DocumentStore, clock: Clock, default: Mode = Mode.BACKWARD) -> None:
        self._documents, self._clock, self._default = documents, clock, default
        self._lock = Lock()
        self._registry = Registry(State(), default)
        self._log: list[LoggedChange] = []

    def read(self) -> Registry:
        """The registry as it stands now.

        Raises:
            PortError: the store failed.
        """
        with self._lock:
            self._catch_up()
            return self._registry

    def ask(self, question: Callable[[Registry], T]) -> T:
        """The answer of the registry as it stands now, while nothing changes it.

        Raises:
            PortError: the store failed.
        """
        with self._lock:
            self._catch_up()
            return question(self._registry)

    def do(self, deed: Callable[[Registry], tuple[T, Change | None]], *, by: str) -> T:
        """Do what the deed decides, on the state it decided on: when another writer comes between, it decides anew.

        Args:
            deed: judges the registry and answers with the change to make, or None for none.
            by: the identity that does it.

        Raises:
            PortError: the store failed, or others kept coming between.
        """
        with self._lock:
            for _ in range(_TRIES):
                self._catch_up()
                answer, change = deed(self._registry)
                if change is None:
                    return answer
                try:
                    self._keep(change, by)
                except ConflictError as error:
                    if error.code != "version_conflict":
                        raise
                    continue
                self._catch_up()
                return answer
        raise PortError("Others keep changing the registry.", code="store_busy", remedy="Try again.")

    def log(self, subject: str | None = None) -> Sequence[LoggedChange]:
        """The changes in order, of one subject or of all.

        Raises:
            PortError: the store failed.
        """
        with self._lock:
            self._catch_up()
            return tuple(each for each in self._log if subject in (None, each.change.subject))

    def _keep(self, change: Change, by: str) -> None:
        events = Capability.EVENTS in self._documents.capabilities
        self._documents.put(
            KIND,
            OWNER,
            encode_change(change),
            expected=len(self._log),
            changed_by=by,
            changed_at=self._clock.now(),
            announce=event_of if events else None,
        )

    def _catch_up(self) -> None:
        """Fold in what others have changed since."""
        newest = self._documents.get(KIND, OWNER)
        behind = 0 if newest is None else newest.version - len(self._log)
        while behind > 0:
            # History starts at the newest, so what came while asking pushes the oldest out of the answer.
            stored = self._documents.history(KIND, OWNER, behind)
            fresh = [each for each in reversed(stored) if each.version > len(self._log)]
            if fresh and fresh[0].version == len(self._log) + 1:
                for each in fresh:
                    self._fold(each)
                return
            behind += len(stored)

    def _fold(self, stored: StoredDocument) -> None:
        change = decode_change(stored.body)
        self._registry.state.apply(change)
        self._log.append(LoggedChange(stored.version, change, stored.changed_by, stored.changed_at))
