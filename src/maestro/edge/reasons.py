"""Why the edge left its normal state: the stable codes, their meaning and remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["EdgeReason"]


class EdgeReason(StrEnum):
    """Why an edge is quarantined or closed, where it is not the code of a refused bundle."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """A member whose value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    SERVING_STALE = (
        "serving_stale",
        "No newer signed statement came before the serving bundle's freshness ended; it decides on as last-good.",
        "See why the source does not answer or does not publish; 'maestro edge status' tells until when it may decide.",
    )
    SERVING_ENDED = (
        "serving_ended",
        "The serving bundle is older than lastGoodMaxAge and no other is trusted: nothing is decided.",
        "Publish a bundle, and see that the edge reaches its source.",
    )
    DIGEST_DRIFT = (
        "digest_drift",
        "The serving bundle's bytes are no longer those that were verified, in memory or on disk.",
        "Look at the machine's disk and memory; the edge fetches the bundle again by itself.",
    )
    KEY_REVOKED = (
        "key_revoked",
        "The serving bundle is no longer signed by enough of the keys that are trusted now.",
        "Publish a bundle signed by the present keys.",
    )
    CLOCK_REGRESSED = (
        "clock_regressed",
        "The clocks show less time than the edge has already seen, so it cannot tell how old its bundle is.",
        "Set the clock right and wait until it has caught up, or run 'maestro edge clock-reset'.",
    )
    STATE_DAMAGED = (
        "state_damaged",
        "The edge's state on disk cannot be read, so it does not know which revisions it has already seen.",
        "Restore the folder from a copy, or remove it to begin anew without protection from older revisions.",
    )
    FRESHNESS_UNKNOWN = (
        "freshness_unknown",
        "The bundle does not say, signed, until when it is good or when it was issued.",
        "Sign 'exp' or 'iat' (opa sign --claims-file), or accept the transport's word with freshness = 'transport'.",
    )
    ISSUE_UNKNOWN = (
        "issue_unknown",
        "Bundles of this source are ordered by the time they were signed, and this one does not say it.",
        "Sign 'iat' (opa sign --claims-file), or choose another ordering.",
    )
    ENGINE_REFUSED = (
        "engine_refused",
        "The policy engine cannot run the bundle.",
        "See the message; publish a bundle whose policies the engine accepts.",
    )
    POLICY_UNAVAILABLE = (
        "policy_unavailable",
        "There is no trusted policy, or its engine does not answer, so everything is denied.",
        "Retry after retryAfter; 'maestro edge status' tells why.",
    )
