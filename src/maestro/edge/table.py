"""The quarantine machine as a table: where each signal leads from each state, and what is done on the way.

A guard tells outcomes of one signal apart; ``maestro.edge.machine`` knows when each holds. The page
``docs/policy/EDGE_QUARANTINE.md`` shows this very table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from maestro.edge.record import State

__all__ = ["TABLE", "Act", "Guard", "Outcome", "Signal", "guards_of"]


class Signal(StrEnum):
    """What happened to an edge."""

    GOOD = "good"
    """A candidate other than what serves or waits was verified and accepted by the engine."""
    CONFIRMED = "confirmed"
    """The source still offers what serves or waits."""
    REFUSED = "refused"
    """A candidate was refused."""
    AGED = "aged"
    """The freshness of what serves or waits has ended."""
    ENDED = "ended"
    """What serves has reached ``lastGoodMaxAge``."""
    FAILED = "failed"
    """What serves is no longer what was verified, or its key was revoked."""
    PIN = "pin"
    """An operator chose what decides."""
    UNPIN = "unpin"
    """An operator gave the choice back."""
    CLOCK_BACK = "clock_back"
    """The clocks show less time than was seen."""
    CLOCK_RIGHT = "clock_right"
    """They have caught up, or an operator has reset them."""


class Guard(StrEnum):
    """What tells two outcomes of a signal apart."""

    ALWAYS = ""
    FREE = "fresh, hold over, not suppressed"
    HELD = "else"
    TRIED = "fresh, trial over"
    CANDIDATE = "a good candidate waits"
    HEIR = "another good bundle is held"
    GOOD = "what serves or waits is good"
    FRESH = "what serves or waits is fresh"
    CLOCK = "closed by the clock"


class Act(StrEnum):
    """What is done beside changing the state."""

    NOTHING = ""
    SWAP = "swap to the candidate, if one waits"
    FALL_BACK = "swap to the newest of the others"
    END = "stop deciding"
    SUSPEND = "stop deciding, keep the bundle"
    RESUME = "decide again, by the candidate if what served is no longer good"
    CHOOSE = "swap to the chosen one"


class Outcome(NamedTuple):
    """One cell of the table."""

    state: State
    act: Act = Act.NOTHING


_DECIDING = (State.ACTIVE, State.QUARANTINED, State.PROBATION, State.PINNED)


def _rows() -> Iterator[tuple[State, Signal, Guard, State, Act]]:
    """The table, one row a line; of rows with the same state and signal the first whose guard holds counts."""
    yield State.EMPTY, Signal.GOOD, Guard.ALWAYS, State.ACTIVE, Act.SWAP
    yield State.EMPTY, Signal.REFUSED, Guard.ALWAYS, State.CLOSED, Act.NOTHING

    yield State.ACTIVE, Signal.GOOD, Guard.ALWAYS, State.ACTIVE, Act.SWAP
    yield State.ACTIVE, Signal.REFUSED, Guard.ALWAYS, State.QUARANTINED, Act.NOTHING
    yield State.ACTIVE, Signal.AGED, Guard.ALWAYS, State.QUARANTINED, Act.NOTHING

    yield State.QUARANTINED, Signal.GOOD, Guard.FREE, State.PROBATION, Act.NOTHING
    yield State.QUARANTINED, Signal.CONFIRMED, Guard.FREE, State.PROBATION, Act.NOTHING

    yield State.PROBATION, Signal.GOOD, Guard.TRIED, State.ACTIVE, Act.SWAP
    yield State.PROBATION, Signal.CONFIRMED, Guard.TRIED, State.ACTIVE, Act.SWAP
    yield State.PROBATION, Signal.REFUSED, Guard.ALWAYS, State.QUARANTINED, Act.NOTHING
    yield State.PROBATION, Signal.AGED, Guard.ALWAYS, State.QUARANTINED, Act.NOTHING

    yield State.PINNED, Signal.UNPIN, Guard.FRESH, State.ACTIVE, Act.SWAP
    yield State.PINNED, Signal.UNPIN, Guard.HELD, State.QUARANTINED, Act.NOTHING

    for state in _DECIDING:
        yield state, Signal.PIN, Guard.ALWAYS, State.PINNED, Act.CHOOSE
        yield state, Signal.FAILED, Guard.HEIR, State.QUARANTINED, Act.FALL_BACK
        yield state, Signal.FAILED, Guard.HELD, State.CLOSED, Act.END
        if state is not State.ACTIVE:  # there what serves ages first
            yield state, Signal.ENDED, Guard.CANDIDATE, State.QUARANTINED, Act.SWAP
            yield state, Signal.ENDED, Guard.HELD, State.CLOSED, Act.END
        yield state, Signal.CLOCK_BACK, Guard.ALWAYS, State.CLOSED, Act.SUSPEND

    yield State.CLOSED, Signal.GOOD, Guard.CLOCK, State.CLOSED, Act.NOTHING
    yield State.CLOSED, Signal.GOOD, Guard.HELD, State.PROBATION, Act.SWAP
    yield State.CLOSED, Signal.FAILED, Guard.ALWAYS, State.CLOSED, Act.END
    yield State.CLOSED, Signal.CLOCK_RIGHT, Guard.GOOD, State.PROBATION, Act.RESUME
    yield State.CLOSED, Signal.CLOCK_RIGHT, Guard.HELD, State.CLOSED, Act.END


TABLE: Final[Mapping[tuple[State, Signal, Guard], Outcome]] = MappingProxyType(
    {(state, signal, guard): Outcome(to, act) for state, signal, guard, to, act in _rows()}
)
"""Where each signal leads. What is not here changes neither state nor bundle."""


def guards_of(state: State, signal: Signal) -> tuple[Guard, ...]:
    """The guards of a state and signal, in the order in which they are tried."""
    return _GUARDS.get((state, signal), ())


_GUARDS: Final[Mapping[tuple[State, Signal], tuple[Guard, ...]]] = MappingProxyType(
    {
        (state, signal): tuple(guard for s, i, guard in TABLE if (s, i) == (state, signal))
        for state, signal, _ in TABLE
    }
)
