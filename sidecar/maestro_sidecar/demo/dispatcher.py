"""A small scheduler: asks for a slot, waits as a deny advises, starts a process, gives the slot back when it ends."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from threading import Event

import attrs

from maestro.limits.decision import Decision
from maestro.ports.clock import BootClock
from maestro.runtime import BlockingLimits, Slot
from maestro_sidecar.demo.arrivals import Arrival

__all__ = ["Dispatcher", "Tally"]

_AT_ONCE = 12
"""Processes of one dispatcher at once: a demo must not take the machine away from its user."""
_PACE = 0.005
"""Seconds between two looks at what has ended and what is due."""
_BEHIND = 16
"""Retries of one moment are spread over a quarter of a second, so that a fleet does not come back as one."""
_TTL = 5.0
"""Seconds a slot outlives a crash of the demo; renewal holds it as long as its process runs."""
_START_UP = 0.15
"""Seconds from the question to the process's first step, added to what a run is expected to take."""
_NANO = 1_000_000_000

_CHILD = "import sys, time; time.sleep(float(sys.argv[1]))"
"""What a run does. -I -S spares it the reading of site-packages: a process starts in about 10 ms."""


@attrs.define
class Tally:
    """What happened to one tenant's runs.

    Attributes:
        runs: how many came.
        completed: processes that ended well.
        failed: processes that did not.
        given_up: runs that no retry could help.
        denies: by reason; one answer may hold several.
        first_start: seconds from the start of the demo to the tenant's first process.
    """

    runs: int = 0
    completed: int = 0
    failed: int = 0
    given_up: int = 0
    denies: Counter[str] = attrs.Factory(Counter)
    first_start: float | None = None


@attrs.frozen
class _Going:
    process: subprocess.Popen[bytes]
    slot: Slot
    arrival: Arrival


class Dispatcher:
    """Runs its arrivals to the end. One thread calls ``work``; others may read its figures.

    Args:
        limits: who decides; its store may be shared with other dispatchers.
        clock: a clock that counts, for waiting and measuring.
        arrivals: the runs.

    Attributes:
        tallies: by tenant.
        decided: nanoseconds of each answer to an acquire, the store's transaction included.
    """

    def __init__(self, limits: BlockingLimits, clock: BootClock, arrivals: Iterable[Arrival]) -> None:
        self.tallies: dict[str, Tally] = {}
        self.decided: list[int] = []
        self._limits = limits
        self._clock = clock
        self._due = [(arrival.after, arrival.run, arrival) for arrival in arrivals]
        heapify(self._due)
        self._going: list[_Going] = []
        self._begin = 0
        for _, _, arrival in self._due:
            self._tally(arrival).runs += 1

    @property
    def going(self) -> int:
        """Processes now."""
        return len(self._going)

    @property
    def waiting(self) -> int:
        """Runs that have not started yet."""
        return len(self._due)

    def work(self, stop: Event) -> None:
        """Run everything to its end, or until ``stop``; then nothing is left running and no slot held."""
        self._begin = self._clock.nanoseconds()
        try:
            while (self._due or self._going) and not stop.is_set():
                self._reap()
                while self._due and self._due[0][0] <= self._elapsed() and len(self._going) < _AT_ONCE:
                    self._ask(heappop(self._due)[2])
                stop.wait(_PACE)
        finally:
            for going in self._going:
                going.process.kill()
                going.process.wait()
                going.slot.release()

    def _ask(self, arrival: Arrival) -> None:
        before = self._clock.nanoseconds()
        answer = self._limits.acquire(
            run=arrival.run,
            tenant=arrival.tenant,
            package=arrival.package,
            ttl=_TTL,
            expected=arrival.seconds + _START_UP,
        )
        self.decided.append(self._clock.nanoseconds() - before)
        if isinstance(answer, Decision):
            self._wait(arrival, answer)
        else:
            self._start(arrival, answer)

    def _wait(self, arrival: Arrival, denied: Decision) -> None:
        tally = self._tally(arrival)
        tally.denies.update(str(deny.reason) for deny in denied.denies)
        if denied.retry_after is None:
            tally.given_up += 1
            return
        spread = len(self.decided) % _BEHIND / (_BEHIND * 4)
        heappush(self._due, (self._elapsed() + denied.retry_after + spread, arrival.run, arrival))

    def _start(self, arrival: Arrival, slot: Slot) -> None:
        slot.start_renewal()
        command = [sys.executable, "-I", "-S", "-c", _CHILD, f"{arrival.seconds:.3f}"]
        try:
            # In a session of its own, so that Ctrl-C reaches the demo alone, which then ends its processes.
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                command, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except BaseException:
            slot.release()
            raise
        self._going.append(_Going(process, slot, arrival))
        tally = self._tally(arrival)
        if tally.first_start is None:
            tally.first_start = self._elapsed()

    def _reap(self) -> None:
        ended = [going for going in self._going if going.process.poll() is not None]
        for going in ended:
            self._going.remove(going)
            going.slot.release()
            tally = self._tally(going.arrival)
            if going.process.returncode == 0:
                tally.completed += 1
            else:
                tally.failed += 1

    def _tally(self, arrival: Arrival) -> Tally:
        return self.tallies.setdefault(arrival.tenant, Tally())

    def _elapsed(self) -> float:
        return (self._clock.nanoseconds() - self._begin) / _NANO
