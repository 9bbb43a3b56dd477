"""Composition: which adapters stand behind which port, and how the parts of a sidecar hang together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from maestro.kernel.errors import PortError
from maestro.ports.documents import DocumentStore
from maestro.ports.events import EventLog
from maestro.ports.leases import LeaseStore
from maestro.runtime.blocking import BlockingLimits
from maestro.runtime.contracts import ContractRegistry
from maestro_adapters.clock import SystemClock
from maestro_sidecar.audit_keys import KeptCheckpoint, node_cosigner, node_signer
from maestro_sidecar.audit_trail import AuditTrail, NodeAudit
from maestro_sidecar.auth import Authenticator, made_token
from maestro_sidecar.context import Context, Gate, Workers
from maestro_sidecar.logs import Log
from maestro_sidecar.metrics import Metrics
from maestro_sidecar.readiness import Readiness
from maestro_sidecar.retention import Retention
from maestro_sidecar.settings import ServerSettings, Settings, StoreSettings, is_loopback
from maestro_sidecar.stored_flags import StoredFlags
from maestro_sidecar.tracing import Tracing, opened
from maestro_sidecar.violations import ViolationWatch

if TYPE_CHECKING:
    from maestro_sidecar.edge_service import EdgeService

__all__ = ["Stores", "make_state_folder", "open_stores", "wire"]

_SERVER_THREADS = 8
"""Calls of a store's server under way at once."""
_KEPT_EVENTS = 20_000
"""Of a store in memory: the replay reads them within a second or two, and they are all that could grow."""


def _audit_in_memory(name: str) -> NodeAudit:
    from maestro_adapters.inprocess_audit import InProcessAudit

    return InProcessAudit(name)


@attrs.frozen
class Stores:
    """One opening of the stores.

    Attributes:
        leases: slots.
        documents: of tenants.
        events: the log of both.
        closing: lets go of files, in this order.
        audit: opens the node's log of that name beside the others.
    """

    leases: LeaseStore
    documents: DocumentStore
    events: EventLog
    closing: tuple[Callable[[], object], ...]
    audit: Callable[[str], NodeAudit] = _audit_in_memory


def open_stores(settings: Settings) -> Callable[[], Stores]:
    """How to open the stores that the settings name; each call opens them once more, where that makes a difference."""
    if settings.store.kind == "memory":
        return _memory()
    if settings.store.kind == "postgres":
        return _postgres(settings)
    return lambda: _with_leases(settings, _sqlite(settings))


def wire(
    settings: Settings,
    *,
    clock: SystemClock | None = None,
    write_log: Callable[[str], object] = sys.stderr.write,
    opening: Callable[[], Stores] | None = None,
    tracing: Tracing | None = None,
) -> Context:
    """Build the parts of a sidecar.

    Args:
        settings: as read.
        clock: wall and boot clock; the system's when None.
        write_log: takes lines of the log.
        opening: opens the stores; by the settings when None.
        tracing: of requests; by the settings when None.

    Raises:
        BadInputError: the token's file cannot be used.
        PortError: a store cannot be opened; names path and remedy.
    """
    clock = clock or SystemClock()
    server = settings.server
    log = Log(write_log, clock.now, settings.log.level)
    opening = opening or open_stores(settings)
    make_state_folder(settings)
    # Three openings: decisions read on the event loop, writers wait in threads, scrapes and replay in others.
    # None of them ever holds a lock that another one needs.
    reading, writing, background = opening(), opening(), opening()

    flags = StoredFlags(settings.flags, background.documents)
    flags.refresh()
    limits = partial(BlockingLimits, clock=clock, flags=flags, defaults=settings.default_limits)
    decides = limits(reading.leases, documents=reading.documents)
    admits = limits(writing.leases, documents=writing.documents, policies=decides.policies)
    writing.events.append((admits.declared_defaults(),))
    workers, aside = _workers(settings.store), Workers(straight=False)
    metrics = Metrics(settings.metrics.tenants)
    violations = ViolationWatch(background.events, log)
    metrics.watch(_held(background.leases), violations)
    audit = _audit_trail(settings, background, clock, log)
    metrics.registry.register(audit)
    tracing = tracing or opened(settings.tracing)
    _warn_of_clear_tokens(server, log)
    edge = _edge(settings, clock, flags, audit, background)
    _watch_edge(metrics, edge)
    return Context(
        settings=settings,
        clock=clock,
        flags=flags,
        reading=decides,
        writing=admits,
        workers=workers,
        background=aside,
        authenticator=_authenticator(settings),
        gate=Gate(server.max_requests),
        metrics=metrics,
        log=log,
        violations=violations,
        contracts=ContractRegistry(writing.documents, clock),
        audit=audit,
        tracing=tracing,
        readiness=Readiness(background.leases, background.events, clock),
        retention=Retention(background.events, clock, violations, settings.events),
        edge=edge,
        closing=(
            *reading.closing,
            *writing.closing,
            *background.closing,
            audit.store.close,
            partial(_keep_findings, violations, log),
            *(() if tracing is None else (tracing.close,)),
            decides.close,
            admits.close,
            aside.close,
            workers.close,
            *(() if edge is None else (edge.close,)),
        ),
    )


