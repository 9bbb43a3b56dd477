"""Bounds on what is read as a schema, so that no document can exhaust its reader."""

from __future__ import annotations

from typing import Final

__all__ = ["SCHEMA_DEPTH", "SCHEMA_LIMIT"]

SCHEMA_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of a schema's text."""
SCHEMA_DEPTH: Final = 128
"""Nested objects and arrays in a schema's text; each level of a nested type takes two or three."""
