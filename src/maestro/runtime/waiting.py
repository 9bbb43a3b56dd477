"""Waiting for a slot: a ticket in the store's room, a bell that rings at one's turn, and a look once a second."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from maestro.kernel.errors import PortError
from maestro.limits.decision import Decision
from maestro.limits.reasons import DenyReason
from maestro.limits.turns import next_turn, position
from maestro.ports.leases import LeaseStore
from maestro.ports.waiting import Waiter, WaitingRoom
from maestro.runtime.policies import Policies
from maestro.runtime.renewal import Renewer
from maestro.runtime.slots import Slot

__all__ = ["Bell", "Wait", "WaitingHall"]

LASTS_SECONDS = 3.0
"""A ticket is kept this long after its process was last seen: so long may a crashed waiter hold up those behind it.

Three times in this span each process looks for its waiters: so long, a second, may a lost ring or a lease that ran out
leave a slot idle.
"""

Bell = Callable[[], None]
"""Wakes one waiter of this process; may be called from any thread."""

_CAPS = frozenset({DenyReason.TENANT_CAP, DenyReason.PACKAGE_CAP})


class WaitingHall:
    """The waiters of this process before a store's waiting room. Thread-safe.

    A ring wakes whose turn it is, not the crowd: with five hundred waiting, a release must cost one look at the queue
    and one try, not five hundred.
    """

    def __init__(self, room: WaitingRoom, leases: LeaseStore, policies: Policies, renewer: Renewer) -> None:
        self._room = room
        self._leases = leases
        self._policies = policies
        self._renewer = renewer
        self._bells: dict[int, Bell] = {}
        self._waiters: dict[int, Waiter] = {}
        self._lock = threading.Lock()
        self._silence: Callable[[], None] | None = None

    def join(self, tenant: str, run: str, package: str, bell: Bell) -> Waiter:
        """Queue up; ``bell`` rings when it is the waiter's turn to try. Raises PortError."""
        waiter = self._room.join(tenant, run, package, LASTS_SECONDS)
        with self._lock:
            self._bells[waiter.ticket], self._waiters[waiter.ticket] = bell, waiter
            if self._silence is None:
                self._silence = self._room.listen(self._heard)
                self._renewer.add(self, LASTS_SECONDS, self._look)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Stop waiting, and let the next one look: there may be room for more than one."""
        with self._lock:
            self._bells.pop(waiter.ticket, None)
            self._waiters.pop(waiter.ticket, None)
        try:
            self._room.leave(waiter)
        except PortError:
            return  # the ticket runs out by itself
        self._room.ring(waiter.tenant)

    def position(self, waiter: Waiter) -> int:
        """The waiter's place in its tenant's queue, 1 for the first. Raises PortError."""
        return position(self._room.queue(waiter.tenant), waiter.ticket)

    def deserted(self, tenant: str) -> bool:
        """Whether nobody of the tenant waits. Raises PortError."""
        return not self._room.queue(tenant)

    def look(self, tenant: str) -> None:
        """Ring for whose turn it is, if that one waits in this process."""
        try:
            turn = next_turn(self._room.queue(tenant), lambda package: self._full(tenant, package))
        except PortError:
            return  # there is another look in a second
        with self._lock:
            bell = None if turn is None else self._bells.get(turn.ticket)
        if bell is not None:
            bell()

    def freed(self, tenant: str) -> None:
        """Tell every process that something of the tenant's may have freed."""
        self._room.ring(tenant)

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            silence, self._silence = self._silence, None
            self._bells.clear()
            self._waiters.clear()
        self._renewer.remove(self)
        if silence is not None:
            silence()

    def _look(self) -> bool:
        """Keep this process's tickets, and see whose turn it is without a ring."""
        with self._lock:
            waiters = list(self._waiters.values())
        try:
            if waiters:
                self._room.stay(waiters, LASTS_SECONDS)
        except PortError:
            return True
        self._heard("")
        return True

    def _heard(self, tenant: str) -> None:
        with self._lock:
            tenants = {waiter.tenant for waiter in self._waiters.values()}
        for name in tenants & {tenant} if tenant else tenants:
            self.look(name)

    def _full(self, tenant: str, package: str) -> bool:
        governing = self._policies.current(tenant).package_caps.governing(package)
        return governing is not None and self._leases.usage(tenant, package).package >= governing[1]


class Wait:
    """One caller's waiting, step by step, so that a thread and an event loop can drive the same code.

    Args:
        hall: where to queue up; None when the store has no room: then advice is all there is to go by.
        tenant: whose run.
        run: its id.
        package: what it runs.
        attempt: takes the slot, or says why not.
        seconds: how long to wait at most.
        now: a monotonic clock, in seconds.
        bell: wakes the caller before its pause is over.
    """

    def __init__(
        self,
        hall: WaitingHall | None,
        claimed: tuple[str, str, str],
        attempt: Callable[[], Slot | Decision],
        *,
        seconds: float,
        now: Callable[[], float],
        bell: Bell,
    ) -> None:
        self._hall = hall
        self._tenant, self._run, self._package = claimed
        self._attempt = attempt
        self._now = now
        self._bell = bell
        self._until = now() + seconds
        self._waiter: Waiter | None = None

    def step(self) -> float | Slot | Decision:
        """Try once; answers how many seconds to pause at most before the next step, or what came of it."""
        if self._hall is not None and self._waiter is None and not self._hall.deserted(self._tenant):
            self._queue_up()  # others came before, so do not try past them
            return max(0.0, self._until - self._now())
        answer = self._attempt()
        if isinstance(answer, Slot):
            self.close()
            return answer
        pause = self._pause(answer)
        if pause is not None:
            return pause
        told = self._told(answer)
        self.close()
        return told

    def hurry(self) -> None:
        """Make the next step the last: it gets the slot, or tells the place reached."""
        self._until = self._now()

    def close(self) -> None:
        """Stop waiting; harmless when it is over."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and self._hall is not None:
            self._hall.leave(waiter)

    def _queue_up(self) -> None:
        if self._hall is not None and self._waiter is None:
            self._waiter = self._hall.join(self._tenant, self._run, self._package, self._bell)
            self._hall.look(self._tenant)  # a slot that freed before the ticket was taken rang for nobody

    def _pause(self, denied: Decision) -> float | None:
        """How long waiting is worth while, None when it is not: nothing opens by itself, or not in time."""
        left = self._until - self._now()
        if left <= 0 or denied.retry_after is None:
            return None
        if all(deny.reason in _CAPS for deny in denied.denies):
            self._queue_up()
            return left if self._hall is not None else min(left, LASTS_SECONDS / 3)
        return None if denied.retry_after > left else float(denied.retry_after)

    def _told(self, denied: Decision) -> Decision:
        if self._waiter is None or self._hall is None:
            return denied
        return msgspec.structs.replace(denied, position=self._hall.position(self._waiter))
