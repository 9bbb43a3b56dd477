"""What an edge keeps of its trust between two refreshes: accepted metadata, and the mark that revisions never go below."""

from __future__ import annotations

from typing import Self

import attrs
import msgspec

from maestro.kernel.errors import UntrustedError

__all__ = ["Mark", "TrustState", "decode_state", "encode_state"]


@attrs.frozen
class Mark:
    """The highest revision that was activated, in the key epoch it was signed in.

    A mark of an older epoch judges nothing: rotating the root is how a revision that a thief signed is undone.
    """

    epoch: int
    revision: int
    digest: str


@attrs.frozen
class TrustState:
    """Accepted metadata, as it was signed, and the mark. Begins with nothing but a root that somebody handed over."""

    root: bytes = attrs.field(repr=False)
    timestamp: bytes | None = attrs.field(default=None, repr=False)
    snapshot: bytes | None = attrs.field(default=None, repr=False)
    targets: bytes | None = attrs.field(default=None, repr=False)
    mark: Mark | None = None

    def marked(self, epoch: int, revision: int, digest: str) -> Self:
        """After a bundle was activated. A mark of the same epoch is only ever raised."""
        if self.mark is not None and (self.mark.epoch, self.mark.revision) > (epoch, revision):
            return self
        return attrs.evolve(self, mark=Mark(epoch, revision, digest))


class _Stored(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    root: bytes
    timestamp: bytes | None = None
    snapshot: bytes | None = None
    targets: bytes | None = None
    mark: Mark | None = None


def encode_state(state: TrustState) -> bytes:
    """As JSON; metadata in base64, so that not a byte of what was signed changes."""
    return msgspec.json.encode(
        _Stored(state.root, state.timestamp, state.snapshot, state.targets, state.mark)
    )


def decode_state(data: bytes) -> TrustState:
    """Read what ``encode_state`` wrote.

    Raises:
        UntrustedError: ``state_damaged``. Nothing is guessed: without it, older revisions could not be told.
    """
    try:
        stored = msgspec.json.decode(data, type=_Stored)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UntrustedError(
            f"The kept trust cannot be read: {error}.",
            code="state_damaged",
            remedy="Restore the folder from a copy, or remove it to begin anew without protection from older revisions.",
        ) from error
    return TrustState(stored.root, stored.timestamp, stored.snapshot, stored.targets, stored.mark)
