"""Names of tenants, runs and packages, and what each may contain."""

from __future__ import annotations

import re
from functools import lru_cache

from maestro.kernel.errors import BadInputError

__all__ = ["require_claim", "require_package", "require_package_pattern", "require_run", "require_tenant"]

# The URL-unreserved characters (RFC 3986 section 2.3), so that a name needs no escaping in a path; runs also
# take ':' because orchestrators join ids with it.
_TENANT = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9._:~-]{1,128}", re.ASCII)
_SEGMENT = r"[A-Za-z0-9._~-]{1,128}"
_PACKAGE = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,3}}", re.ASCII)
_PATTERN = re.compile(rf"\*|(?:{_SEGMENT}/){{1,3}}\*|{_SEGMENT}(?:/{_SEGMENT}){{0,3}}", re.ASCII)


def require_tenant(name: str, field: str = "tenant") -> str:
    """Return the tenant's name, or raise BadInputError naming the field."""
    if not _fits(_TENANT, name):
        raise _refused(name, field, "Use 1 to 128 of A-Z a-z 0-9 . _ ~ -")
    return name


def require_run(name: str, field: str = "run") -> str:
    """Return the run id, or raise BadInputError naming the field."""
    if _RUN.fullmatch(name) is None:  # no two runs have the same id, so there is nothing to remember
        raise _refused(name, field, "Use 1 to 128 of A-Z a-z 0-9 . _ : ~ -")
    return name


def require_package(name: str, field: str = "package") -> str:
    """Return the package's name (``a``, ``ns/a``, at most four segments), or raise BadInputError."""
    if not _fits(_PACKAGE, name):
        raise _refused(name, field, "Use a name such as ns/a: 1 to 4 segments of A-Z a-z 0-9 . _ ~ -")
    return name


def require_claim(run: str, tenant: str, package: str) -> None:
    """``require_run``, ``require_tenant`` and ``require_package`` in one."""
    if not _RUN.fullmatch(run) or not _fit(tenant, package):
        require_run(run)
        require_tenant(tenant)
        require_package(package)


def require_package_pattern(pattern: str, field: str) -> str:
    """Return a key of ``packageCaps``: an exact name, ``ns/*`` or ``*``, or raise BadInputError."""
    if _PATTERN.fullmatch(pattern) is None:
        raise _refused(pattern, field, "Use an exact name (ns/a), a namespace (ns/*) or *.")
    return pattern


def _refused(name: str, field: str, remedy: str) -> BadInputError:
    return BadInputError("is not a valid name.", field=field, value=name or '""', remedy=remedy)


@lru_cache(maxsize=4096)
def _fit(tenant: str, package: str) -> bool:
    return _fits(_TENANT, tenant) and _fits(_PACKAGE, package)


@lru_cache(maxsize=4096)
def _fits(allowed: re.Pattern[str], name: str) -> bool:
    """Tenants and packages are few and asked about often, so the answer is kept."""
    return allowed.fullmatch(name) is not None
