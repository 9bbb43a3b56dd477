"""Sets of instants as half-open intervals of whole seconds.

An `Interval` is ``(start, end)`` with ``start < end``. A *set* is a tuple of them: sorted, disjoint, none
touching the next. All functions but `union` and `first_of` take and return sets.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

__all__ = ["Interval", "clip", "first_of", "subtract", "union"]

Interval = tuple[int, int]


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The set that holds every instant of any interval, given in any order; touching ones become one."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def subtract(intervals: Iterable[Interval], holes: Iterable[Interval]) -> tuple[Interval, ...]:
    """The set without the instants of another set."""
    rest: list[Interval] = []
    pending = tuple(holes)
    hole = 0
    for start, end in intervals:
        at = start
        while hole < len(pending) and pending[hole][0] < end:
            if at < pending[hole][0]:
                rest.append((at, pending[hole][0]))
            at = max(at, pending[hole][1])
            if at >= end:
                break  # this hole may reach into the next interval
            hole += 1
        if at < end:
            rest.append((at, end))
    return tuple(rest)


def clip(intervals: Iterable[Interval], start: int, end: int) -> tuple[Interval, ...]:
    """The part of the set within [start, end)."""
    return tuple(
        (max(begin, start), min(until, end))
        for begin, until in intervals
        if max(begin, start) < min(until, end)
    )


def first_of(layers: Iterable[Iterable[Interval]]) -> tuple[tuple[int, ...], tuple[int | None, ...]]:
    """For every instant, the number of the first layer that holds it.

    Args:
        layers: intervals of layer 0, of layer 1, and so on; a lower number hides a higher one.

    Returns:
        ``(edges, owners)``: ``owners[bisect_right(edges, t)]`` is the number for the instant t, or None.
    """
    pieces = [(start, end, number) for number, layer in enumerate(layers) for start, end in layer]
    edges = sorted({edge for start, end, _ in pieces for edge in (start, end)})
    waiting = sorted(pieces, reverse=True)
    active: list[tuple[int, int]] = []
    owners: list[int | None] = [None]
    for edge in edges:
        while waiting and waiting[-1][0] == edge:
            _, end, number = waiting.pop()
            heappush(active, (number, end))
        while active and active[0][1] <= edge:
            heappop(active)
        owners.append(active[0][0] if active else None)
    return tuple(edges), tuple(owners)
