"""A bounded cache that evicts by S3-FIFO: three queues, in which a hit moves nothing.

The rule is that of Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction" (SOSP 2023).
New keys enter a small queue. One that is asked for again before it reaches the end goes on to the main queue, one that
is not leaves, and only its name is remembered for a while; a key whose name is remembered enters the main queue at
once. So what is asked for once, as by a scan, never drives out what is asked for often.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

__all__ = ["BoundedCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MOST_HITS: Final = 3
"""Hits that are counted; what was asked for more often is not kept longer."""


class _Entry(Generic[V]):
    __slots__ = ("hits", "value")

    def __init__(self, value: V) -> None:
        self.value = value
        self.hits = 0


class BoundedCache(Generic[K, V]):
    """Keeps at most ``most`` values.

    ``get`` may be called from several threads at once, also while another one changes the cache; two that change it
    need a lock of their own.

    Args:
        most: values, at least 1.
    """

    def __init__(self, most: int) -> None:
        self.most = max(most, 1)
        self._most_small = max(self.most // 10, 1)
        self._small: dict[K, _Entry[V]] = {}  # dictionaries keep the order of entering, so each is a queue
        self._main: dict[K, _Entry[V]] = {}
        self._ghosts: dict[K, None] = {}

    def __len__(self) -> int:
        """How many values are kept."""
        return len(self._small) + len(self._main)

    def get(self, key: K) -> V | None:
        """The value kept under the key, or None."""
        entry = self._small.get(key) or self._main.get(key)
        if entry is None:
            return None
        if entry.hits < _MOST_HITS:
            entry.hits += 1
        return entry.value

    def put(self, key: K, value: V) -> None:
        """Keep a value, in place of the one that was kept under the key."""
        entry = self._small.get(key) or self._main.get(key)
        if entry is not None:
            entry.value = value
            return
        remembered = key in self._ghosts
        if remembered:
            del self._ghosts[key]
        while len(self) >= self.most:
            self._evict()
        (self._main if remembered else self._small)[key] = _Entry(value)

    def discard(self, key: K) -> None:
        """Keep nothing under the key."""
        if self._small.pop(key, None) is None:
            self._main.pop(key, None)

    def clear(self) -> None:
        """Keep nothing."""
        self._small.clear()
        self._main.clear()
        self._ghosts.clear()

    def _evict(self) -> None:
        """Make one step that brings an eviction nearer; each entry can be passed over so often only."""
        if len(self._small) > self._most_small or not self._main:
            key = next(iter(self._small))
            entry = self._small.pop(key)
            if entry.hits:
                entry.hits = 0
                self._main[key] = entry
            else:
                self._remember(key)
            return
        key = next(iter(self._main))
        entry = self._main.pop(key)
        if entry.hits:
            entry.hits -= 1
            self._main[key] = entry

    def _remember(self, key: K) -> None:
        self._ghosts[key] = None
        if len(self._ghosts) > self.most:
            del self._ghosts[next(iter(self._ghosts))]
