"""Offline replay: judge every admission again from the event log alone, and name those that should not have been.

It shares ``decide`` with admission but not the count: here usage is recounted from the leases that the log tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import msgspec

from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event
from maestro.limits.decide import decide
from maestro.limits.decision import Decision
from maestro.limits.documents import LimitsFile, PackageCapsDocument, WindowsDocument
from maestro.limits.events import DEFAULT_DECLARED, DOCUMENT_CHANGED, RUN_ADMITTED, RUN_RELEASED, RUN_RENEWED
from maestro.limits.policy import LimitsPolicy, compile_file, compile_policy
from maestro.limits.revision import UNRESTRICTED, revision_of
from maestro.ports.leases import Usage

__all__ = ["Replay", "Violation"]

KEPT_VIOLATIONS = 1000


class Violation(msgspec.Struct, rename="camel", frozen=True):
    """A run admitted which the replay denies.

    Attributes:
        tenant: whose run.
        run: its id.
        package: what it ran.
        token: its fencing token.
        at: when it was admitted, by the admitting side's wall clock.
        reasons: codes of the denies.
        explanation: the replay's verdict in plain words.
    """

    tenant: str
    run: str
    package: str
    token: int
    at: datetime
    reasons: tuple[str, ...]
    explanation: str


class _Held(msgspec.Struct):
    package: str
    token: int
    expires: float


@attrs.define
class _Tenant:
    windows: tuple[int, WindowsDocument] | None = None
    caps: tuple[int, PackageCapsDocument] | None = None
    policy: LimitsPolicy | None = None
    held: dict[str, _Held] = attrs.Factory(dict)


class _TenantState(msgspec.Struct):
    windows: tuple[int, WindowsDocument] | None
    caps: tuple[int, PackageCapsDocument] | None
    held: dict[str, _Held]


class _State(msgspec.Struct):
    """What a replay is at one position of its log; ``format`` grows when an older release could not go on from it."""

    format: int
    clock: float
    admitted: int
    shadow_denied: int
    violated: int
    violations: list[Violation]
    defaults: dict[str, LimitsFile]
    tenants: dict[str, _TenantState]


_FORMAT = 1
_states = msgspec.json.Decoder(_State)


class Replay:
    """Feed it a log's events in order; ask it for the figures at any time. Not thread-safe.

    Attributes:
        admitted: admissions judged.
        shadow_denied: admissions denied only by rules that flag ``run_windows_caps`` had switched off.
        violations: the first thousand violations.
        violated: how many there were in all.
    """

    def __init__(self) -> None:
        self.admitted = 0
        self.shadow_denied = 0
        self.violated = 0
        self.violations: list[Violation] = []
        self._tenants: dict[str, _Tenant] = {}
        self._defaults: dict[str, LimitsFile] = {}
        self._clock = 0.0
        self._steps = {
            DOCUMENT_CHANGED: self._document_changed,
            DEFAULT_DECLARED: self._default_declared,
            RUN_ADMITTED: self._run_admitted,
            RUN_RENEWED: self._run_renewed,
            RUN_RELEASED: self._run_released,
        }

    def state(self) -> bytes:
        """All that is needed to go on from here without what was fed before."""
        tenants = {
            name: _TenantState(
                one.windows,
                one.caps,
                {run: held for run, held in one.held.items() if held.expires > self._clock},
            )
            for name, one in self._tenants.items()
        }
        figures = (self.admitted, self.shadow_denied, self.violated, self.violations)
        return msgspec.json.encode(_State(_FORMAT, self._clock, *figures, self._defaults, tenants))

    @classmethod
    def restored(cls, state: bytes) -> Replay | None:
        """The replay that ``state`` was taken of; None when this release cannot go on from it."""
        try:
            kept = _states.decode(state)
        except msgspec.MsgspecError:
            return None
        if kept.format != _FORMAT:
            return None
        replay = cls()
        replay.admitted, replay.shadow_denied = kept.admitted, kept.shadow_denied
        replay.violated, replay.violations = kept.violated, kept.violations
        replay._clock, replay._defaults = kept.clock, kept.defaults
        replay._tenants = {
            name: _Tenant(one.windows, one.caps, held=one.held) for name, one in kept.tenants.items()
        }
        return replay

    @property
    def ratio(self) -> float:
        """Violations per admission, 0 when nothing was admitted (``mc_limit_violations_ratio``)."""
        return self.violated / self.admitted if self.admitted else 0.0

    def feed(self, event: Event) -> None:
        """Take the next event; types that are not of limits are passed over.

        Raises:
            BadInputError: an event of limits lacks a field or holds a malformed document.
        """
        step = self._steps.get(event.type)
        if step is None:
            return
        try:
            step(event)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(
                f"is not a well-formed {event.type} event: {error}.",
                field="data",
                value=event.id,
                remedy="Replay the log as it was written; this entry was altered.",
            ) from error

    def _document_changed(self, event: Event) -> None:
        data = event.data
        tenant = self._tenant(data["tenant"])
        if data["kind"] == "windows":
            tenant.windows = (data["version"], strict_json.convert(data["document"], WindowsDocument))
        elif data["kind"] == "package-caps":
            tenant.caps = (data["version"], strict_json.convert(data["document"], PackageCapsDocument))
        tenant.policy = None

    def _default_declared(self, event: Event) -> None:
        self._defaults[event.data["revision"]] = strict_json.convert(event.data["document"], LimitsFile)

    def _run_admitted(self, event: Event) -> None:
        data = event.data
        self._advance(data["storeSeconds"])
        tenant = self._tenant(data["tenant"])
        tenant.held = {run: held for run, held in tenant.held.items() if held.expires > self._clock}
        package = data["package"]
        usage = Usage(len(tenant.held), sum(held.package == package for held in tenant.held.values()))
        policy = self._policy(data["tenant"], tenant, data)
        verdict = decide(policy, package, event.time, expected=data.get("expectedSeconds"), usage=usage)
        self._judge(event, data, verdict)
        tenant.held[data["run"]] = _Held(package, data["token"], self._clock + data["ttlSeconds"])

    def _run_renewed(self, event: Event) -> None:
        data = event.data
        self._advance(data["storeSeconds"])
        held = self._tenant(data["tenant"]).held.get(data["run"])
        if held is not None and held.token == data["token"]:
            held.expires = self._clock + data["ttlSeconds"]

    def _run_released(self, event: Event) -> None:
        data = event.data
        self._advance(data["storeSeconds"])
        tenant = self._tenant(data["tenant"])
        held = tenant.held.get(data["run"])
        if held is not None and held.token == data["token"]:
            del tenant.held[data["run"]]

    def _advance(self, seconds: float) -> None:
        """Follow the store's clock. It runs backward only over a reboot, which ended every holder before it."""
        if seconds < self._clock:
            for tenant in self._tenants.values():
                tenant.held.clear()
        self._clock = seconds

    def _tenant(self, name: str) -> _Tenant:
        return self._tenants.setdefault(name, _Tenant())

    def _policy(self, name: str, tenant: _Tenant, data: Mapping[str, Any]) -> LimitsPolicy:
        if tenant.policy is None and (tenant.windows or tenant.caps):
            tenant.policy = compile_policy(
                name,
                tenant.windows[1] if tenant.windows else None,
                tenant.caps[1] if tenant.caps else None,
                source="document",
                revision=revision_of(tenant.windows and tenant.windows[0], tenant.caps and tenant.caps[0]),
            )
        if tenant.policy is not None:
            return tenant.policy
        default = self._defaults.get(data["policyRevision"], UNRESTRICTED)
        return compile_file(default, source="default", tenant=name)

    def _judge(self, event: Event, data: Mapping[str, Any], verdict: Decision) -> None:
        self.admitted += 1
        if verdict.allowed:
            return
        if not data["enforced"] and all(deny.reason != "tenant_cap" for deny in verdict.denies):
            self.shadow_denied += 1
            return
        self.violated += 1
        if len(self.violations) < KEPT_VIOLATIONS:
            self.violations.append(
                Violation(
                    tenant=data["tenant"],
                    run=data["run"],
                    package=data["package"],
                    token=data["token"],
                    at=event.time,
                    reasons=tuple(str(deny.reason) for deny in verdict.denies),
                    explanation=verdict.explanation,
                )
            )
