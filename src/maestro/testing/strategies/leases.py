"""Hypothesis strategies for what a lease store is asked: claims, caps, spans.

Shrunk, a claim is run ``a`` of tenant ``a`` for a minute, and nothing is capped.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from maestro.ports.leases import MAX_SECONDS, Caps, Claim
from maestro.testing.strategies.tenants import packages, runs, tenants

__all__ = ["caps", "claims", "expected_seconds", "ttls"]

_START = datetime(2026, 3, 30, 16, 0, tzinfo=UTC)


def ttls(longest: float = MAX_SECONDS) -> st.SearchStrategy[float]:
    """Seconds greater than 0, whole and broken, up to the longest allowed."""
    usual = st.sampled_from(
        [seconds for seconds in (60.0, 1.0, 0.5, 0.001, 61.0, 3600.0) if seconds <= longest]
    )
    return st.one_of(usual, st.floats(0, longest, exclude_min=True, allow_subnormal=False))


def expected_seconds(longest: float = MAX_SECONDS) -> st.SearchStrategy[float | None]:
    """How long a run is expected to take, or None."""
    return st.none() | ttls(longest)


def caps(most: int = 5) -> st.SearchStrategy[Caps]:
    """Caps on the tenant, on the package, both or none; 0 is among them."""
    cap = st.none() | st.integers(0, most)
    return st.builds(Caps, tenant=cap, package=cap)


def claims(
    *,
    tenant: st.SearchStrategy[str] | None = None,
    run: st.SearchStrategy[str] | None = None,
    package: st.SearchStrategy[str] | None = None,
    at: datetime = _START,
) -> st.SearchStrategy[Claim]:
    """Valid claims.

    Args:
        tenant: whose; any when None. Pass ``sampled_from`` of a few, so that claims meet.
        run: likewise.
        package: likewise.
        at: the claimant's wall clock.
    """
    return st.builds(
        Claim,
        tenant=tenants() if tenant is None else tenant,
        run=runs() if run is None else run,
        package=packages() if package is None else package,
        ttl=ttls(),
        at=st.just(at),
        expected=expected_seconds(),
        revision=st.sampled_from(["", "1", "42"]),
    )
