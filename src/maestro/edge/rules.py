"""What the quarantine machine is configured with; the defaults are argued in ADR-1115."""

from __future__ import annotations

from datetime import timedelta

import attrs

from maestro.kernel.errors import BadInputError

__all__ = ["DampingRules", "Rules"]


@attrs.frozen
class DampingRules:
    """Route-flap damping (RFC 2439) with a growing hold: it only ever delays the *return* to a source.

    Attributes:
        refused: penalty for a refused candidate, and for a serving bundle that failed.
        stale: penalty for a serving bundle whose freshness ended.
        half_life: in which a penalty halves.
        suppress: from this penalty on the source is suppressed,
        reuse: until it has decayed to this one.
        cap: no penalty is greater, so that no suppression outlasts ``half_life * log2(cap / reuse)``.
        hold: after the first quarantine; it doubles with each one that follows,
        most_hold: up to this, and starts anew when the penalty has decayed to half of ``reuse``.
    """

    refused: float = 1000.0
    stale: float = 500.0
    half_life: timedelta = timedelta(minutes=5)
    suppress: float = 2500.0
    reuse: float = 750.0
    cap: float = 6000.0
    hold: timedelta = timedelta(seconds=30)
    most_hold: timedelta = timedelta(minutes=15)

    def __attrs_post_init__(self) -> None:
        if not 0 < self.reuse < self.suppress <= self.cap:
            raise BadInputError(
                "must lie in the order 0 < reuse < suppress <= cap.",
                field="damping",
                value=f"{self.reuse:g}, {self.suppress:g}, {self.cap:g}",
                remedy="Correct reuse, suppress or cap.",
            )


@attrs.frozen
class Rules:
    """How long to trust what.

    Attributes:
        ttl: of a plain bundle that says when it was issued and not when it expires.
        last_good_max_age: for which a bundle may decide, counted as ``ttl`` is; at least ``ttl``. A bundle with an
            expiry of its own goes on beyond it for the difference of the two.
        trial: for which a source must stay good before the edge is active again.
        earlier: verified bundles that are kept to fall back on.
        damping: of return.
    """

    ttl: timedelta = timedelta(hours=1)
    last_good_max_age: timedelta = timedelta(hours=24)
    trial: timedelta = timedelta(seconds=30)
    earlier: int = 2
    damping: DampingRules = DampingRules()

    def __attrs_post_init__(self) -> None:
        if self.last_good_max_age < self.ttl:
            raise BadInputError(
                "is less than the ttl.",
                field="lastGoodMaxAgeSeconds",
                value=f"{self.last_good_max_age.total_seconds():g}",
                remedy="Allow a last-good bundle at least the ttl.",
            )

    @property
    def grace(self) -> timedelta:
        """For which a bundle may go on beyond its freshness."""
        return self.last_good_max_age - self.ttl
