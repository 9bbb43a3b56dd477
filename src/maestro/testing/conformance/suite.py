"""What the suites of all ports share: making the store under test, opening it again, closing it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Generic, TypeVar, cast

import hypothesis
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from maestro.kernel.errors import PortError
from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability
from maestro.testing.clock import VirtualClock

__all__ = ["Bench", "Suite", "capabilities_of", "kept_events", "raises"]

Store = TypeVar("Store")
E = TypeVar("E", bound=Exception)

_PHASES = (hypothesis.Phase.generate, hypothesis.Phase.shrink)

_IN_MEMORY = "/dev/shm"  # noqa: S108  # a folder of its own is made in it
"""Folders are made here where it exists: hundreds of stores are opened, and waiting for a disk proves nothing more
about ``kill -9``."""


class Bench(Generic[Store]):
    """A store under test with its clock and folder."""

    def __init__(self, suite: Suite[Store], clock: VirtualClock, folder: Path) -> None:
        self._suite = suite
        self._opened: list[Store] = []
        self.clock = clock
        self.folder = folder
        self.store = self.another()

    def another(self) -> Store:
        """One more store on the same clock and folder."""
        store = self._suite.make(self.clock, self.folder)
        self._opened.append(store)
        return store

    def reopen(self) -> Store:
        """Close all and open anew, as a restarted process does."""
        self.close()
        self.store = self.another()
        return self.store

    def close(self) -> None:
        """Close all stores of this bench that can be closed."""
        while self._opened:
            close = getattr(self._opened.pop(), "close", None)
            if close is not None:
                close()


class Suite(Generic[Store]):
    """Base of the suites: subclass one and say how your store is made.

    Every method whose name starts with ``test_`` is one check; pytest collects them, ``run_conformance`` calls them.
    """

    port: ClassVar[str]
    """Which port the suite is for."""

    clock_control: ClassVar[bool] = True
    """Whether the store counts by the clock that ``make`` is given. Without that (a server's own clock) the checks
    that let time pass do so for real, with short spans, and reboots are not simulated."""

    resolution_nanoseconds: ClassVar[int] = 1
    """The smallest step of time that the store tells apart, at most a millisecond."""

    raw_names: ClassVar[bool] = True
    """Whether the store takes every ``str`` that UTF-8 can hold; False: the names of ``maestro.kernel.names``."""

    examples: ClassVar[int] = 60
    """How many histories the model runs in lock-step with the store."""

    shrink: ClassVar[bool] = True
    """Whether a failing history is made short before it is told: worth minutes when one is to be read."""

    refused: tuple[Capability, ...] = ()
    """Undeclared capabilities of which the checks found that they are refused (pytest wants no constructor here)."""

    def make(self, clock: VirtualClock, folder: Path) -> Store:
        """Open the store under test; the same folder means the same store, if it outlives its process."""
        raise NotImplementedError(
            "say how your store is made: def make(self, clock, folder): return MyStore(...)"
        )

    @contextmanager
    def bench(self) -> Iterator[Bench[Store]]:
        """A fresh store, closed and deleted at the end."""
        base = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
        with TemporaryDirectory(
            prefix="maestro-conformance-", dir=base, ignore_cleanup_errors=True
        ) as folder:
            bench = Bench(self, VirtualClock(), Path(folder))
            try:
                yield bench
            finally:
                bench.close()

    def declares(self, capability: Capability) -> bool:
        """Whether the store promises it."""
        with self.bench() as bench:
            return capability in capabilities_of(bench.store)

    def settings(self) -> hypothesis.settings:
        """How much hypothesis tries; everything else is as the profile says."""
        return hypothesis.settings(
            max_examples=self.examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=_PHASES if self.shrink else _PHASES[:1],
            suppress_health_check=list(hypothesis.HealthCheck),
        )

    def run_machine(self, machine: Callable[[Suite[Store]], RuleBasedStateMachine]) -> None:
        """Run the state machine ``machine(self)`` through random histories."""
        start = cast("type[RuleBasedStateMachine]", lambda: machine(self))  # hypothesis only calls it
        run_state_machine_as_test(start, settings=self.settings())

    def does_not_outlive(self, bench: Bench[Store]) -> bool:
        """For a store without DURABLE: reopening must refuse. False when it opened, and must know nothing."""
        try:
            bench.reopen()
        except PortError:
            return True
        return False


def capabilities_of(store: object) -> frozenset[Capability]:
    """What the store declares; a failure when it is anything but a set of capabilities."""
    declared: Any = getattr(store, "capabilities", None)
    assert isinstance(declared, frozenset | set), (
        f"capabilities is {declared!r}, not a frozenset of Capability"
    )
    assert all(isinstance(one, Capability) for one in declared), f"unknown capabilities in {declared!r}"
    assert Capability.BLOCKING in declared or Capability.IN_MEMORY in declared, (
        "the store declares neither BLOCKING nor IN_MEMORY; the kit calls plain functions"
    )
    return frozenset(declared)


def kept_events(store: object, after: int = 0) -> Iterable[tuple[int, Event]]:
    """The events that the store's outbox holds after a position."""
    outbox: Any = getattr(store, "outbox", None)
    assert hasattr(outbox, "read"), "a store that declares EVENTS has an attribute 'outbox' that can be read"
    found: list[tuple[int, Event]] = []
    while page := outbox.read(found[-1][0] if found else after, 1000):
        found.extend(page)
    return found


def raises(kind: type[E], call: Callable[[], object]) -> E:
    """The error that the call raises; a failure when it raises none."""
    try:
        answer = call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {answer!r}")
