"""An update repository (TUF) as an edge's source. Blocking."""

from __future__ import annotations

from datetime import datetime

import attrs

from maestro.edge.bundle_targets import BundleTarget, TargetFile, offered
from maestro.edge.delta import apply as apply_delta
from maestro.edge.trust import Update, begin, key_epoch
from maestro.edge.trust_state import TrustState, decode_state, encode_state
from maestro.formats.opa_bundle import DEFAULT_LIMITS, BundleLimits
from maestro.kernel.errors import PortError, UntrustedError
from maestro.ports.fetching import METADATA_TYPES, Fetcher
from maestro.runtime.edge_sources import Known, Offer, missing

__all__ = ["RepositorySource"]


class RepositorySource:
    """An update repository: ``metadata/`` and ``targets/`` below one address, as ``maestro edge publish`` makes it.

    Args:
        fetcher: reaches it.
        root: the first root's bytes, handed over by a way that is trusted.
        name: of the bundle's target.
        limits: how much is read.
    """

    def __init__(
        self, fetcher: Fetcher, root: bytes, name: str = "bundle", limits: BundleLimits = DEFAULT_LIMITS
    ) -> None:
        self._fetcher = fetcher
        self._root = root
        self._name = name
        self._limits = limits

    def poll(self, known: Known, now: datetime, *, wait: float) -> Offer:
        """Refresh the metadata, and fetch what they announce if it is not known."""
        del wait
        state = decode_state(known.trust) if known.trust else TrustState(self._root)
        update: Update | None = None
        try:
            update = begin(state, now)
            while update.wants is not None:
                update = update.feed(self._metadata(update.wants.path, update.wants.most_bytes))
            target = offered(update, self._name)
        except UntrustedError as error:
            return Offer(error=error, trust=encode_state(state if update is None else update.state))
        offer = Offer(
            digest=target.digest,
            until=update.fresh_until,
            epoch=str(key_epoch(update.root)),
            trust=encode_state(update.state),
        )
        if target.digest in known.digests:
            return offer
        try:
            return attrs.evolve(offer, archive=self._archive(target, known))
        except UntrustedError as error:
            return attrs.evolve(offer, error=error)

    def settle(self, *, accepted: bool) -> None:
        """Nothing is kept beside the metadata."""

    def _metadata(self, path: str, most: int) -> bytes | None:
        return self._fetcher.get(f"metadata/{path}", most=most, types=METADATA_TYPES).body

    def _archive(self, target: BundleTarget, known: Known) -> bytes:
        """By a delta to what is known, if there is one and it works out; else the full snapshot."""
        for digest in known.digests:
            delta = target.deltas.get(digest)
            base = known.files_of(digest) if delta is not None else None
            if delta is not None and base is not None:
                try:
                    return apply_delta(base, self._target(delta), self._limits)
                except (UntrustedError, PortError):
                    break
        return self._target(target.file)

    def _target(self, file: TargetFile) -> bytes:
        got = self._fetcher.get(f"targets/{file.path}", most=file.length)
        if got.body is None:
            raise missing(file.path)
        file.check(got.body)
        return got.body