def make_state_folder(settings: Settings) -> None:
    """Make the folder of the store that is ours; one that somebody named is theirs to make."""
    if settings.store.kind == "sqlite" and not settings.store.path:
        settings.store_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _edge(
    settings: Settings, clock: SystemClock, flags: StoredFlags, audit: AuditTrail, stores: Stores
) -> EdgeService | None:
    if settings.edge is None:
        return None
    from maestro_sidecar.edge_service import open_edge

    return open_edge(
        settings.edge, settings.state, clock=clock, flags=flags, auditor=audit.log, outbox=stores.events
    )


def _watch_edge(metrics: Metrics, edge: EdgeService | None) -> None:
    if edge is not None:
        from maestro_sidecar.edge_metrics import EdgeMetrics

        metrics.registry.register(EdgeMetrics(edge))


def _workers(store: StoreSettings) -> Workers:
    return Workers(straight=store.kind == "memory", most=_SERVER_THREADS if store.waits else 2)


def _warn_of_clear_tokens(server: ServerSettings, log: Log) -> None:
    if server.host and not is_loopback(server.host) and server.tls is None:
        log.warning("tokens_in_the_clear", host=server.host, remedy="Set server.tls, or listen on loopback.")


def _authenticator(settings: Settings) -> Authenticator:
    open_to_all = settings.server.auth == "none"
    tokens = settings.tokens or (() if open_to_all else (made_token(settings),))
    return Authenticator(tokens, socket_scope=settings.server.socket_scope, open_to_all=open_to_all)


def _audit_trail(settings: Settings, stores: Stores, clock: SystemClock, log: Log) -> AuditTrail:
    signer = node_signer(settings)
    kept = None
    if settings.store.kind != "memory":
        kept = KeptCheckpoint(Path(settings.state) / f"audit-{signer.key_id.hex()}.checkpoint")
    return AuditTrail(
        stores.audit(signer.name),
        signer,
        clock,
        events=stores.events,
        log=log,
        cosigner=node_cosigner(settings),
        kept=kept,
    )


def _keep_findings(violations: ViolationWatch, log: Log) -> None:
    """So that the next start need not replay what this one did."""
    try:
        violations.keep()
    except PortError as error:
        log.warning("replay_not_kept", error=str(error))


def _held(leases: LeaseStore) -> Callable[[], Mapping[str, int]]:
    return leases.held


def _memory() -> Callable[[], Stores]:
    from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases, InProcessOutbox

    outbox = InProcessOutbox(_KEPT_EVENTS)
    stores = Stores(InProcessLeases(outbox=outbox), InProcessDocuments(outbox), outbox, ())
    return lambda: stores


def _sqlite(settings: Settings) -> Stores:
    from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases, SqliteOutbox
    from maestro_adapters.sqlite.audit import SqliteAudit

    path = settings.store_path
    leases = SqliteLeases(path)
    documents, events = SqliteDocuments(leases.database), SqliteOutbox(leases.database)
    return Stores(
        leases,
        documents,
        events,
        (leases.close,),
        lambda name: SqliteAudit(path, name),
    )


def _postgres(settings: Settings) -> Callable[[], Stores]:
    """One pool of connections for all: its users wait for a server, not for one another."""
    from maestro_adapters.postgres import (
        Database,
        PostgresAudit,
        PostgresDocuments,
        PostgresLeases,
        PostgresOutbox,
    )

    database = Database(settings.store.url, size=_SERVER_THREADS + 2)
    stores = Stores(
        PostgresLeases(database),
        PostgresDocuments(database),
        PostgresOutbox(database),
        (database.close,),
        partial(PostgresAudit, database),
    )
    stores = _with_leases(settings, stores)
    return lambda: stores


def _with_leases(settings: Settings, stores: Stores) -> Stores:
    """The stores, with the leases on Redis if the settings want them there."""
    if not settings.store.leases:
        return stores
    from maestro_adapters.redis import RedisLeases

    leases = RedisLeases(settings.store.leases)
    return attrs.evolve(stores, leases=leases, closing=(*stores.closing, leases.close))
