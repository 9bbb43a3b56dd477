"""Whether a concurrent history was possible: Wing and Gong's search, remembering the states it has seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import attrs

__all__ = ["Call", "linearisable"]

State = TypeVar("State", bound=Hashable)


@attrs.frozen
class Call:
    """One call of a history.

    Attributes:
        began: when it was made, by a counter that all callers share.
        ended: when its answer was there, by the same counter.
        asked: what was asked.
        answer: what was answered.
    """

    began: int
    ended: int
    asked: Any
    answer: Any


def linearisable(calls: Sequence[Call], start: State, step: Callable[[State, Call], State | None]) -> bool:
    """Whether some order of the calls that respects their overlaps explains every answer.

    Args:
        calls: the history, at most a few dozen calls.
        start: the state before it.
        step: the state after the call, or None when its answer is not what that state gives.
    """
    everything = (1 << len(calls)) - 1
    seen: set[tuple[int, State]] = set()

    def search(done: int, state: State) -> bool:
        if done == everything:
            return True
        if (done, state) in seen:
            return False
        seen.add((done, state))
        waiting = [index for index in range(len(calls)) if not done >> index & 1]
        first_end = min(calls[index].ended for index in waiting)
        for index in waiting:
            if calls[index].began < first_end:
                after = step(state, calls[index])
                if after is not None and search(done | 1 << index, after):
                    return True
        return False

    return search(0, start)
