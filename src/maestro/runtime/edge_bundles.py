"""Archives turned into something that can decide: verified, accepted by the engine, and looked at again now and then."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import attrs

from maestro.edge.reasons import EdgeReason
from maestro.edge.record import Held
from maestro.edge.verify import Expected, TrustedKey, Verdict, verify_archive
from maestro.formats.opa_bundle import DEFAULT_LIMITS, Bundle, BundleLimits, digest
from maestro.kernel.errors import UntrustedError
from maestro.ports.edge_state import EdgeStateStore
from maestro.ports.policy import LoadedPolicy, PolicyBundle, PolicyEngine

__all__ = ["Loaded", "Loader"]


@attrs.frozen
class Loaded:
    """A bundle that can decide.

    Attributes:
        held: what is known of it.
        policy: to be asked.
        files: what was verified, for deltas and to see that they have not changed.
    """

    held: Held
    policy: LoadedPolicy
    files: Mapping[str, bytes] = attrs.field(repr=False)


class Loader:
    """Verifies archives and loads bundles.

    Args:
        store: where archives are kept.
        engine: which has to accept a bundle before it may decide.
        keys: those that are trusted now; asked each time, so that a revocation is seen.
        scope: of the signatures.
        limits: how much is read.
    """

    def __init__(
        self,
        store: EdgeStateStore,
        engine: PolicyEngine,
        keys: Callable[[], Sequence[TrustedKey]],
        *,
        scope: str = "",
        limits: BundleLimits = DEFAULT_LIMITS,
    ) -> None:
        self._store = store
        self._engine = engine
        self._keys = keys
        self._scope = scope
        self._limits = limits

    def verdict(self, archive: bytes, at: datetime, expected: Expected) -> Verdict:
        """What is to be said of an archive."""
        return verify_archive(archive, self._keys(), at=at, expected=expected, limits=self._limits)

    def load(self, held: Held, bundle: Bundle) -> Loaded:
        """Let the engine have a verified bundle. Raises UntrustedError, PortError as ``PolicyEngine.load``."""
        policy = self._engine.load(
            PolicyBundle(
                bundle.revision,
                held.digest,
                tuple(bundle.manifest.roots),
                bundle.files,
                bundle.data,
                bundle.plan,
            )
        )
        return Loaded(held, policy, bundle.files)

    def kept(self, held: Held) -> Loaded:
        """Load what is on the disk, verified as if it had come just now.

        Raises:
            UntrustedError: ``digest_drift`` or ``key_revoked``, or the engine refuses it.
            PortError: the disk or the engine failed; the bundle may be good.
        """
        return self.load(held, self._verified(held))

    def check(self, loaded: Loaded) -> None:
        """See that a bundle in memory and on disk is still what was verified, by keys that are trusted now.

        Raises:
            UntrustedError: as ``kept``.
            PortError: the disk failed.
        """
        if digest(loaded.files) != loaded.held.digest:
            raise _failed(EdgeReason.DIGEST_DRIFT)
        self._verified(loaded.held)

    def _verified(self, held: Held) -> Bundle:
        archive = self._store.get(held.digest)
        if archive is None or f"sha256:{hashlib.sha256(archive).hexdigest()}" != held.file_digest:
            raise _failed(EdgeReason.DIGEST_DRIFT)
        # Age is the machine's business: here the question is who signed what.
        expected = Expected(scope=self._scope, digest=held.digest)
        verdict = self.verdict(archive, held.verified_at, expected)
        if verdict.bundle is None:
            raise _failed(EdgeReason.KEY_REVOKED)
        return verdict.bundle


def _failed(reason: EdgeReason) -> UntrustedError:
    return UntrustedError(reason.meaning, code=reason.value, remedy=reason.remedy)
