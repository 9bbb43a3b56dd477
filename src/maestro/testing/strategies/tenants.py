"""Hypothesis strategies for the names of tenants, runs and packages, valid ones and others.

They lean towards names that careless code takes for one another: case variants, ``_`` beside any letter, dots
and dashes, the longest allowed. Shrunk, a name is ``a``.
"""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["invalid_names", "package_patterns", "packages", "runs", "tenants"]

_LETTERS = "abcxyzABCXYZ0123456789._~-"

_ODD = ("a", "A", "a_", "ab", "_", "a.b", "a-b", "a~b", "0", "00", "-", ".", "..", "null", "x" * 128)


def _segments() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(_ODD), st.text(_LETTERS, min_size=1, max_size=12))


def tenants() -> st.SearchStrategy[str]:
    """Names that ``require_tenant`` allows."""
    return _segments()


def runs() -> st.SearchStrategy[str]:
    """Ids that ``require_run`` allows; some with the colons by which orchestrators join them."""
    joined = st.lists(_segments(), min_size=2, max_size=3).map(lambda parts: ":".join(parts)[:128])
    return st.one_of(_segments(), joined)


def packages(*, namespaces: bool = True) -> st.SearchStrategy[str]:
    """Names that ``require_package`` allows: ``a``, ``ns/a``, at most four segments."""
    if not namespaces:
        return _segments()
    return st.lists(_segments(), min_size=1, max_size=4).map("/".join)


def package_patterns() -> st.SearchStrategy[str]:
    """Keys of ``packageCaps``: an exact name, ``ns/*`` or ``*``."""
    under = st.lists(_segments(), min_size=1, max_size=3).map(lambda parts: "/".join([*parts, "*"]))
    return st.one_of(st.just("*"), packages(), under)


def invalid_names() -> st.SearchStrategy[str]:
    """Names that neither tenant, run nor package may have: empty, too long, with a character that is not allowed."""
    strange = st.characters(exclude_characters=_LETTERS + "defghijklmnopqrstuvwDEFGHIJKLMNOPQRSTUVW:/")
    spoilt = st.tuples(st.text(_LETTERS, max_size=5), strange, st.text(_LETTERS, max_size=5)).map("".join)
    return st.one_of(st.just(""), st.text(_LETTERS, min_size=129, max_size=140), spoilt)
