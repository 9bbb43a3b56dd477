"""A follower from what the command line or the settings say."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from maestro.kernel.errors import BadInputError
from maestro.lake.backfill import Progress
from maestro.lake.pacing import Pace
from maestro.ports.lake import LakeTable, TableSpec
from maestro.runtime.backfill import Backfill
from maestro.runtime.follow import Follower, FollowSettings
from maestro_adapters.clock import SystemClock
from maestro_sidecar.cli import answers
from maestro_sidecar.lake.sources import Opened, SourceSettings, open_source, split_table
from maestro_sidecar.lake.tables import contract_columns, open_table, stored

if TYPE_CHECKING:
    from maestro.ports.events import EventSink

__all__ = ["Filling", "Following", "open_follower", "read_progress", "stopping"]


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


class Filling(msgspec.Struct, frozen=True):
    """A backfill beside the follower.

    Attributes:
        database: ``postgresql://…?table=schema.name`` of the source's table.
        progress: file that keeps how far it came.
        rows: of a chunk.
    """

    database: str
    progress: Path
    rows: int = 20_000


def open_follower(
    wanted: Following, stack: ExitStack, events: EventSink | None = None, filling: Filling | None = None
) -> Follower:
    """Open source and table, and what a backfill reads; ``stack`` closes them.

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
    backfill = None if filling is None else _backfill(filling, opened, table)
    if backfill is not None:
        stack.callback(backfill.close)
    return Follower(opened.source, table, SystemClock(), settings, events, backfill, answers.note)


def read_progress(path: Path) -> Progress | None:
    """How far a backfill came; None when it never began. Raises BadInputError: the file is none of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise BadInputError(
            "is no file of a backfill's progress.", field="--progress", value=str(path), remedy="Remove it."
        ) from error


def _backfill(filling: Filling, opened: Opened, table: LakeTable) -> Backfill:
    from maestro.lake.wire_columns import schema_of
    from maestro_adapters.postgres.chunks import PostgresChunks
    from maestro_adapters.postgres.slot import shape_of

    conninfo, name = split_table(filling.database)
    shape = shape_of(conninfo, name)
    columns = opened.columns if opened.columns is not None else schema_of(shape.types, opened.key)
    missing = [column for column in columns.names if column not in shape.types]
    if missing:
        raise BadInputError(
            "is a column of the table, and the source's table has none of that name.", field=missing[0]
        )
    types = {column: shape.types[column] for column in columns.names}
    chunks = PostgresChunks(conninfo, name, opened.key, types)
    keep = partial(_keep_progress, filling.progress)
    progress = read_progress(filling.progress)
    return Backfill(chunks, table, columns, opened.source.name, keep, progress=progress, rows=filling.rows)


def _keep_progress(path: Path, progress: Progress) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(msgspec.json.encode(progress))
    fresh.replace(path)


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
