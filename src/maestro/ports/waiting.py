"""Waiting rooms: who waits for a slot, in the order they came, and the bell that wakes them.

A room gives no slots and holds no cap: that is the lease store's, whatever a room does or forgets. It only sees to it
that those who wait are woken soon and try in a fair order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

__all__ = ["Waiter", "WaitingRoom", "Waits"]


class Waiter(msgspec.Struct, frozen=True, gc=False):
    """Somebody who waits.

    Attributes:
        ticket: grows with every waiter of the room; who came first has the smallest.
        tenant: whose run.
        run: its id.
        package: what it runs.
    """

    ticket: int
    tenant: str
    run: str
    package: str


class WaitingRoom(Protocol):
    """Keeps waiters and wakes them.

    Contract: a ticket is gone when it was left or when ``lasts`` seconds have passed by the room's own clock since it
    was taken or last kept, so that a crashed waiter does not stand in the way for longer. A ring reaches all listeners
    of all processes that share the room, soon but not for certain: who waits looks again from time to time.
    """

    def join(self, tenant: str, run: str, package: str, lasts: float) -> Waiter:
        """Take a ticket. Raises PortError."""
        ...

    def stay(self, waiters: Sequence[Waiter], lasts: float) -> None:
        """Keep the tickets for ``lasts`` seconds from now; one that is gone comes back. Raises PortError."""
        ...

    def leave(self, waiter: Waiter) -> None:
        """Give the ticket back; doing it twice is harmless. Raises PortError."""
        ...

    def queue(self, tenant: str) -> Sequence[Waiter]:
        """Those of the tenant who wait, first come first. Raises PortError."""
        ...

    def ring(self, tenant: str) -> None:
        """Tell all listeners that something of the tenant's may have freed. Never raises: a lost ring heals."""
        ...

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None]:
        """Call ``heard(tenant)`` at every ring from now on, in any thread; ``""`` means any tenant's.

        Returns:
            A function that ends it.
        """
        ...


class Waits(Protocol):
    """A lease store that declares ``Capability.WAIT``."""

    def waiting_room(self) -> WaitingRoom:
        """The room of those who wait for this store's slots."""
        ...
