"""Whose turn it is among those who wait for a tenant's slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maestro.ports.waiting import Waiter

__all__ = ["next_turn", "position"]


def next_turn(queue: Sequence[Waiter], full: Callable[[str], bool]) -> Waiter | None:
    """The first in the queue whose package has room.

    One whose package is full is passed over, not passed by: it keeps its place, and no later run of the same package
    gets its turn before it.

    Args:
        queue: the tenant's waiters, first come first.
        full: whether a package's cap leaves no room now.
    """
    known: dict[str, bool] = {}
    for waiter in queue:
        if waiter.package not in known:
            known[waiter.package] = full(waiter.package)
        if not known[waiter.package]:
            return waiter
    return None


def position(queue: Sequence[Waiter], ticket: int) -> int:
    """1 for the first of the queue; behind all when the ticket is not in it."""
    return 1 + sum(waiter.ticket < ticket for waiter in queue)
