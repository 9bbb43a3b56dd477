"""Reading a table's rows in chunks while it changes: what a backfill needs of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

__all__ = ["Chunk", "ChunkSource"]


class Chunk(msgspec.Struct, frozen=True):
    """Some rows, in the order of their key.

    Attributes:
        rows: by column.
        last: the key of the last one as texts, from which the next chunk goes on; None when there are no more.
    """

    rows: Sequence[Mapping[str, Any]]
    last: tuple[str, ...] | None


class ChunkSource(Protocol):
    """A table at its source.

    Contract: ``watermark`` is a version such that every change with a smaller or equal one was committed or rolled back
    before the call returns, so each ``read`` after it shows all of them; changes after it have greater versions.
    """

    def watermark(self) -> int:
        """Such a version; waits for the transactions that run. Raises PortError when they run for too long."""
        ...

    def read(self, after: tuple[str, ...] | None, limit: int) -> Chunk:
        """Up to ``limit`` rows behind a key, from the first when it is None. Raises PortError."""
        ...

    def close(self) -> None:
        """Let go of the source."""
        ...
