"""Where an edge keeps what it knows: one record, and the archives that the record names."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from maestro.ports.capabilities import Capability

__all__ = ["EdgeStateStore"]


class EdgeStateStore(Protocol):
    """Keeps the state of one edge.

    Contract:

    - ``save`` and ``put`` are atomic, and what they kept is on the disk if the store is ``DURABLE``: after a crash in
      the middle, ``load`` and ``get`` answer what was before or what came.
    - ``get`` answers the bytes that were put, or None; whether they still are what was verified is for the caller to
      check, by their digest.
    - One process at a time.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this store promises."""
        ...

    def load(self) -> bytes | None:
        """The record; None before the first ``save``. Raises PortError."""
        ...

    def save(self, record: bytes) -> None:
        """Keep the record in place of the one before. Raises PortError ``store_full``, or as the disk failed."""
        ...

    def get(self, digest: str) -> bytes | None:
        """The archive that was put under that digest (``sha256:…``). Raises PortError."""
        ...

    def put(self, digest: str, archive: bytes) -> None:
        """Keep an archive. Raises PortError as ``save``."""
        ...

    def keep_only(self, digests: Collection[str]) -> None:
        """Let go of all other archives. Raises PortError."""
        ...
