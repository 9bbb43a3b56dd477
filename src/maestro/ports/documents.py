"""Documents: JSON bodies by kind and tenant, every version kept with who changed it and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from maestro.kernel.errors import ConflictError
from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability

__all__ = ["DocumentStore", "StoredDocument", "version_conflict"]


class StoredDocument(msgspec.Struct, frozen=True):
    """One version of one document.

    Attributes:
        kind: which document, for example ``windows`` or ``package-caps``.
        tenant: whose.
        version: 1 for the first, growing by one.
        body: the JSON text as it was accepted.
        changed_by: the identity that wrote it.
        changed_at: when, aware UTC, by the writer's clock.
    """

    kind: str
    tenant: str
    version: int
    body: bytes
    changed_by: str
    changed_at: datetime


class DocumentStore(Protocol):
    """Keeps documents.

    Contract: a version, once answered, never changes; versions of one document are 1, 2, 3 … without a gap;
    ``put`` is atomic with its event; two writers that expect the same version cannot both succeed.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this store promises."""
        ...

    def get(self, kind: str, tenant: str, version: int | None = None) -> StoredDocument | None:
        """The newest version, or the one asked for; None when there is none."""
        ...

    def put(
        self,
        kind: str,
        tenant: str,
        body: bytes,
        *,
        expected: int | None,
        changed_by: str,
        changed_at: datetime,
        announce: Callable[[StoredDocument], Event] | None = None,
    ) -> StoredDocument:
        """Store the next version.

        Args:
            kind: which document.
            tenant: whose.
            body: its JSON text.
            expected: the version that must be the newest now: 0 for none yet, None for whichever.
            changed_by: the identity that writes.
            changed_at: when, aware UTC.
            announce: makes the event that tells it, kept in the same transaction; needs ``Capability.EVENTS``.

        Raises:
            ConflictError: ``version_conflict``, the newest version is another one; nothing was stored.
            BadInputError: ``changed_at`` is naive.
            PortError: the store failed, or lacks ``Capability.EVENTS`` and was given ``announce``.
        """
        ...

    def history(self, kind: str, tenant: str, limit: int = 100) -> Sequence[StoredDocument]:
        """The newest versions first, at most ``limit``."""
        ...

    def generation(self) -> int:
        """Cheap: a number that differs from the last answer whenever any document changed in between."""
        ...


def version_conflict(kind: str, tenant: str, expected: int, newest: int) -> ConflictError:
    """The error for a writer that expected another version than the newest."""
    stands = f"at version {newest}" if newest else "not there yet"
    return ConflictError(
        f"Document {kind!r} of {tenant!r} is {stands}; version {expected} was expected.",
        code="version_conflict",
        remedy="Read it again and repeat the change on what you read.",
    )
