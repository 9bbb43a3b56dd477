"""Compiled policies as a policy engine (``maestro.ports.policy``): what an edge decides by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs

from maestro.formats import opa_bundle
from maestro.kernel.errors import BadInputError, MaestroError, PortError, UntrustedError
from maestro.ports.capabilities import Capability
from maestro.ports.policy import UNDEFINED as NO_ANSWER
from maestro.ports.policy import Dependencies, LoadedPolicy, PolicyBundle, PolicyEngine, RulePath
from maestro.rego import numbers
from maestro.rego.analysis import Needs
from maestro.rego.builtins.registry import Registry
from maestro.rego.limits import DEFAULT_LIMITS, Limits
from maestro.rego.program import Program, compile_plan
from maestro.rego.values import UNDEFINED

__all__ = ["HOLDS_UNTIL", "LoadedProgram", "RegoEngine"]

HOLDS_UNTIL = "holds_until"
"""A rule that a package may have: seconds since 1970 until which its other rules answer the same question alike."""


@attrs.frozen
class LoadedProgram:
    """A bundle's program (``LoadedPolicy``).

    Attributes:
        program: compiled from the bundle's plan, with its data.
        revision: of the bundle.
        digest: of the bundle.
        limits: of each evaluation.
        seconds: that an evaluation may take by ``monotonic``.
        monotonic: reads seconds; None: evaluations end by steps alone.
        seed: what the random builtins of one evaluation draw from.
    """

    program: Program
    revision: str
    digest: str
    limits: Limits = DEFAULT_LIMITS
    seconds: float = 1.0
    monotonic: Callable[[], float] | None = None
    seed: Callable[[], bytes] = bytes

    def evaluate(self, path: RulePath, input: Any, now: datetime) -> Any:  # noqa: A002 - as the port spells it
        """As the port says. A path that the policy does not have is undefined, as over OPA's HTTP.

        Raises:
            PortError: ``policy_failed``: a conflict, a limit, a builtin without its operands' like.
        """
        needs = self._needs(path)
        if needs is None:
            return NO_ANSWER
        limits = self.limits
        if self.monotonic is not None:
            limits = attrs.evolve(limits, deadline=self.monotonic() + self.seconds)
        try:
            value = self.program.evaluate(
                path,
                UNDEFINED if input is NO_ANSWER else input,
                now=now,
                monotonic=self.monotonic,
                seed=self.seed() if "random" in needs.others else b"",
                limits=limits,
            )
        except MaestroError as error:
            raise PortError(
                f"The policy gave no answer to {'/'.join(path)}: {error}",
                code="policy_failed",
                retry_after=None,
            ) from error
        return NO_ANSWER if value is UNDEFINED else value

    def dependencies(self, path: RulePath) -> Dependencies:
        """From the plan: which places of the input any rule on the way looks at."""
        needs = self._needs(path)
        if needs is None:
            return Dependencies(frozenset())
        places = needs.places
        return Dependencies(
            None if () in places else places, time="now" in needs.others, random="random" in needs.others
        )

    def holds_until(self, path: RulePath, input: Any, now: datetime) -> datetime | None:  # noqa: A002 - as the port spells it
        """What the package's rule `HOLDS_UNTIL` says; without one, now if time matters."""
        needs = self._needs(path)
        if needs is None or "now" not in needs.others:
            return None
        said = (*path[:-1], HOLDS_UNTIL)
        if said not in self.program.entrypoints:
            return now
        value = self.evaluate(said, input, now)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**38:
            return max(now, datetime.fromtimestamp(value, UTC))
        return now

    def _needs(self, path: RulePath) -> Needs | None:
        try:
            return self.program.dependencies(path)
        except BadInputError:
            return None


class RegoEngine:
    """Runs bundles that bring a plan (``PolicyEngine``), whatever their policy is.

    Args:
        otherwise: engine for bundles without a plan; None: they are refused.
        registry: builtins, unless the standard ones.
        limits: of each evaluation.
        seconds: that an evaluation may take.
        monotonic: clock for that, in seconds.
        seed: what random builtins draw from, anew for each evaluation.
    """

    def __init__(
        self,
        otherwise: PolicyEngine | None = None,
        *,
        registry: Registry | None = None,
        limits: Limits = DEFAULT_LIMITS,
        seconds: float = 1.0,
        monotonic: Callable[[], float] | None = None,
        seed: Callable[[], bytes] = bytes,
    ) -> None:
        self._otherwise = otherwise
        self._registry = registry
        self._limits = limits
        self._seconds = seconds
        self._monotonic = monotonic
        self._seed = seed

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``IN_MEMORY``, unless the engine for other bundles waits."""
        return frozenset({Capability.IN_MEMORY}) if self._otherwise is None else self._otherwise.capabilities

    def load(self, bundle: PolicyBundle) -> LoadedPolicy:
        """Compile the bundle's plan.

        Raises:
            UntrustedError: ``engine_refused``: no plan, or one that is not understood or needs what is not there.
        """
        if bundle.plan is None:
            if self._otherwise is not None:
                return self._otherwise.load(bundle)
            raise _refused("it has no plan.json")
        try:
            data = opa_bundle.merge_data(bundle.files, numbers.number)
            program = compile_plan(bundle.plan, data=data, revision=bundle.revision, registry=self._registry)
        except BadInputError as error:
            raise _refused(str(error)) from error
        return LoadedProgram(
            program, bundle.revision, bundle.digest, self._limits, self._seconds, self._monotonic, self._seed
        )


def _refused(why: str) -> UntrustedError:
    return UntrustedError(
        f"The bundle cannot be compiled: {why}.",
        code="engine_refused",
        remedy="Build it with opa build -t plan, and name each rule that is asked for as an entrypoint.",
    )
