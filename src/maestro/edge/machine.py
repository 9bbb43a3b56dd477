"""The quarantine machine: ``step`` takes one signal, ``tick`` lets time pass. Pure; every instant is trusted time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import attrs
from msgspec.structs import replace

from maestro.edge.damping import Damping
from maestro.edge.notes import noted
from maestro.edge.reasons import EdgeReason
from maestro.edge.record import Held, HighWater, Incident, Pin, Record, Refused, State
from maestro.edge.rules import Rules
from maestro.edge.table import TABLE, Act, Guard, Outcome, Signal, guards_of
from maestro.kernel.instants import format_instant

__all__ = ["DECIDING", "Happening", "outcome_of", "step", "tick"]

DECIDING: Final = frozenset({State.ACTIVE, State.QUARANTINED, State.PROBATION, State.PINNED})
"""States in which what serves decides."""
_MOST_REFUSED = 32
"""Refused candidates that are remembered, for people to look at."""


@attrs.frozen
class Happening:
    """A signal with what it tells.

    Attributes:
        signal: which.
        held: the bundle, for ``good``, ``pin``, and ``confirmed`` with a newer signed statement of freshness.
        high: the high-water mark that a good candidate sets.
        refused: the candidate, for ``refused``.
        reason: why, for ``failed``.
        by: who, for what an operator does.
    """

    signal: Signal
    held: Held | None = None
    high: HighWater | None = None
    refused: Refused | None = None
    reason: str = ""
    by: str = "edge"


def step(record: Record, happening: Happening, now: datetime, rules: Rules) -> Record:
    """The record after a signal.

    Nothing is forgotten on the way: what has to be told stands in ``notes``.
    """
    before = _remembered(record, happening, now, rules)
    outcome = outcome_of(before, happening.signal, now, rules)
    if outcome is None:
        return _told(record, before, happening, now)
    after = _acted(before, outcome.act, happening, now, rules)
    after = _entered(after, before, outcome.state, happening, now, rules)
    return noted(record, after, happening.signal, _reason(happening), happening.by, now)


def tick(record: Record, now: datetime, rules: Rules, *, clock_is_behind: bool = False) -> Record:
    """The record after time has passed, without news from the source."""
    if clock_is_behind != record.closed_by_clock:
        signal = Signal.CLOCK_BACK if clock_is_behind else Signal.CLOCK_RIGHT
        record = step(record, Happening(signal), now, rules)
    candidate = record.candidate
    if candidate is not None and not candidate.is_good(now):
        record = replace(record, candidate=None)
    if record.state is State.CLOSED:
        return record
    if record.hope is not None and not record.hope.is_fresh(now):
        record = step(record, Happening(Signal.AGED), now, rules)
    if record.serving is not None and not record.serving.is_good(now):
        record = step(record, Happening(Signal.ENDED), now, rules)
    return record


def outcome_of(record: Record, signal: Signal, now: datetime, rules: Rules) -> Outcome | None:
    """The cell of the table that counts; None when the signal changes neither state nor bundle."""
    for guard in guards_of(record.state, signal):
        if _HOLDS[guard](record, now, rules):
            return TABLE[record.state, signal, guard]
    return None


# ---- guards ----------------------------------------------------------------------------------------------


def _hope_is_fresh(record: Record, now: datetime, _rules: Rules) -> bool:
    return record.hope is not None and record.hope.is_fresh(now)


def _is_free(record: Record, now: datetime, rules: Rules) -> bool:
    return _hope_is_fresh(record, now, rules) and record.damping.lets_return(now, rules.damping)


def _is_tried(record: Record, now: datetime, rules: Rules) -> bool:
    over = record.trial_until is None or now >= record.trial_until
    return over and _hope_is_fresh(record, now, rules)


def _candidate_waits(record: Record, now: datetime, _rules: Rules) -> bool:
    return record.candidate is not None and record.candidate.is_good(now)


def _has_heir(record: Record, now: datetime, _rules: Rules) -> bool:
    return _heir(record, now) is not None


def _something_is_good(record: Record, now: datetime, _rules: Rules) -> bool:
    return record.hope is not None and record.hope.is_good(now)


def _by_clock(record: Record, _now: datetime, _rules: Rules) -> bool:
    return record.closed_by_clock


def _always(_record: Record, _now: datetime, _rules: Rules) -> bool:
    return True


_HOLDS: Final[Mapping[Guard, Callable[[Record, datetime, Rules], bool]]] = MappingProxyType(
    {
        Guard.ALWAYS: _always,
        Guard.HELD: _always,
        Guard.FREE: _is_free,
        Guard.TRIED: _is_tried,
        Guard.CANDIDATE: _candidate_waits,
        Guard.HEIR: _has_heir,
        Guard.GOOD: _something_is_good,
        Guard.FRESH: _hope_is_fresh,
        Guard.CLOCK: _by_clock,
    }
)


def _heir(record: Record, now: datetime) -> Held | None:
    """Who follows a serving bundle that failed: the candidate, else the newest earlier one that is still good."""
    serving = record.serving
    for one in (record.candidate, *record.earlier):
        if one is not None and one.is_good(now) and (serving is None or one.digest != serving.digest):
            return one
    return None


# ---- what a signal leaves behind, whatever the state -----------------------------------------------------


def _remembered(record: Record, happening: Happening, now: datetime, rules: Rules) -> Record:
    signal = happening.signal
    if signal is Signal.GOOD:
        return replace(record, candidate=happening.held, high=happening.high or record.high, was_good=True)
    if signal is Signal.CONFIRMED:
        return _renewed(replace(record, was_good=True), happening.held)
    if signal is Signal.REFUSED and happening.refused is not None:
        struck = (
            _struck(record, rules.damping.refused, now, rules)
            if _flaps(record, happening.refused)
            else record
        )
        kept = [one for one in record.refused if one.digest != happening.refused.digest]
        refused = (happening.refused, *kept)[:_MOST_REFUSED]
        return replace(struck, refused=refused, was_good=False)
    if signal is Signal.CLOCK_RIGHT:
        # What was reckoned by a clock that was wrong says nothing.
        return replace(record, damping=Damping(), trial_until=None)
    return record


def _flaps(record: Record, refused: Refused) -> bool:
    """Whether a refusal is news: after something good, or of another content. The same fault again is no flap."""
    return record.was_good or not record.refused or record.refused[0].digest != refused.digest


def _struck(record: Record, weight: float, now: datetime, rules: Rules) -> Record:
    return replace(record, damping=record.damping.struck(weight, now, rules.damping))


def _renewed(record: Record, held: Held | None) -> Record:
    """With the later end of freshness that a newer signed statement gives to what serves or waits."""
    if held is None:
        return record
    for name in ("serving", "candidate"):
        mine: Held | None = getattr(record, name)
        if mine is not None and mine.digest == held.digest and held.fresh_until > mine.fresh_until:
            later = replace(
                mine, fresh_until=held.fresh_until, good_until=max(mine.good_until, held.good_until)
            )
            record = replace(record, **{name: later})
    return record


# ---- acts ------------------------------------------------------------------------------------------------


def _acted(record: Record, act: Act, happening: Happening, now: datetime, rules: Rules) -> Record:
    if act is Act.SWAP and record.candidate is not None:
        return _serving(record, record.candidate, now, rules)
    if act is Act.RESUME and record.candidate is not None:
        usable = record.serving is not None and record.serving.is_good(now)
        return record if usable else _serving(record, record.candidate, now, rules)
    if act is Act.FALL_BACK:
        return _serving(
            _struck(_without_serving(record), rules.damping.refused, now, rules),
            _heir(record, now),
            now,
            rules,
        )
    if act is Act.CHOOSE and happening.held is not None:
        # What the operator turns away from waits, so that giving the choice back returns to it.
        waiting = record.candidate or record.serving
        chosen = _serving(record, happening.held, now, rules)
        return replace(chosen, candidate=None if waiting == happening.held else waiting)
    if act is Act.END:
        return replace(_without_serving(record), candidate=None)
    return record


def _without_serving(record: Record) -> Record:
    """What serves is no longer trusted, so it is nothing to fall back on either."""
    lost = record.serving.digest if record.serving is not None else ""
    earlier = tuple(one for one in record.earlier if one.digest != lost)
    return replace(record, serving=None, earlier=earlier)


def _serving(record: Record, heir: Held | None, now: datetime, rules: Rules) -> Record:
    """With another bundle serving, and the one before it first among the earlier ones."""
    assert heir is not None  # noqa: S101 - the guard of each act that gets here
    before = [record.serving] if record.serving is not None else []
    earlier = [one for one in (*before, *record.earlier) if one.digest != heir.digest and one.is_good(now)]
    waiting = record.candidate
    return replace(
        record,
        serving=heir,
        candidate=None if waiting is None or waiting.digest == heir.digest else waiting,
        earlier=tuple(earlier[: rules.earlier]),
        swaps=record.swaps + (not before or before[0].digest != heir.digest),
    )


# ---- entering a state ------------------------------------------------------------------------------------


def _entered(
    record: Record, before: Record, state: State, happening: Happening, now: datetime, rules: Rules
) -> Record:
    changes = state is not before.state
    if changes and state is State.QUARANTINED and happening.signal is Signal.AGED:
        record = _struck(record, rules.damping.stale, now, rules)
    closed_by_clock = before.closed_by_clock and happening.signal is not Signal.CLOCK_RIGHT
    if happening.signal is Signal.CLOCK_BACK:
        closed_by_clock = True
    return replace(
        record,
        state=state,
        trial_until=(now + rules.trial if changes else record.trial_until)
        if state is State.PROBATION
        else None,
        pin=_pin(happening, now) if state is State.PINNED else None,
        closed_by_clock=closed_by_clock,
        incident=_incident(record, before, state, happening, now),
    )


def _pin(happening: Happening, now: datetime) -> Pin | None:
    """Only an operator's choice leads to ``pinned``."""
    return None if happening.held is None else Pin(happening.held.digest, happening.by, now)


