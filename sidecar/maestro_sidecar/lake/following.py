"""A follower from what the command line or the settings say."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from maestro.lake.pacing import Pace
from maestro.ports.lake import TableSpec
from maestro.runtime.follow import Follower, FollowSettings
from maestro_adapters.clock import SystemClock
from maestro_sidecar.lake.sources import SourceSettings, open_source
from maestro_sidecar.lake.tables import contract_columns, open_table, stored

if TYPE_CHECKING:
    from maestro.ports.events import EventSink

__all__ = ["Following", "open_follower", "stopping"]


class Following(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One table and where its changes come from.

    Attributes:
        table: address of the table.
        source: where from.
        key: columns that name a row; empty: the source's primary key.
        partition_by: column that files are laid out by.
        contract: path of the contract's file.
        landing: land Parquet files, merge nothing.
        slo_seconds: freshness that must be kept.
        longest_seconds: how long a change waits for company.
        rows: changes of a commit at most.
        heartbeat_seconds: between the source's heartbeats, when it sends them.
        max_retained_bytes: what the source may keep for us before that is an alarm.
    """

    table: str
    source: SourceSettings
    key: tuple[str, ...] = ()
    partition_by: str | None = None
    contract: str | None = None
    landing: bool = False
    slo_seconds: float = 90.0
    longest_seconds: float = 10.0
    rows: int = 100_000
    heartbeat_seconds: float = 10.0
    max_retained_bytes: int = 4 * 1024**3


def open_follower(wanted: Following, stack: ExitStack, events: EventSink | None = None) -> Follower:
    """Open source and table; ``stack`` closes them.

    Raises:
        BadInputError: addresses, columns or key that do not hold together.
        PortError: source or table cannot be reached.
    """
    columns = contract_columns(wanted.contract)
    spec, kept = (None, None) if wanted.landing else stored(wanted.table)
    key = wanted.key or (spec.key if spec is not None else ())
    opened = open_source(wanted.source, key, columns if columns is not None else kept)
    if spec is None:
        spec = TableSpec(key=opened.key, partition_by=wanted.partition_by)
    table = open_table(wanted.table, spec, opened.columns, lakehouse=not wanted.landing)
    stack.callback(table.close)
    pace = Pace(
        shortest=min(0.25, wanted.longest_seconds),
        longest=wanted.longest_seconds,
        rows=wanted.rows,
        slo=wanted.slo_seconds,
    )
    settings = FollowSettings(
        name=wanted.table.rstrip("/").rpartition("/")[2],
        pace=pace,
        heartbeat_every=wanted.heartbeat_seconds if wanted.source.heartbeats else None,
        max_retained=wanted.max_retained_bytes,
    )
    return Follower(opened.source, table, SystemClock(), settings, events)


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and Ctrl-C set ``stop`` for the time being."""
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
