"""OPA's builtins, by family; `standard` is all that are evaluated here."""

from __future__ import annotations

import functools
import importlib

from maestro.rego.builtins.registry import Registry

__all__ = ["FAMILIES", "standard"]

FAMILIES = (
    "arithmetic",
    "certificates",
    "collections",
    "documents",
    "encoding",
    "formatting",
    "graphql",
    "hashes",
    "network",
    "patterns",
    "providers",
    "scalars",
    "schemas",
    "strings",
    "times",
    "tokens",
)
"""Modules of this package, each with a `Family` of that name: one line for a new one."""


@functools.cache
def standard() -> Registry:
    """The registry of all families; made once, and never changed."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in FAMILIES]
    return Registry(builtin for module in modules for builtin in module.family)
