"""Names of tenants, runs and packages, and what each may contain."""

from __future__ import annotations

import re
from functools import lru_cache

from maestro.kernel.errors import BadInputError

__all__ = ["require_package", "require_package_pattern", "require_run", "require_tenant"]

# The URL-unreserved characters (RFC 3986 section 2.3), so that a name needs no escaping in a path; runs also
# take ':' because orchestrators join ids with it.
_TENANT = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9._:~-]{1,128}", re.ASCII)
_SEGMENT = r"[A-Za-z0-9._~-]{1,128}"
_PACKAGE = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,3}}", re.ASCII)
_PATTERN = re.compile(rf"\*|(?:{_SEGMENT}/){{1,3}}\*|{_SEGMENT}(?:/{_SEGMENT}){{0,3}}", re.ASCII)


def require_tenant(name: str, field: str = "tenant") -> str:
    """Return the tenant's name, or raise BadInputError naming the field."""
    return _require(_TENANT, name, field, "Use 1 to 128 of A-Z a-z 0-9 . _ ~ -")


def require_run(name: str, field: str = "run") -> str:
    """Return the run id, or raise BadInputError naming the field."""
    return _require(_RUN, name, field, "Use 1 to 128 of A-Z a-z 0-9 . _ : ~ -")


def require_package(name: str, field: str = "package") -> str:
    """Return the package's name (``a``, ``ns/a``, at most four segments), or raise BadInputError."""
    return _require(_PACKAGE, name, field, "Use a name such as ns/a: 1 to 4 segments of A-Z a-z 0-9 . _ ~ -")


def require_package_pattern(pattern: str, field: str) -> str:
    """Return a key of ``packageCaps``: an exact name, ``ns/*`` or ``*``, or raise BadInputError."""
    return _require(_PATTERN, pattern, field, "Use an exact name (ns/a), a namespace (ns/*) or *.")


def _require(allowed: re.Pattern[str], name: str, field: str, remedy: str) -> str:
    if not _fits(allowed, name):
        raise BadInputError("is not a valid name.", field=field, value=name or '""', remedy=remedy)
    return name


@lru_cache(maxsize=4096)
def _fits(allowed: re.Pattern[str], name: str) -> bool:
    """Tenants and packages are few and asked about often, so the answer is kept."""
    return allowed.fullmatch(name) is not None
