"""The kit judged by planted bugs: it must pass the sound stores and catch every other one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter  # noqa: TID251  # how long the self-test took; nothing is decided by it
from typing import Any

from maestro.ports.capabilities import Capability
from maestro.testing.clock import VirtualClock
from maestro.testing.conformance.planted_documents import (
    PLANTED_DOCUMENT_BUGS,
    PLANTED_EVENT_BUGS,
    SoundDocuments,
    SoundEventLog,
)
from maestro.testing.conformance.planted_lake import PLANTED_LAKE_BUGS, SoundLake
from maestro.testing.conformance.planted_leases import PLANTED_LEASE_BUGS, SharesWithoutSaying, SoundLeases
from maestro.testing.conformance.report import Factory, Failure, Report, run_conformance

__all__ = ["PLANTED", "SOUND", "self_test"]


def _factory(store: type[Any]) -> Factory:
    def make(clock: VirtualClock, folder: Path) -> Any:
        if issubclass(store, SharesWithoutSaying):
            return store(clock, folder)
        return store(clock) if issubclass(store, SoundLeases) else store()

    make.shrink = False  # type: ignore[attr-defined]  # that a bug is caught is enough
    return make


SOUND: Mapping[str, Factory] = {
    store.__name__: _factory(store) for store in (SoundLeases, SoundDocuments, SoundEventLog, SoundLake)
}
"""Stores that the kit must pass."""

PLANTED: Mapping[str, Factory] = {
    store.__name__: _factory(store)
    for store in (*PLANTED_LEASE_BUGS, *PLANTED_DOCUMENT_BUGS, *PLANTED_EVENT_BUGS, *PLANTED_LAKE_BUGS)
}
"""Stores with one bug each, which the kit must fail."""


def self_test() -> Report:
    """Run the kit on every planted and every sound store; a failure is one that it misjudged."""
    began = perf_counter()
    failures: list[Failure] = []
    for name, factory in SOUND.items():
        report = run_conformance(factory)
        failures.extend(
            Failure(name, f"sound, yet {one.name} failed: {one.message}") for one in report.failures
        )
    for name, factory in PLANTED.items():
        if run_conformance(factory, stop_at_first=True).passed:
            failures.append(Failure(name, "its bug was not caught"))
    return Report(
        port="self-test",
        capabilities=[str(one) for one in (Capability.BLOCKING, Capability.EVENTS, Capability.IN_MEMORY)],
        ran=len(SOUND) + len(PLANTED),
        failed=len({one.name for one in failures}),
        refused=0,
        seconds=round(perf_counter() - began, 3),
        failures=failures,
    )
