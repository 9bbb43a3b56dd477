"""Bounds on what one evaluation may take: a policy is a stranger's program."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["DEFAULT_LIMITS", "Limits"]


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds of one evaluation; reaching one is an `EvaluationLimitError`, never a decision.

    Attributes:
        steps: loop heads and calls together.
        depth: calls within calls.
        items: members of one array, object or set, and values in a result.
        text: characters of one string.
        deadline: reading of the caller's ``monotonic`` clock, in seconds, after which the evaluation ends; looked at
            every `pace` steps.
        pace: steps between two looks at the clock.
    """

    steps: int = 5_000_000
    depth: int = 150
    items: int = 1_000_000
    text: int = 10_000_000
    deadline: float | None = None
    pace: int = 1_000


DEFAULT_LIMITS: Final = Limits()
