"""Policy engines: what turns a bundle into something that answers questions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, Protocol

import attrs

from maestro.ports.capabilities import Capability

__all__ = [
    "EVERYTHING",
    "UNDEFINED",
    "Dependencies",
    "InputPath",
    "LoadedPolicy",
    "PolicyBundle",
    "PolicyEngine",
    "RulePath",
    "Undefined",
]

RulePath = tuple[str, ...]
"""A rule or package below ``data``: ``("mc", "limits", "decision")``."""
InputPath = tuple[str, ...]
"""A place in the input document: ``("request", "package")``."""


class Undefined(Enum):
    """The answer of a policy that ran and has no value for this input. Never the answer of one that did not run."""

    UNDEFINED = "undefined"


UNDEFINED: Final[Literal[Undefined.UNDEFINED]] = Undefined.UNDEFINED


@attrs.frozen
class PolicyBundle:
    """A verified bundle, as engines are given it.

    Attributes:
        revision: of the manifest.
        digest: ``sha256:…`` of the canonical tar; what decisions and caches name.
        roots: of the manifest; ``("",)`` owns everything.
        files: every file by its path, in canonical order.
        data: the merged base documents.
        plan: ``plan.json`` if the bundle brings a compiled plan.
    """

    revision: str
    digest: str
    roots: tuple[str, ...]
    files: Mapping[str, bytes] = attrs.field(repr=False)
    data: Mapping[str, Any] = attrs.field(repr=False)
    plan: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Dependencies:
    """What an answer may depend on, beside the bundle. Saying too much costs cache hits; too little, correctness.

    Attributes:
        inputs: places of the input that matter, each with all below it; None: any of it.
        time: whether it may change as time passes.
        random: whether it may differ between two calls for any other reason: randomness, the network.
    """

    inputs: frozenset[InputPath] | None = None
    time: bool = False
    random: bool = False


EVERYTHING: Final = Dependencies(None, time=True, random=True)
"""Of a rule about which nothing is known: its answers are not kept."""


class LoadedPolicy(Protocol):
    """A bundle that an engine has accepted. Immutable, and safe to ask from several threads."""

    @property
    def revision(self) -> str:
        """Of the bundle."""
        ...

    @property
    def digest(self) -> str:
        """Of the bundle."""
        ...

    def evaluate(self, path: RulePath, input: Any, now: datetime) -> Any:  # noqa: A002  # Rego's own word
        """The value of a rule, or of all rules of a package.

        Args:
            path: which one; ``()`` is all of ``data``.
            input: a JSON document, or ``UNDEFINED`` for a question without one. It must not be changed.
            now: what the policy is to take for the present instant, the same for all of this evaluation.

        Returns:
            A JSON document, or ``UNDEFINED``. The caller may keep it and must not change it.

        Raises:
            PortError: there is no answer: ``policy_failed`` for a policy that contradicts itself or runs too long,
                else as its server failed. It must not be read as "undefined".
        """
        ...

    def dependencies(self, path: RulePath) -> Dependencies:
        """What the rule's answer may depend on."""
        ...

    def holds_until(self, path: RulePath, input: Any, now: datetime) -> datetime | None:  # noqa: A002  # as evaluate
        """The first instant after ``now`` at which the same question may be answered differently.

        ``now`` itself when that cannot be said and the rule depends on time; None when it does not.
        """
        ...


class PolicyEngine(Protocol):
    """Loads bundles.

    ``Capability.IN_MEMORY``: evaluating never waits, so an event loop may ask straight. ``BLOCKING``: it may.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this engine promises."""
        ...

    def load(self, bundle: PolicyBundle) -> LoadedPolicy:
        """Make the bundle ready to be asked. Nothing that was loaded before is touched.

        Raises:
            UntrustedError: ``engine_refused``, the engine cannot run this bundle; asking again will not help.
            PortError: the engine's server could not be asked; the bundle may be good.
        """
        ...
