"""Digests and message authentication (OPA's ``crypto.md5`` and kin); fingerprints, no protection of passwords."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from maestro.rego.builtins.encoding import as_bytes
from maestro.rego.builtins.registry import Family, string

__all__ = ["family"]

family = Family()


def _declare(name: str, *, digest: bool) -> None:
    def make(value: Any) -> str:
        return hashlib.new(name, as_bytes(string(value, 1)), usedforsecurity=False).hexdigest()

    def authenticate(value: Any, key: Any) -> str:
        message = as_bytes(string(value, 1))
        return hmac.digest(as_bytes(string(key, 2)), message, name).hex()

    make.__doc__ = f"The {name.upper()} digest of a string, in hexadecimal."
    authenticate.__doc__ = f"The HMAC-{name.upper()} of a string under a key, in hexadecimal."
    if digest:
        family.builtin(f"crypto.{name}")(make)
    family.builtin(f"crypto.hmac.{name}")(authenticate)


for _name in ("md5", "sha1", "sha256", "sha512"):
    _declare(_name, digest=_name != "sha512")


@family.builtin("crypto.hmac.equal")
def equal(a: Any, b: Any) -> bool:
    """Whether two codes are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(as_bytes(string(a, 1)), as_bytes(string(b, 2)))
