"""The demo put together: two dispatchers, as two schedulers of a fleet, on one SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import Self

from maestro.limits.replay import Replay
from maestro.runtime import BlockingLimits
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases
from maestro_sidecar.demo.arrivals import Arrival, Trace, made_up
from maestro_sidecar.demo.dispatcher import Dispatcher, Tally
from maestro_sidecar.demo.report import Report
from maestro_sidecar.demo.tenants import DemoTenant, demo_tenants
from maestro_sidecar.event_logs import events_in

__all__ = ["Watch", "run_demo"]

DISPATCHERS = 2
_LOOK = 0.2
"""Seconds between two looks of who watches."""
_NANO = 1_000_000_000

Watch = Callable[[float, Sequence[Dispatcher]], None]
"""Called some times a second with the seconds gone and the dispatchers."""


def run_demo(store: Path, runs: int, watch: Watch, trace: Trace | None = None) -> Report:
    """Run the demo on a SQLite file, which is made when missing and stays.

    Raises:
        PortError: the file cannot be used.
    """
    clock = SystemClock()
    tenants = demo_tenants(clock.now())
    arrivals = made_up(runs, tenants) if trace is None else trace.arrivals(tenants)
    with _Fleet(store, clock) as fleet:
        fleet.publish(tenants)
        began = clock.nanoseconds()
        fleet.run(arrivals, watch)
        seconds = (clock.nanoseconds() - began) / _NANO
    replay = Replay()
    for event in events_in(store):
        replay.feed(event)
    return Report(
        tenants=tenants,
        tallies=_together(fleet.dispatchers),
        decided=sorted(each for dispatcher in fleet.dispatchers for each in dispatcher.decided),
        replay=replay,
        seconds=seconds,
        store=str(store),
        trace=trace,
    )


class _Fleet:
    """Two dispatchers, each with connections of its own, as two processes of a fleet would have."""

    def __init__(self, store: Path, clock: SystemClock) -> None:
        self.dispatchers: list[Dispatcher] = []
        self._store = store
        self._clock = clock
        self._doors: list[tuple[BlockingLimits, SqliteLeases, SqliteDocuments]] = []

    def __enter__(self) -> Self:
        for _ in range(DISPATCHERS):
            leases, documents = SqliteLeases(self._store), SqliteDocuments(self._store)
            self._doors.append((BlockingLimits(leases, self._clock, documents), leases, documents))
        return self

    def __exit__(self, *_: object) -> None:
        for limits, leases, documents in self._doors:
            limits.close()
            leases.close()
            documents.close()

    def publish(self, tenants: Sequence[DemoTenant]) -> None:
        """Write the tenants' documents, and tell the log what those without any get."""
        limits, _, documents = self._doors[0]
        documents.outbox.append([limits.declared_defaults()])
        for tenant in tenants:
            if tenant.limits is not None:
                limits.put(tenant.limits, by="demo")

    def run(self, arrivals: Sequence[Arrival], watch: Watch) -> None:
        """Run all arrivals to their end, dealt to the dispatchers in turn."""
        self.dispatchers = [
            Dispatcher(limits, self._clock, arrivals[number::DISPATCHERS])
            for number, (limits, _, _) in enumerate(self._doors)
        ]
        stop, began = Event(), self._clock.nanoseconds()
        with ThreadPoolExecutor(DISPATCHERS, "dispatcher") as threads:
            working = [threads.submit(dispatcher.work, stop) for dispatcher in self.dispatchers]
            try:
                while wait(working, timeout=_LOOK).not_done and not any(
                    each.done() and each.exception() for each in working
                ):
                    watch((self._clock.nanoseconds() - began) / _NANO, self.dispatchers)
            finally:
                # One that failed, or Ctrl-C, stops the others: no process may outlive the demo.
                stop.set()
        for each in working:
            each.result()


def _together(dispatchers: Sequence[Dispatcher]) -> dict[str, Tally]:
    """The tallies of all dispatchers, by tenant."""
    sums: dict[str, Tally] = {}
    for dispatcher in dispatchers:
        for name, tally in dispatcher.tallies.items():
            known = sums.setdefault(name, Tally())
            known.runs += tally.runs
            known.completed += tally.completed
            known.failed += tally.failed
            known.given_up += tally.given_up
            known.denies += tally.denies
            starts = [each for each in (known.first_start, tally.first_start) if each is not None]
            known.first_start = min(starts, default=None)
    return sums
