"""A cache whose entries end: fresh until one instant, usable while somebody fetches anew until another."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import Generic, TypeVar

import attrs

from maestro.caching.bounded import BoundedCache

__all__ = ["ExpiringCache", "Found", "Look"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Found(Enum):
    """What a look into the cache found."""

    FRESH = "fresh"
    """Use it."""
    STALE = "stale"
    """Use it, and let one caller fetch it anew meanwhile (stale-while-revalidate, RFC 5861 section 3)."""
    NOTHING = "nothing"
    """Fetch it."""


@attrs.frozen
class Look(Generic[V]):
    """An answer of the cache; ``value`` counts unless nothing was found."""

    found: Found
    value: V | None = None


class _Kept(Generic[V]):
    __slots__ = ("fresh_until", "stale_until", "value")

    def __init__(self, value: V, fresh_until: int, stale_until: int) -> None:
        self.value = value
        self.fresh_until = fresh_until
        self.stale_until = stale_until


class ExpiringCache(Generic[K, V]):
    """Values with an end. Instants are integers of one clock, the caller's; ``look`` and ``keep`` as ``BoundedCache``.

    Answers that say "there is none" have a room of their own, so that somebody who asks for what does not exist drives
    out nothing that does.

    Args:
        most: values.
        most_negative: answers that there is none.
    """

    def __init__(self, most: int, most_negative: int | None = None) -> None:
        self._positive: BoundedCache[K, _Kept[V]] = BoundedCache(most)
        self._negative: BoundedCache[K, _Kept[V]] = BoundedCache(
            max(most // 10, 1) if most_negative is None else most_negative
        )

    def __len__(self) -> int:
        """How many values are kept, ended ones that nobody has asked for since included."""
        return len(self._positive) + len(self._negative)

    def look(self, key: K, now: int) -> Look[V]:
        """What is kept under the key at an instant."""
        kept = self._positive.get(key) or self._negative.get(key)
        if kept is None or now >= kept.stale_until:
            return Look(Found.NOTHING)
        return Look(Found.FRESH if now < kept.fresh_until else Found.STALE, kept.value)

    def keep(
        self, key: K, value: V, *, fresh_until: int, stale_until: int | None = None, negative: bool = False
    ) -> None:
        """Keep a value.

        Args:
            key: under which.
            value: what.
            fresh_until: the earlier of its time to live and the instant at which it may change.
            stale_until: until which it may be used while it is fetched anew; not before ``fresh_until``.
            negative: it says that there is none.
        """
        room, other = (self._negative, self._positive) if negative else (self._positive, self._negative)
        other.discard(key)
        room.put(key, _Kept(value, fresh_until, max(fresh_until, stale_until or fresh_until)))

    def discard(self, key: K) -> None:
        """Keep nothing under the key."""
        self._positive.discard(key)
        self._negative.discard(key)

    def clear(self) -> None:
        """Keep nothing."""
        self._positive.clear()
        self._negative.clear()
