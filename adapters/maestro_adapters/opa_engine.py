"""A central OPA as policy engine: it decides by the bundle that it has loaded itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from maestro.kernel.errors import PortError
from maestro.ports.capabilities import Capability
from maestro.ports.policy import EVERYTHING, UNDEFINED, Dependencies, PolicyBundle, RulePath
from maestro_adapters.opa import OpaClient

__all__ = ["OpaEngine", "OpaPolicy"]


@attrs.frozen
class OpaPolicy:
    """What a central OPA decides by (``LoadedPolicy``). Nothing is known of its rules, so its answers are not kept.

    Attributes:
        client: of the server.
        revision: of the bundle that was verified here; the server may be ahead or behind.
        digest: of the same.
    """

    client: OpaClient
    revision: str = ""
    digest: str = ""

    def evaluate(self, path: RulePath, input: Any, now: datetime) -> Any:  # noqa: A002  # as the port spells it
        """Ask the server, by its own clock."""
        del now
        try:
            return self.client.ask(path, input)
        except PortError as error:
            if error.code == "opa_undefined":
                return UNDEFINED
            raise

    def dependencies(self, path: RulePath) -> Dependencies:
        """Everything."""
        del path
        return EVERYTHING

    def holds_until(self, path: RulePath, input: Any, now: datetime) -> datetime:  # noqa: A002  # as the port spells it
        """It cannot be said."""
        del path, input
        return now


class OpaEngine:
    """Accepts a bundle if the central OPA answers and its own bundles are active (``PolicyEngine``).

    Args:
        client: of the server.
    """

    def __init__(self, client: OpaClient) -> None:
        self._client = client

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``."""
        return frozenset({Capability.BLOCKING})

    def load(self, bundle: PolicyBundle) -> OpaPolicy:
        """See that the server answers. Raises PortError."""
        self._client.check()
        return OpaPolicy(self._client, bundle.revision, bundle.digest)
