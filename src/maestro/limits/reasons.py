"""Why a run may be denied: the stable codes, their meaning and remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["DenyReason"]


class DenyReason(StrEnum):
    """A reason code with its documentation (``docs/reference/reasons.md`` is made from it)."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """A member whose value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    CLOSURE = (
        "closure",
        "A closure (a freeze, a holiday) forbids starts now; closures beat windows.",
        "Retry at opensAt, or ask the operator to shorten the closure.",
    )
    OUTSIDE_RUN_WINDOW = (
        "outside_run_window",
        "No run window of the tenant admits a start now; cutoff: true tells that the window is about to close.",
        "Retry at opensAt, or widen allowedWindows.",
    )
    WINDOW_TOO_SHORT = (
        "window_too_short",
        "The tenant's runs must fit into the open time (onWindowEnd: must_fit) and this one would not.",
        "Retry at opensAt, shorten the run, or set onWindowEnd to finish.",
    )
    TENANT_CAP = (
        "tenant_cap",
        "The tenant already has as many runs as maxConcurrent allows.",
        "Retry after retryAfter (an estimate), or raise maxConcurrent.",
    )
    PACKAGE_CAP = (
        "package_cap",
        "The tenant already has as many runs of this package as packageCaps allows.",
        "Retry after retryAfter (an estimate), or raise the cap. A cap of 0 forbids the package.",
    )
    POLICY_HORIZON = (
        "policy_horizon",
        "The Rego policy's compiled intervals do not reach this instant; only Rego says so, native limits have no end.",
        "Compile and publish the intervals again.",
    )
    LIMITS_UNAVAILABLE = (
        "limits_unavailable",
        "The limits or lease store did not answer, so nothing is admitted.",
        "Retry after retryAfter; look at the store's health.",
    )
