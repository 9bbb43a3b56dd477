"""Which entry of ``packageCaps`` governs a package: exactly one, the most specific."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PackageCaps"]


class PackageCaps:
    """``packageCaps`` made ready for look-ups. A pattern caps each package it governs, not their sum."""

    __slots__ = ("_any", "_caps", "_spaces")

    def __init__(self, caps: Mapping[str, int]) -> None:
        self._caps = dict(caps)
        self._spaces = {pattern[:-2]: (pattern, cap) for pattern, cap in caps.items() if pattern[-2:] == "/*"}
        self._any = ("*", caps["*"]) if "*" in caps else None

    def governing(self, package: str) -> tuple[str, int] | None:
        """The entry's pattern and cap: the exact name, else the longest ``ns/*``, else ``*``; None when uncapped."""
        caps = self._caps
        if not caps:
            return None
        if package in caps:
            return package, caps[package]
        namespace = package
        while self._spaces and "/" in namespace:
            namespace = namespace[: namespace.rindex("/")]
            if namespace in self._spaces:
                return self._spaces[namespace]
        return self._any

    def __bool__(self) -> bool:
        return bool(self._caps)
