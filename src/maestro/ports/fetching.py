"""Where bundles and update metadata come from: files by path, from a web server or a folder."""

from __future__ import annotations

from typing import Protocol

import attrs

from maestro.ports.capabilities import Capability

__all__ = ["BUNDLE_TYPES", "METADATA_TYPES", "Fetched", "Fetcher"]

BUNDLE_TYPES = frozenset(
    {
        "application/gzip",
        "application/octet-stream",
        "application/tar+gzip",
        "application/vnd.openpolicyagent.bundles",
        "application/x-gzip",
        "application/x-tar",
        "binary/octet-stream",
    }
)
"""Media types of an archive, as OPA's servers, object stores and static servers name it."""
METADATA_TYPES = frozenset(
    {"application/json", "application/octet-stream", "binary/octet-stream", "text/plain"}
)
"""Media types of update metadata."""


@attrs.frozen
class Fetched:
    """An answer.

    Attributes:
        body: the bytes; None when there is nothing new, or nothing at all.
        etag: names this content at the source; empty when it does not say.
        missing: whether there is no such file.
        long_poll: whether the server can hold a request until there is something new.
    """

    body: bytes | None = attrs.field(default=None, repr=False)
    etag: str = ""
    missing: bool = False
    long_poll: bool = False

    @property
    def unchanged(self) -> bool:
        """Whether the source still has what the etag named."""
        return self.body is None and not self.missing


class Fetcher(Protocol):
    """Gets files. What comes is not trusted: size, time and place are bounded, content is for others to judge."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``: it may wait for a network."""
        ...

    def get(
        self,
        path: str,
        *,
        most: int,
        types: frozenset[str] = BUNDLE_TYPES,
        etag: str = "",
        wait: float = 0.0,
    ) -> Fetched:
        """The file at a path below the source.

        Args:
            path: relative, ``metadata/timestamp.json``; empty for the source's own address.
            most: bytes that are read; a longer body is refused, not cut.
            types: media types that are taken, where the source tells one.
            etag: of what is known already; an unchanged file is not sent again.
            wait: seconds that the server may hold the request until there is something new.

        Raises:
            PortError: ``source_unreachable``; ``source_refused``: what came was no such file, was too long, or
                led to a place that is not allowed.
        """
        ...
