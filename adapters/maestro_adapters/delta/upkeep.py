"""Keeping a table healthy: compaction, checkpoints, vacuum, each when it pays and none in the way of a merge.

Compaction is planned like a merge and committed like one: if a merge was quicker, the compaction is dropped and tried
at the next round. Vacuum looks at the whole folder (``full``), for files of writers that were killed stand in no log.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from maestro.lake.applying import purge
from maestro.lake.changes import DELETED, SOURCE, VERSION
from maestro.lake.routing import DataFile
from maestro.ports.lake import TableStatus, Upkeep
from maestro_adapters.delta.log import Change, ContendedError, DeltaLog
from maestro_adapters.delta.planning import TARGET_ROWS, Planner, Voids, joined
from maestro_adapters.delta.side_log import Quarantine, SideLog

__all__ = ["RETENTION", "status", "upkeep"]

RETENTION = timedelta(days=7)
"""Files that no version of this age needs are deleted; below Delta's own default, 7 days, readers could break."""
_SMALL_ROWS = TARGET_ROWS // 4
_ENOUGH = 4
"""Small files of one partition from which on joining them pays."""
_SWEPT = "swept"
_LOG_FILES = 50
"""Commits after which a reader gains from a checkpoint."""


def status(address: str, log: DeltaLog, side: SideLog, quarantine: Quarantine) -> TableStatus:
    """The table's health, from its log alone."""
    files, waiting = log.files(), side.log.files()
    return TableStatus(
        table=address,
        engine="delta",
        version=log.version,
        rows=sum(file.rows for file in files),
        files=len(files),
        bytes=sum(file.bytes for file in files),
        small_files=sum(len(group) for group in _small(files)),
        log_files=log.commits_since_checkpoint(),
        side_rows=sum(file.rows for file in waiting),
        side_files=len(waiting),
        side_bytes=sum(file.bytes for file in waiting),
        quarantined=len(quarantine.rows()),
        positions=log.positions() | side.log.positions(),
        committed_at=log.committed_at(),
    )


def upkeep(
    log: DeltaLog, side: SideLog, quarantine: Quarantine, planner: Planner, *, lateness: float, now: datetime
) -> Upkeep:
    """One round: whatever pays now."""
    steps: list[str] = ["sweep"] if _sweep(log, planner, lateness, now) else []
    compacted = _compact(log, planner, now)
    if compacted:
        steps.append("compact")
    logs = [log, side.log, *([quarantine.log] if quarantine.log.exists() else [])]
    for one in logs:
        if one.commits_since_checkpoint() >= _LOG_FILES:
            one.table.create_checkpoint()
            one.table.cleanup_metadata()  # log files older than Delta's own retention, 30 days
            steps.append("checkpoint")
    deleted, size = 0, 0
    for one in logs:
        paths = one.vacuum(RETENTION)
        deleted += len(paths)
        size += sum(paths.values())
    if deleted:
        steps.append("vacuum")
    return Upkeep(tuple(dict.fromkeys(steps)), compacted, deleted, size)


def _sweep(log: DeltaLog, planner: Planner, lateness: float, now: datetime) -> int:
    """Purge tombstones beyond the lateness bound from partitions that no merge touches; once per bound.

    Returns:
        How many went.
    """
    swept, at = log.transaction(_SWEPT), int(now.timestamp())
    if swept is not None and at - swept < lateness:
        return 0
    bounds: dict[str, int] = {}
    chosen = []
    for file in log.files():
        if not file.tombstones:
            continue
        rows = planner.rows(file, [DELETED, SOURCE, VERSION])
        for source in rows[SOURCE].unique().to_pylist():
            if source is not None and (bound := log.transaction(f"purged/{source}")) is not None:
                bounds[source] = bound
        if len(purge(rows, bounds, {})) < len(rows):
            chosen.append(file)
    added, removed, gone = planner.rewrite(chosen, Voids(bounds))
    try:
        log.commit(Change(added, removed, {_SWEPT: at}), now=now)
    except ContendedError:
        log.data.delete([one.path for one in added])
        return 0
    return gone


def _compact(log: DeltaLog, planner: Planner, now: datetime) -> int:
    """Join small files, one partition a commit; answers how many were joined."""
    count = 0
    for group in _small(log.files()):
        rows = joined(*(planner.rows(file) for file in group))
        added = planner.write(rows, group[0].partition)
        try:
            log.commit(Change(added, group, data_change=False), now=now)
        except ContendedError:
            log.data.delete([one.path for one in added])
            continue
        count += len(group)
    return count


def _small(files: list[DataFile]) -> Iterator[list[DataFile]]:
    """Groups of files that are worth joining: of one partition, small, and enough of them."""
    groups: dict[Any, list[DataFile]] = {}
    for file in files:
        if file.rows < _SMALL_ROWS:
            groups.setdefault(file.partition, []).append(file)
    return (group for group in groups.values() if len(group) >= _ENOUGH)