def _incident(
    record: Record, before: Record, state: State, happening: Happening, now: datetime
) -> Incident | None:
    if state is State.ACTIVE:
        return None
    if state in {State.QUARANTINED, State.CLOSED} and record.incident is None:
        reason = _reason(happening)
        serving = before.serving.revision if before.serving is not None else ""
        return Incident(
            dedupe_key=f"edge.bundle.stale/{record.next_note}/{format_instant(now)}",
            reason=reason,
            opened_at=now,
            serving_revision=serving,
            refused_revision=happening.refused.revision if happening.refused is not None else "",
        )
    return record.incident


def _reason(happening: Happening) -> str:
    """The code of why; empty for what is no trouble."""
    if happening.refused is not None:
        return happening.refused.reasons[0]
    by_signal = {
        Signal.AGED: EdgeReason.SERVING_STALE,
        Signal.ENDED: EdgeReason.SERVING_ENDED,
        Signal.CLOCK_BACK: EdgeReason.CLOCK_REGRESSED,
        Signal.UNPIN: EdgeReason.SERVING_STALE,
        Signal.CLOCK_RIGHT: EdgeReason.SERVING_ENDED,
    }
    return happening.reason or str(by_signal.get(happening.signal, ""))


def _told(record: Record, after: Record, happening: Happening, now: datetime) -> Record:
    """What changes no state is told if it is news: a refusal, a candidate that begins to wait."""
    refused = happening.refused
    if happening.signal is Signal.REFUSED and (refused is None or not _flaps(record, refused)):
        return after
    return noted(record, after, happening.signal, _reason(happening), happening.by, now)
