"""What engines that write by SQL or by partition share: the way of a batch up to what is left to write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from maestro.lake.changes import own_columns
from maestro.lake.columns import conform, plain
from maestro.lake.dedupe import Deduped, dedupe
from maestro.lake.sifting import Sifted, sift
from maestro.ports.lake import Positions, TableSpec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Batch", "applied", "prepared"]


@attrs.frozen
class Batch:
    """A batch that conforms, without its poison."""

    sifted: Sifted

    def deduped(self, spec: TableSpec, truncated: Mapping[str, int]) -> Deduped:
        """One change a key, with what truncates left."""
        return dedupe(self.sifted.changes, spec.key, truncated, spec.partition_by)


def prepared(
    batch: pa.Table, columns: pa.Schema | None, spec: TableSpec, now: datetime
) -> tuple[Batch, pa.Schema]:
    """The batch and the table's own columns, which are the batch's where there is no table yet."""
    own = plain(own_columns(batch.schema if columns is None else columns))
    return Batch(sift(conform(batch, own), spec, now=now)), own


def applied(position: Mapping[str, int], positions: Positions) -> bool:
    """Whether every position given is at or below the one kept."""
    return all(position.get(source, -1) >= number for source, number in positions.items())
