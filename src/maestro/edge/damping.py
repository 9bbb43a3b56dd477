"""Damping: a penalty that halves with time, two limits, and a hold that grows. It delays return, and nothing else."""

from __future__ import annotations

from datetime import datetime
from math import log2

import msgspec

from maestro.edge.rules import DampingRules
from maestro.kernel.instants import EPOCH

__all__ = ["Damping"]

_MOST_DOUBLINGS = 20


class Damping(msgspec.Struct, frozen=True, rename="camel"):
    """How much a source has misbehaved of late.

    Attributes:
        penalty: at ``at``.
        at: when it was reckoned last.
        strikes: quarantines in a row, which make the hold grow.
        held_until: before which there is no return.
        suppressed: whether the penalty has passed ``suppress`` and not yet come down to ``reuse``.
    """

    penalty: float = 0.0
    at: datetime = EPOCH
    strikes: int = 0
    held_until: datetime = EPOCH
    suppressed: bool = False

    def decayed(self, now: datetime, rules: DampingRules) -> Damping:
        """The same at a later instant; an earlier one changes nothing."""
        if now <= self.at:
            return self
        penalty = self.penalty * 0.5 ** ((now - self.at) / rules.half_life)
        return msgspec.structs.replace(
            self,
            penalty=penalty,
            at=now,
            strikes=0 if penalty <= rules.reuse / 2 and now >= self.held_until else self.strikes,
            suppressed=self.suppressed and penalty > rules.reuse,
        )

    def struck(self, weight: float, now: datetime, rules: DampingRules) -> Damping:
        """After one more misdeed."""
        before = self.decayed(now, rules)
        penalty = min(before.penalty + weight, rules.cap)
        hold = min(rules.hold * 2 ** min(before.strikes, _MOST_DOUBLINGS), rules.most_hold)
        return Damping(
            penalty,
            max(now, before.at),
            before.strikes + 1,
            max(now + hold, before.held_until),
            before.suppressed or penalty >= rules.suppress,
        )

    def lets_return(self, now: datetime, rules: DampingRules) -> bool:
        """Whether the hold is over and the source is not suppressed."""
        return now >= self.held_until and not self.decayed(now, rules).suppressed

    def returns_at(self, now: datetime, rules: DampingRules) -> datetime:
        """The first instant at which ``lets_return`` holds, if nothing else happens."""
        present = self.decayed(now, rules)
        at = max(self.held_until, now)
        if present.suppressed:
            at = max(at, now + rules.half_life * log2(present.penalty / rules.reuse))
        return at
