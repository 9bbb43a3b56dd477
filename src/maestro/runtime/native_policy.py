"""Run limits as a policy engine: a bundle's limits documents, judged by ``maestro.limits`` itself.

It runs bundles of known content only: documents under ``data.mc.documents``, and of Rego nothing but the policies of
``maestro_policy``, whose rules it answers under the same names. What it does not know it refuses, so that no policy is
silently left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from math import ceil
from typing import Any, Final

import msgspec
from msgspec import UNSET

from maestro.calendar import HORIZON
from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError, UntrustedError
from maestro.kernel.instants import epoch_seconds, from_epoch_seconds
from maestro.limits.decide import decide
from maestro.limits.documents import limits_from
from maestro.limits.policy import LimitsPolicy, compile_file
from maestro.limits.reasons import DenyReason
from maestro.limits.request import DecisionRequest, parse_request
from maestro.ports.capabilities import Capability
from maestro.ports.leases import Usage
from maestro.ports.policy import UNDEFINED, Dependencies, PolicyBundle, RulePath

__all__ = ["NativeLimits", "NativePolicy"]

_PACKAGE: Final = ("mc", "limits")
_RULES: Final = frozenset({"allow", "decision", "denies", "deny"})
_READ: Final = frozenset({("request",), ("tenant",), ("packageUsage",), ("runningTotal",)})
_NOT_FILES: Final = (".manifest", ".signatures.json", "data.json")


class NativeLimits:
    """The engine (``PolicyEngine``).

    Args:
        known: texts of the Rego modules whose meaning is built in.
    """

    def __init__(self, known: Collection[str] = ()) -> None:
        self._known = frozenset(text.encode() for text in known)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``IN_MEMORY``."""
        return frozenset({Capability.IN_MEMORY})

    def load(self, bundle: PolicyBundle) -> NativePolicy:
        """Compile the documents.

        Raises:
            UntrustedError: ``engine_refused``: a module or data that is not known, or a document that is none.
        """
        for name, content in bundle.files.items():
            if name.rpartition("/")[2] not in _NOT_FILES and content not in self._known:
                raise _refused(f"{name} is nothing that native limits know")
        try:
            mc = bundle.data["mc"]
            documents = mc["documents"]
            if set(bundle.data) != {"mc"} or not {"documents"} <= set(mc) <= {"documents", "intervals"}:
                raise _refused("data has more than mc.documents and mc.intervals")
            policies = {name: _policy(name, document) for name, document in documents.items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise _refused("data.mc.documents is missing") from error
        except BadInputError as error:
            raise _refused(str(error)) from error
        return NativePolicy(bundle.revision, bundle.digest, policies)


class NativePolicy:
    """Compiled documents (``LoadedPolicy``).

    Args:
        revision: of the bundle.
        digest: of the bundle.
        policies: by tenant.
    """

    def __init__(self, revision: str, digest: str, policies: Mapping[str, LimitsPolicy]) -> None:
        self.revision = revision
        self.digest = digest
        self._policies = policies

    def evaluate(self, path: RulePath, input: Any, now: datetime) -> Any:  # noqa: A002  # as the port spells it
        """``mc/limits/decision``, ``allow``, ``denies``, ``deny``, or the package with all of them."""
        if path[:2] != _PACKAGE or len(path) > 3 or (len(path) == 3 and path[2] not in _RULES):
            return UNDEFINED
        decision = self._decision(input, now)
        rules = {
            "allow": decision["allowed"],
            "decision": decision,
            "denies": decision["denies"],
            "deny": decision["denies"],
        }
        return rules if len(path) == 2 else rules[path[2]]

    def dependencies(self, path: RulePath) -> Dependencies:
        """The request, the usage told, and time."""
        return Dependencies(_READ if path[:2] == _PACKAGE else frozenset(), time=path[:2] == _PACKAGE)

    def holds_until(self, path: RulePath, input: Any, now: datetime) -> datetime | None:  # noqa: A002  # as the port spells it
        """While allowed: the end of the open time, cutoff and fit taken off. While denied: the next second's advice."""
        asked = _asked(input)
        policy = None if asked is None else self._policies.get(asked[0].tenant)
        if path[:2] != _PACKAGE or asked is None or policy is None or asked[0].ts is not UNSET:
            return None
        request, usage = asked
        expected = request.expected_seconds or None
        at = epoch_seconds(now)
        if not decide(policy, request.package, now, expected=expected, usage=usage).allowed:
            return from_epoch_seconds(at + 1)
        until = policy.schedule.open_until(at) or at
        fit = ceil(expected or 0) if policy.must_fit else 0
        # A span without an end is looked at again when a schedule looks no further.
        return from_epoch_seconds(max(min(until, at + HORIZON) - max(policy.cutoff, fit), at + 1))

    def _decision(self, given: Any, now: datetime) -> dict[str, Any]:
        asked = _asked(given)
        if asked is None:
            return _denied("bad_input", "The input holds no request.")
        request, usage = asked
        policy = self._policies.get(request.tenant)
        if policy is None:
            return _denied(DenyReason.POLICY_HORIZON.value, f"The bundle has no limits of {request.tenant}.")
        at = request.ts or now
        expected = request.expected_seconds or None
        decision: dict[str, Any] = msgspec.to_builtins(
            decide(policy, request.package, at, expected=expected, usage=usage)
        )
        return decision


def _policy(name: str, document: Any) -> LimitsPolicy:
    return compile_file(limits_from({"tenant": name, **document}), source="file", tenant=name)


def _asked(given: Any) -> tuple[DecisionRequest, Usage] | None:
    """The request of an input and the usage that it tells; None when it holds none."""
    try:
        request = parse_request(msgspec.json.encode(given["request"]))
        told = given["tenant"] if isinstance(given.get("tenant"), dict) else given
        usage = Usage(
            strict_json.convert(told.get("runningTotal", 0), int),
            strict_json.convert(told.get("packageUsage", {}), dict[str, int]).get(request.package, 0),
        )
    except (BadInputError, KeyError, TypeError, AttributeError):
        return None
    return request, usage


def _denied(reason: str, message: str) -> dict[str, Any]:
    denies = [{"reason": reason, "message": message, "retryAfter": None}]
    return {"allowed": False, "denies": denies, "retryAfter": None, "opensAt": None, "explanation": message}


def _refused(why: str) -> UntrustedError:
    return UntrustedError(
        f"Native limits cannot run the bundle: {why}.",
        code="engine_refused",
        remedy="Publish data.mc.documents and the policies of maestro_policy, or set edge.engine to one that runs Rego.",
    )
