"""Backfill: a table's rows brought in by chunks while its changes go on, none of which a chunk may overwrite.

The idea of watermarks is DBLog's (Andreakis and Papapanagiotou, 2020): a chunk is read between two marks in the stream
of changes, and changes between the marks beat it. Here rows carry versions, so one mark does: the *low watermark*, a
version below which every change is settled when the chunk is read. Its rows are written with that version. What
changed before the mark is in the chunk; what changed after it has a greater version and wins, whichever comes first,
deletes too, since they leave a tombstone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from maestro.lake.changes import OP, SOURCE, VERSION, Op, batch_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Progress", "chunk_batch", "may_go_on"]


class Progress(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How far a backfill has come; a chunk that is brought in twice is harmless, so it is kept after each.

    Attributes:
        watermark: the version that its rows get; None before it began.
        last: the key up to which rows were brought in, as texts.
        rows: how many.
        chunks: in how many chunks.
        done: whether all were.
    """

    watermark: int | None = None
    last: tuple[str, ...] | None = None
    rows: int = 0
    chunks: int = 0
    done: bool = False

    def after(self, rows: int, last: tuple[str, ...] | None) -> Progress:
        """With one more chunk."""
        return msgspec.structs.replace(
            self,
            last=last if last is not None else self.last,
            rows=self.rows + rows,
            chunks=self.chunks + 1,
            done=last is None,
        )


def chunk_batch(
    rows: Sequence[Mapping[str, Any]], columns: pa.Schema, watermark: int, source: str
) -> pa.Table:
    """A chunk as canonical changes: reads (``r``), of the watermark's version, without event time.

    Raises:
        BadInputError: a value does not fit its column.
    """
    ours = {OP: Op.READ.value, VERSION: watermark, SOURCE: source}
    return batch_of([{**row, **ours} for row in rows], columns)


def may_go_on(freshness: float, slo: float, buffered: int, full: int) -> bool:
    """Whether the live stream can bear another chunk: well within the objective, and not piling up."""
    return freshness < slo / 3 and buffered < full
