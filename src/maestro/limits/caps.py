"""Which entry of ``packageCaps`` governs a package: exactly one, the most specific."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PackageCaps"]


class PackageCaps:
    """``packageCaps`` made ready for look-ups. A pattern caps each package it governs, not their sum."""

    __slots__ = ("_caps",)

    def __init__(self, caps: Mapping[str, int]) -> None:
        self._caps = dict(caps)

    def governing(self, package: str) -> tuple[str, int] | None:
        """The entry's pattern and cap: the exact name, else the longest ``ns/*``, else ``*``; None when uncapped."""
        caps = self._caps
        if not caps:
            return None
        if package in caps:
            return package, caps[package]
        namespace = package
        while "/" in namespace:
            namespace = namespace[: namespace.rindex("/")]
            pattern = f"{namespace}/*"
            if pattern in caps:
                return pattern, caps[pattern]
        return ("*", caps["*"]) if "*" in caps else None

    def __bool__(self) -> bool:
        return bool(self._caps)
