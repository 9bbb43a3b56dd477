"""The demo's third act: its own runs arrive in a Delta table, from the event log, exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from maestro.kernel.events import Event
from maestro.lake.changes import batch_of
from maestro.limits.events import RUN_ADMITTED, RUN_RELEASED
from maestro.ports.lake import TableSpec
from maestro_adapters.delta import DeltaLake
from maestro_adapters.sqlite import SqliteOutbox

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LakeReport", "runs_into_lake"]

SOURCE_NAME = "limits"
_SPEC = TableSpec(key=("executionId",), partition_by="day")
_PAGE = 1000


@attrs.frozen
class LakeReport:
    """What arrived."""

    table: str
    executions: int
    running: int
    seconds: float

    def document(self) -> dict[str, Any]:
        """Its part of ``--json``."""
        return {"table": self.table, "executions": self.executions, "seconds": round(self.seconds, 3)}

    def line(self) -> str:
        """Its part of the table."""
        told = f"{self.executions} executions in {self.seconds:.1f} s"
        return f"lake: {told}. Read it: maestro lake sql {self.table} --for duckdb"


def runs_into_lake(
    store: Path, table: str, now: Callable[[], datetime], nanoseconds: Callable[[], int]
) -> LakeReport:
    """Merge what the event log tells of runs into a table, one row a lease; again is harmless.

    Raises:
        PortError: the store or the table cannot be used.
        BadInputError: the table is another one.
    """
    began = nanoseconds()
    lake = DeltaLake(table, _SPEC, columns=_columns())
    try:
        changes, last = _changes(store)
        if changes:
            lake.merge(batch_of(changes, _columns()), {SOURCE_NAME: last}, now=now())
            lake.fold(now=now())
        statuses = lake.read(["status"])["status"].to_pylist() if changes else []
    finally:
        lake.close()
    seconds = (nanoseconds() - began) / 1e9
    return LakeReport(table, len(statuses), statuses.count("running"), seconds)


def _columns() -> pa.Schema:
    import pyarrow as pa

    instant = pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            ("executionId", pa.string()),
            ("day", pa.date32()),
            ("tenant", pa.string()),
            ("run", pa.string()),
            ("package", pa.string()),
            ("status", pa.string()),
            ("admittedAt", instant),
            ("releasedAt", instant),
        ]
    )


def _changes(store: Path) -> tuple[list[Mapping[str, Any]], int]:
    """Every admission and release as a change, its place in the log as its version; and the last place."""
    outbox, last = SqliteOutbox(store), 0
    rows: dict[str, dict[str, Any]] = {}
    changes: list[Mapping[str, Any]] = []
    try:
        while page := outbox.read(last, _PAGE):
            for last, event in page:
                row = _row(event, rows)
                if row is not None:
                    ours = {"_version": last, "_event_time": event.time, "_source": SOURCE_NAME}
                    changes.append(row | ours | {"_op": "c" if event.type == RUN_ADMITTED else "u"})
    finally:
        outbox.close()
    return changes, last


def _row(event: Event, rows: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """What a run's row becomes; None for other events, and for a release whose admission the log has forgotten."""
    data = event.data
    if event.type == RUN_ADMITTED:
        key = f"{event.subject}#{data['token']}"
        rows[key] = {
            "executionId": key,
            "day": event.time.date(),
            "tenant": data["tenant"],
            "run": data["run"],
            "package": data["package"],
            "status": "running",
            "admittedAt": event.time,
        }
        return rows[key]
    if event.type != RUN_RELEASED:
        return None
    known = rows.pop(f"{event.subject}#{data['token']}", None)
    return None if known is None else known | {"status": "done", "releasedAt": event.time}
