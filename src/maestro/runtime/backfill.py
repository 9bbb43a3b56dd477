"""A backfill beside a follower: one chunk at a time, whenever the live stream can bear it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from maestro.lake.backfill import Progress, chunk_batch
from maestro.ports.chunks import ChunkSource
from maestro.ports.lake import LakeTable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Backfill"]


class Backfill:
    """Brings the rows of a source's table into a lake table.

    Args:
        chunks: the source's table; closed by ``close``.
        table: where they go.
        columns: the table's own columns.
        source: ``_source`` of the rows: the same as the live stream's, or their versions could not be compared.
        keep: called with the progress after each chunk, to be kept durably.
        progress: where to go on.
        rows: of a chunk.
    """

    def __init__(
        self,
        chunks: ChunkSource,
        table: LakeTable,
        columns: pa.Schema,
        source: str,
        keep: Callable[[Progress], None],
        *,
        progress: Progress | None = None,
        rows: int = 20_000,
    ) -> None:
        self._chunks, self._table, self._columns, self._source = chunks, table, columns, source
        self._keep, self._rows = keep, rows
        self.progress = progress or Progress()

    @property
    def done(self) -> bool:
        """Whether all rows were brought in."""
        return self.progress.done

    def step(self, now: datetime) -> int:
        """One chunk: read, put into the side log, remember. Returns its rows.

        Raises:
            PortError: source or table failed; calling again goes on where it was.
            BadInputError: a value does not fit the table's columns.
        """
        if self.progress.watermark is None:
            self.progress = msgspec.structs.replace(self.progress, watermark=self._chunks.watermark())
            self._keep(self.progress)
        chunk = self._chunks.read(self.progress.last, self._rows)
        if chunk.rows:
            mark = self.progress.watermark or 0
            batch = chunk_batch(chunk.rows, self._columns, mark, self._source)
            lane = f"{self._source}/backfill"
            self._table.append(batch, {lane: (self._table.position(lane) or 0) + 1}, now=now)
        self.progress = self.progress.after(len(chunk.rows), chunk.last)
        self._keep(self.progress)
        return len(chunk.rows)

    def close(self) -> None:
        """Let go of the source."""
        self._chunks.close()
