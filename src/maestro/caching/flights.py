"""Single flight: of all who miss the same thing at once, one fetches it and the others wait for that one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Flights"]

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flights(Generic[K, T]):
    """Who fetches what. Safe to use from several threads: each operation is one step of a dictionary.

    A ticket is whatever the caller's kind of concurrency waits on: a future of a thread, or of an event loop.
    """

    def __init__(self) -> None:
        self._tickets: dict[K, T] = {}

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._tickets)

    def join(self, key: K, make: Callable[[], T]) -> tuple[T, bool]:
        """The ticket to wait on, and whether the caller is the one who fetches: then it must ``land``, whatever happens.

        Args:
            key: what is fetched.
            make: makes a ticket.
        """
        mine = make()
        ticket = self._tickets.setdefault(key, mine)
        return ticket, ticket is mine

    def land(self, key: K) -> T:
        """The ticket on which others wait; who misses from now on fetches anew."""
        return self._tickets.pop(key)
