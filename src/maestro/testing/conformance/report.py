"""The kit without pytest: which checks ran on a store, and what they found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter  # noqa: TID251  # how long the checks took; nothing is decided by it
from typing import Any

import msgspec

from maestro.kernel.errors import BadInputError
from maestro.ports.capabilities import Capability
from maestro.testing.clock import VirtualClock
from maestro.testing.conformance.documents import DocumentStoreConformance
from maestro.testing.conformance.events import EventLogConformance
from maestro.testing.conformance.lake import LakeTableConformance
from maestro.testing.conformance.leases import LeaseStoreConformance
from maestro.testing.conformance.suite import Suite, capabilities_of

__all__ = ["Factory", "Failure", "Report", "checks", "run_conformance"]

Factory = Callable[[VirtualClock, Path], Any]
"""Opens a store on a clock and a folder; the same folder means the same store, if it outlives its process.

It may carry ``clock_control``, ``resolution_nanoseconds``, ``raw_names``, ``examples``, ``rounds`` and ``shrink`` as
attributes, with the meaning they have in the suites.
"""

_SUITES: tuple[tuple[type[Suite[Any]], tuple[str, ...]], ...] = (
    (LeaseStoreConformance, ("acquire", "renew", "release")),
    (DocumentStoreConformance, ("get", "put", "history")),
    (EventLogConformance, ("append", "read", "acknowledge")),
    (LakeTableConformance, ("merge", "append", "fold", "read")),
)
_SETTINGS = (
    "clock_control",
    "resolution_nanoseconds",
    "raw_names",
    "examples",
    "rounds",
    "shrink",
    "truncates",
)


class Failure(msgspec.Struct, frozen=True):
    """One check that failed: its name, and what it found."""

    name: str
    message: str


class Report(msgspec.Struct, frozen=True):
    """What the kit found.

    Attributes:
        port: ``leases``, ``documents``, ``events`` or ``lake``.
        capabilities: those the store declares, sorted.
        ran: how many checks ran.
        failed: how many of them failed.
        refused: undeclared capabilities of which it was checked that the store refuses them.
        seconds: how long it took.
        failures: the failed checks.
    """

    port: str
    capabilities: list[str]
    ran: int
    failed: int
    refused: int
    seconds: float
    failures: list[Failure] = []

    @property
    def passed(self) -> bool:
        """Whether something ran and nothing failed."""
        return self.ran > 0 and self.failed == 0


def checks(suite: type[Suite[Any]]) -> list[str]:
    """The names of a suite's checks, in the order in which they are written."""
    names = [name for base in reversed(suite.__mro__) for name in vars(base) if name.startswith("test_")]
    return list(dict.fromkeys(names))


def run_conformance(factory: Factory, *, stop_at_first: bool = False) -> Report:
    """Run every check of the port's suite on the stores that the factory opens.

    Raises:
        BadInputError: what the factory opens has the methods of no port that the kit knows.
    """
    began = perf_counter()
    suite, capabilities = _suite_for(factory)
    ran, failures = 0, []
    for name in checks(type(suite)):
        ran += 1
        failure = _run(suite, name)
        if failure is not None:
            failures.append(failure)
            if stop_at_first:
                break
    return Report(
        port=suite.port,
        capabilities=sorted(capabilities),
        ran=ran,
        failed=len(failures),
        refused=len(suite.refused),
        seconds=round(perf_counter() - began, 3),
        failures=failures,
    )


def _suite_for(factory: Factory) -> tuple[Suite[Any], frozenset[Capability]]:
    """The suite whose port the factory's stores implement, and what they declare."""
    given = {name: getattr(factory, name) for name in _SETTINGS if hasattr(factory, name)}
    given["make"] = lambda _, clock, folder: factory(clock, folder)
    with type("Probe", (Suite,), given)().bench() as bench:
        for base, methods in _SUITES:
            if all(callable(getattr(bench.store, method, None)) for method in methods):
                return type(base.__name__, (base,), given)(), capabilities_of(bench.store)
        raise BadInputError(
            "opens something that is no store of a known port.",
            field="factory",
            value=type(bench.store).__name__,
            remedy=f"Known ports: {', '.join(base.port for base, _ in _SUITES)}; see docs/howto/adapter.md.",
        )


def _run(suite: Suite[Any], name: str) -> Failure | None:
    try:
        getattr(suite, name)()
    except Exception as error:  # noqa: BLE001  # whatever the store raises is a finding
        notes = "\n".join(getattr(error, "__notes__", ()))
        return Failure(name, f"{type(error).__name__}: {error}\n{notes}".rstrip())
    return None
