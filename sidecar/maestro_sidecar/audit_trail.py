"""The node's audit log in a running sidecar: what the outbox tells is entered, under the node's own key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from maestro.audit import Cosigner, LogSigner
from maestro.kernel.errors import MaestroError
from maestro.ports.audit import AuditStore
from maestro.ports.clock import Clock
from maestro.ports.events import EventLog
from maestro.runtime.audit import AuditLog, EventFollower
from maestro_sidecar.audit_keys import KeptCheckpoint
from maestro_sidecar.logs import Log

__all__ = ["AuditTrail", "NodeAudit"]


class NodeAudit(AuditStore, Protocol):
    """A store that this process opened."""

    def close(self) -> None:
        """Let go of it."""
        ...


class AuditTrail(Collector):
    """The log, and what keeps it up to date. Thread-safe. As a collector of metrics it tells how it stands.

    Args:
        store: where the log is kept.
        signer: the node's key.
        clock: the wall clock.
        events: the outbox that is followed.
        log: where trouble is told.
        cosigner: a second key.
        kept: the newest checkpoint outside of the store; None when the log ends with the process.

    Attributes:
        store: where the log is kept.
        log: the door for every part that has something to account for (``Auditor``).
    """

    def __init__(
        self,
        store: NodeAudit,
        signer: LogSigner,
        clock: Clock,
        *,
        events: EventLog,
        log: Log,
        cosigner: Cosigner | None = None,
        kept: KeptCheckpoint | None = None,
    ) -> None:
        self.store = store
        signed = None if kept is None else kept.read()
        self.log = AuditLog(store, signer, clock, cosigner=cosigner, signed=signed)
        self._follower = EventFollower(self.log, events)
        self._kept = kept
        self._tell = log
        self._trouble = ""
        self._entries = 0

    @property
    def up(self) -> bool:
        """Whether all that was told until the last second is entered."""
        return not self._trouble

    def follow(self) -> None:
        """Enter what is waiting. Trouble is told in the log, once until it changes, and the next call tries again."""
        try:
            self._follower.catch_up()
            self._entries = self.store.size()
            if self._kept is not None:
                self._kept.keep(self.log.checkpoint())
        except MaestroError as error:
            self._troubled(error.code, str(error))
        except OSError as error:
            self._troubled("checkpoint_not_kept", str(error))
        else:
            if self._trouble:
                self._tell.info("audit_goes_on", entries=self._entries)
            self._trouble = ""

    def _troubled(self, code: str, why: str) -> None:
        if code != self._trouble:
            self._tell.error("audit_waits", code=code, error=why)
        self._trouble = code

    def collect(self) -> Iterator[Metric]:
        """How the log stands, as of the last time it was written."""
        yield GaugeMetricFamily("mc_audit_entries", "Entries of the node's audit log.", self._entries)
        yield GaugeMetricFamily(
            "mc_audit_up",
            "1 when all that was told until the last second is entered.",
            float(self.up),
        )

    def describe(self) -> Iterator[Metric]:
        """Nothing to tell at registration."""
        return iter(())
