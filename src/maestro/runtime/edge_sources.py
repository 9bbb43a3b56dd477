"""What an edge is offered, and a plain OPA bundle server as a source. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import attrs

from maestro.formats.opa_bundle import DEFAULT_LIMITS, BundleLimits
from maestro.kernel.errors import PortError, UntrustedError
from maestro.ports.fetching import Fetcher

__all__ = ["BundleSource", "Known", "Offer", "PlainSource", "missing"]


@attrs.frozen
class Known:
    """What an edge has, so that a source need not send it again.

    Attributes:
        trust: kept state of the update framework; empty at first.
        digests: of the bundles that serve or wait.
        files_of: the files of such a bundle, as the base of a delta.
    """

    trust: bytes = attrs.field(default=b"", repr=False)
    digests: tuple[str, ...] = ()
    files_of: Callable[[str], Mapping[str, bytes] | None] = lambda _digest: None


@attrs.frozen
class Offer:
    """What a source has.

    Attributes:
        archive: of a bundle that is not known; None if the source still has what it had.
        digest: of the bundle, if that was announced.
        until: expiry of the announcement.
        epoch: of the keys.
        trust: state of the update framework to be kept from now on; None to leave it.
        error: why what came is not to be trusted; all else may be missing then.
        long_poll: whether the source can hold a request.
    """

    archive: bytes | None = attrs.field(default=None, repr=False)
    digest: str | None = None
    until: datetime | None = None
    epoch: str = ""
    trust: bytes | None = attrs.field(default=None, repr=False)
    error: UntrustedError | None = None
    long_poll: bool = False


class BundleSource(Protocol):
    """Something that offers bundles."""

    def poll(self, known: Known, now: datetime, *, wait: float) -> Offer:
        """Look once. Raises PortError when the source does not answer as it should."""
        ...

    def settle(self, *, accepted: bool) -> None:
        """What became of the last offer. What was refused has to be looked at again, so its etag is forgotten."""
        ...


class PlainSource:
    """A bundle server as OPA knows them: one file, by ETag, with long polling where the server offers it.

    Args:
        fetcher: reaches it.
        path: of the bundle below it.
        limits: how much is read.
    """

    def __init__(self, fetcher: Fetcher, path: str = "", limits: BundleLimits = DEFAULT_LIMITS) -> None:
        self._fetcher = fetcher
        self._path = path
        self._most = limits.packed
        self._etag = self._offered = ""

    def poll(self, known: Known, now: datetime, *, wait: float) -> Offer:
        """Get the file unless it is the one that was accepted last."""
        del now
        etag = self._etag if known.digests else ""
        got = self._fetcher.get(self._path, most=self._most, etag=etag, wait=wait if etag else 0.0)
        if got.missing:
            raise missing(self._path)
        self._offered = got.etag
        return Offer(got.body, long_poll=got.long_poll)

    def settle(self, *, accepted: bool) -> None:
        """Remember the etag of what was accepted."""
        self._etag = self._offered if accepted else ""


def missing(path: str) -> PortError:
    """The error of a source that lacks a file which it ought to have."""
    return PortError(
        f"The source has no {path or 'bundle'}.",
        code="source_unreachable",
        remedy="Publish it, or correct the source's path.",
    )
