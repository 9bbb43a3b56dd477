"""Edge policy in a running sidecar: what is wired together from ``[edge]`` of the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import SystemRandom
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

import attrs

from maestro.edge.candidates import SourceRules
from maestro.edge.decision_log import masks
from maestro.edge.pacing import Pace
from maestro.edge.reasons import EdgeReason
from maestro.kernel.errors import BadInputError, PortError
from maestro.ports.audit import Auditor
from maestro.ports.capabilities import Capability
from maestro.ports.events import EventSink
from maestro.ports.fetching import Fetcher
from maestro.ports.flags import Flags
from maestro.ports.policy import PolicyEngine, RulePath
from maestro.runtime.decisions import CacheRules, Decided, DecisionCache, DecisionLog, EdgeDecisions
from maestro.runtime.edge import EdgeNode, EdgeParts
from maestro.runtime.edge_bundles import Loader
from maestro.runtime.edge_clock import BothClocks
from maestro.runtime.edge_pump import EdgePump
from maestro.runtime.edge_sources import BundleSource, PlainSource
from maestro_adapters.opa import OpaClient
from maestro_adapters.opa_engine import OpaEngine, OpaPolicy
from maestro_sidecar.edge_settings import EdgeKeySettings, EdgeOpaSettings, EdgeSettings, EdgeSourceSettings

if TYPE_CHECKING:
    from maestro.edge.verify import TrustedKey

__all__ = ["EdgeService", "open_edge"]

_RETRY_SECONDS = 5.0


@attrs.define
class EdgeService:
    """Decides for the sidecar: by the edge, or by a central OPA while flag ``edge_policy_ga`` is off.

    Attributes:
        settings: as read.
        flags: asked at each decision.
        clock: for a central OPA's decisions.
        decisions: the edge; None when only a central OPA is configured.
        central: the OPA; None when there is none.
        pump: keeps the edge going.
        log: of decisions; None for none.
        straight: whether the edge's engine never waits, so that the event loop may ask it.
        closing: undoes the wiring, last part first.
    """

    settings: EdgeSettings
    flags: Flags
    clock: BothClocks
    decisions: EdgeDecisions | None = None
    central: OpaPolicy | None = None
    pump: EdgePump | None = None
    log: DecisionLog | None = None
    straight: bool = True
    closing: list[Callable[[], object]] = attrs.field(factory=list)

    @property
    def node(self) -> EdgeNode | None:
        """The edge itself."""
        return None if self.decisions is None else self.decisions.node

    @property
    def asks_central(self) -> bool:
        """Whether a central OPA decides now."""
        return self.decisions is None or not self.flags.snapshot().enabled("edge_policy_ga")

    @property
    def waits(self) -> bool:
        """Whether deciding may wait for a server, for which the event loop must not."""
        return self.asks_central or not self.straight

    def decide(self, path: RulePath, given: Any) -> Decided:
        """The value of a rule.

        Raises:
            PortError: there is no answer; ``policy_unavailable`` when nothing is trusted.
        """
        if not self.asks_central and self.decisions is not None:
            return self.decisions.decide(path, given)
        if self.central is None:
            reason = EdgeReason.POLICY_UNAVAILABLE
            raise PortError(
                "Flag edge_policy_ga is off and no central OPA is configured.",
                code=reason.value,
                retry_after=_RETRY_SECONDS,
                remedy="Set edge.opa.url, or the flag.",
            )
        return Decided(self.central.evaluate(path, given, self.clock.now()), "", "", state="central")

    def healthy(self) -> bool:
        """Whether a bundle decides now."""
        try:
            if self.asks_central:
                if self.central is None:
                    return False
                self.central.client.check()
            elif self.node is not None:
                self.node.standing()
        except PortError:
            return False
        return True

    def close(self) -> None:
        """Stop."""
        for close in reversed(self.closing):
            close()


def open_edge(
    settings: EdgeSettings,
    state: str,
    *,
    clock: BothClocks,
    flags: Flags,
    auditor: Auditor,
    outbox: EventSink,
) -> EdgeService:
    """Wire an edge and let it go on where it stopped. ``pump.start`` begins to fetch.

    Args:
        settings: checked.
        state: the sidecar's state folder.
        clock: both clocks.
        flags: asked at each decision.
        auditor: the node's audit log.
        outbox: takes incidents' events.

    Raises:
        BadInputError: a file that is named cannot be used.
        PortError: the state folder cannot be opened.
    """
    service = EdgeService(settings, flags, clock)
    if settings.opa is not None:
        client = _opa(settings.opa)
        service.closing.append(client.close)
        service.central = OpaPolicy(client)
    if settings.source is None:
        return service
    try:
        _open_node(service, settings.source, Path(settings.state or Path(state) / "edge"), auditor, outbox)
    except BaseException:
        service.close()
        raise
    return service


def _open_node(
    service: EdgeService, source: EdgeSourceSettings, folder: Path, auditor: Auditor, outbox: EventSink
) -> None:
    from maestro_adapters.edge_folder import EdgeFolder

    settings = service.settings
    engine = _engine(settings, service.central, service.clock)
    service.straight = Capability.IN_MEMORY in engine.capabilities
    keys = _Keys(settings.keys)
    keys()
    fetcher, stop, close = _fetcher(source)
    service.closing.append(close)
    store = EdgeFolder(folder)
    service.closing.append(store.close)
    loader = Loader(store, engine, keys, scope=source.scope)
    parts = EdgeParts(store, _source(source, fetcher), loader, service.clock, auditor, outbox)
    node = EdgeNode(settings.node, parts, rules=settings.rules(), source=_rules(source))
    node.start()
    cache = None
    if settings.cache.decisions and settings.cache.ttl_seconds:
        kept, ttl = settings.cache.decisions, round(settings.cache.ttl_seconds * 1e9)
        cache = DecisionCache(CacheRules(kept, ttl, frozenset(settings.cache.live)))
    service.decisions = EdgeDecisions(node, cache)
    service.log = _decision_log(settings)
    pace = Pace(settings.poll_seconds, settings.rapid_seconds, settings.long_poll_seconds)
    service.pump = EdgePump(
        node,
        pace,
        SystemRandom().random,
        interrupt=stop,
        each_tick=() if service.log is None else (service.log.flush,),
        check_every=settings.check_seconds,
    )
    service.closing.append(service.pump.stop)


def _engine(settings: EdgeSettings, central: OpaPolicy | None, clock: BothClocks) -> PolicyEngine:
    """Compiled plans, and limits without one; or what the settings want instead."""
    if settings.engine == "opa" and central is not None:
        return OpaEngine(central.client)
    from maestro.runtime.native_policy import NativeLimits
    from maestro_policy import rego_sources

    native = NativeLimits(rego_sources().values())
    if settings.engine == "native":
        return native
    from maestro.rego.engine import RegoEngine

    return RegoEngine(native, monotonic=lambda: clock.nanoseconds() / 1e9, seed=partial(token_bytes, 32))


def _decision_log(settings: EdgeSettings) -> DecisionLog | None:
    from maestro_adapters.line_file import LineFile

    log = settings.decision_log
    if not log.path:
        return None
    labels = {"id": settings.node, "app": "maestro"}
    return DecisionLog(LineFile(log.path), labels, masks(log.mask), log.most_waiting)


def _fetcher(source: EdgeSourceSettings) -> tuple[Fetcher, Callable[[], None], Callable[[], None]]:
    """What reaches the source, how to interrupt it, how to let go of it."""
    if source.path:
        from maestro_adapters.fetch_folder import FolderFetcher

        folder = FolderFetcher(source.path)
        return folder, folder.close, folder.close
    from maestro_adapters.fetch_http import HttpFetcher

    http = HttpFetcher(
        source.url,
        mirrors=source.mirrors,
        hosts=source.hosts,
        token=_secret(source.token_file, "edge.source.tokenFile"),
        seconds=source.seconds,
        ca=source.ca,
    )
    return http, http.interrupt, http.close


def _source(source: EdgeSourceSettings, fetcher: Fetcher) -> BundleSource:
    if source.kind == "bundle":
        return PlainSource(fetcher)
    from maestro.runtime.edge_repository import RepositorySource

    return RepositorySource(fetcher, _content(source.root, "edge.source.root"), source.name)


def _rules(source: EdgeSourceSettings) -> SourceRules:
    return SourceRules(source.scope, source.roots or None, source.ordering, source.freshness)


def _opa(settings: EdgeOpaSettings) -> OpaClient:
    token = _secret(settings.token_file, "edge.opa.tokenFile") or None
    return OpaClient(settings.url, token=token, timeout=settings.seconds)


class _Keys:
    """The keys that are trusted now: their files are read again when they change, so that a key can be revoked."""

    def __init__(self, settings: Sequence[EdgeKeySettings]) -> None:
        self._settings = settings
        self._read: tuple[list[bytes], list[TrustedKey]] = ([], [])

    def __call__(self) -> Sequence[TrustedKey]:
        contents = [
            _content(key.file, f"edge.keys[{index}].file") for index, key in enumerate(self._settings)
        ]
        if contents != self._read[0]:
            self._read = (contents, [_key(*each) for each in zip(self._settings, contents, strict=True)])
        return self._read[1]


def _key(settings: EdgeKeySettings, content: bytes) -> TrustedKey:
    from maestro.edge.verify import TrustedKey
    from maestro.formats.jws import parse_public_key

    return TrustedKey(settings.id, parse_public_key(content, settings.algorithm or None))


def _secret(path: str, field: str) -> str:
    return _content(path, field).decode("utf-8", "replace").strip() if path else ""


def _content(path: str, field: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInputError(
            f"cannot be read: {error.strerror or error}.",
            field=field,
            value=path,
            remedy="Name a file that this user may read.",
        ) from error
