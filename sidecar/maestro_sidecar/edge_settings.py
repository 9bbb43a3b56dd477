"""``[edge]`` of the settings: where bundles come from, who signs them, for how long they are trusted."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from maestro.edge.decision_log import masks
from maestro.edge.rules import DampingRules, Rules
from maestro.kernel.errors import BadInputError

__all__ = [
    "EdgeCacheSettings",
    "EdgeDampingSettings",
    "EdgeKeySettings",
    "EdgeLogSettings",
    "EdgeOpaSettings",
    "EdgeSettings",
    "EdgeSourceSettings",
    "check_edge",
]

Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")]


class EdgeSourceSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where bundles come from.

    Attributes:
        url: of the repository or the bundle, ``https://…``; or ``path``.
        path: the same as a folder or file.
        kind: ``repository`` as ``maestro edge publish`` makes it, or one ``bundle`` as any OPA bundle server has it.
        root: file with the first root of the repository's update metadata.
        name: of the bundle in the repository.
        mirrors: further addresses with the same files.
        hosts: further hosts that redirects may lead to.
        token_file: file with a bearer token for ``url``'s own host.
        ca: PEM file of authorities to trust instead of the system's.
        seconds: for one request.
        scope: of the signatures.
        roots: that bundles may own; empty for any.
        ordering: by decimal ``revision``, by signed ``iat``, or ``none``.
        freshness: ``signed`` time only, or the ``transport``'s word too.
    """

    url: str = ""
    path: str = ""
    kind: Literal["repository", "bundle"] = "bundle"
    root: str = ""
    name: Name = "bundle"
    mirrors: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    token_file: str = ""
    ca: str = ""
    seconds: Annotated[float, Meta(ge=0.1, le=600)] = 30.0
    scope: str = ""
    roots: tuple[str, ...] = ()
    ordering: Literal["revision", "iat", "none"] = "revision"
    freshness: Literal["signed", "transport"] = "signed"


class EdgeKeySettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """A key that may sign bundles: the PEM file of its public half, its name in tokens, its algorithm."""

    file: str
    id: str = ""
    algorithm: Literal[
        "", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"
    ] = ""


class EdgeDampingSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Damping of return; see ADR-1115."""

    refused_penalty: Annotated[float, Meta(gt=0)] = 1000.0
    stale_penalty: Annotated[float, Meta(ge=0)] = 500.0
    half_life_seconds: Seconds = 300.0
    suppress: float = 2500.0
    reuse: float = 750.0
    cap: float = 6000.0
    hold_seconds: Seconds = 30.0
    most_hold_seconds: Seconds = 900.0


class EdgeCacheSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Decisions that are kept: how many (0 for none), for how long, and which input fields count what runs now."""

    decisions: Annotated[int, Meta(ge=0, le=10_000_000)] = 10_000
    ttl_seconds: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    live: tuple[str, ...] = ("packageUsage", "runningTotal")


class EdgeLogSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The decision log: a file of JSON lines (empty for none), what is taken out of them, how many may wait."""

    path: str = ""
    mask: tuple[str, ...] = ()
    most_waiting: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000


class EdgeOpaSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """A central OPA: decides while flag ``edge_policy_ga`` is off, or always with ``engine = "opa"``."""

    url: str
    token_file: str = ""
    seconds: Annotated[float, Meta(ge=0.05, le=60)] = 5.0


class EdgeSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Edge policy.

    Attributes:
        node: name of this edge in events and audit entries.
        state: folder of its own; empty: ``edge`` in the sidecar's state folder.
        source: where bundles come from; None: none does, and a central OPA decides.
        keys: who may sign them.
        engine: what runs them; ``auto``: compiled plans, and native limits for bundles without a plan.
        opa: a central OPA.
        poll_seconds: between polls.
        rapid_seconds: after a first failure; doubles up to ``pollSeconds``.
        long_poll_seconds: that a server which can is asked to hold a request.
        check_seconds: between looks at whether what serves is still what was verified.
        ttl_seconds: of bundles that do not say when they expire.
        last_good_max_age_seconds: for which a bundle may decide at most.
        trial_seconds: for which a source must stay good before the edge is active again.
        earlier: bundles kept to fall back on.
        damping: of return.
        cache: of decisions.
        decision_log: of decisions.
    """

    node: Name = "edge"
    state: str = ""
    source: EdgeSourceSettings | None = None
    keys: tuple[EdgeKeySettings, ...] = ()
    engine: Literal["auto", "native", "opa"] = "auto"
    opa: EdgeOpaSettings | None = None
    poll_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 30.0
    rapid_seconds: Annotated[float, Meta(ge=0.01, le=3600)] = 1.0
    long_poll_seconds: Annotated[float, Meta(ge=0, le=600)] = 30.0
    check_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60
    ttl_seconds: Seconds = 3600.0
    last_good_max_age_seconds: Seconds = 86_400.0
    trial_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    earlier: Annotated[int, Meta(ge=0, le=16)] = 2
    damping: EdgeDampingSettings = EdgeDampingSettings()
    cache: EdgeCacheSettings = EdgeCacheSettings()
    decision_log: EdgeLogSettings = EdgeLogSettings()

    def rules(self) -> Rules:
        """As the machine wants them. Raises BadInputError for limits out of order."""
        damping = self.damping
        return Rules(
            ttl=timedelta(seconds=self.ttl_seconds),
            last_good_max_age=timedelta(seconds=self.last_good_max_age_seconds),
            trial=timedelta(seconds=self.trial_seconds),
            earlier=self.earlier,
            damping=DampingRules(
                refused=damping.refused_penalty,
                stale=damping.stale_penalty,
                half_life=timedelta(seconds=damping.half_life_seconds),
                suppress=damping.suppress,
                reuse=damping.reuse,
                cap=damping.cap,
                hold=timedelta(seconds=damping.hold_seconds),
                most_hold=timedelta(seconds=damping.most_hold_seconds),
            ),
        )


def check_edge(edge: EdgeSettings) -> None:
    """What types alone do not tell. Raises BadInputError naming key and remedy."""
    edge.rules()
    masks(edge.decision_log.mask)
    source = edge.source
    if source is None and edge.opa is None:
        raise BadInputError(
            "names neither a source of bundles nor a central OPA.",
            field="edge",
            remedy="Add [edge.source], [edge.opa], or both.",
        )
    if edge.engine == "opa" and edge.opa is None:
        raise BadInputError(
            "is missing.", field="edge.opa.url", remedy="Name the OPA, or choose another engine."
        )
    if source is None:
        return
    if bool(source.url) == bool(source.path):
        raise BadInputError(
            "must be named, or a path instead, but not both.",
            field="edge.source.url",
            remedy="Write url = 'https://host/path', or path = '/folder'.",
        )
    if (source.kind == "repository") != bool(source.root):
        raise BadInputError(
            "is needed by the kind repository, and by no other.",
            field="edge.source.root",
            remedy="Name the root.json that the publisher handed over, or change the kind.",
        )
    if not edge.keys:
        raise BadInputError(
            "are missing: no bundle could be trusted.",
            field="edge.keys",
            remedy="Add [[edge.keys]] with the file of the publisher's public key.",
        )
