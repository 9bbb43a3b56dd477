"""Flags as the settings have them, and over them what operators stored: one document for all sidecars on the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from maestro.ports.documents import DocumentStore
from maestro.ports.flags import FLAGS, FlagSnapshot

__all__ = ["KIND", "TENANT", "StoredFlags"]

KIND: Final = "flags"
TENANT: Final = "*"
"""No tenant has this name."""

_decoder = msgspec.json.Decoder(dict[str, bool])


class StoredFlags:
    """Flags whose snapshot costs nothing, since the store is asked elsewhere (``Flags``). Thread-safe.

    Args:
        settings: by name, as the settings have them.
        documents: where the document is kept.
    """

    def __init__(self, settings: Mapping[str, bool], documents: DocumentStore) -> None:
        self._settings = dict(settings)
        self._documents = documents
        self._now = (0, FlagSnapshot(settings))

    @property
    def version(self) -> int:
        """Of the stored document; 0 when there is none."""
        return self._now[0]

    def snapshot(self) -> FlagSnapshot:
        """The flags as they were when last asked for."""
        return self._now[1]

    def refresh(self) -> None:
        """Ask the store. Raises PortError; the flags then stay as they were."""
        stored = self._documents.get(KIND, TENANT)
        version = 0 if stored is None else stored.version
        if stored is not None and version > self._now[0]:
            # A flag that a newer release stored is not known here, and nothing here asks for it.
            known = {name: on for name, on in _decoder.decode(stored.body).items() if name in FLAGS}
            self._now = (version, FlagSnapshot(self._settings | known))
