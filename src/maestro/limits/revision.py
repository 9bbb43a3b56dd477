"""Names for the very limits that were applied, and the limits of tenants without documents."""

from __future__ import annotations

from maestro.limits.documents import LimitsFile

__all__ = ["UNRESTRICTED", "revision_of"]

UNRESTRICTED = LimitsFile("default")
"""What is shipped as ``defaultLimits``: no windows, no caps."""


def revision_of(windows: int | None, caps: int | None) -> str:
    """``w3.c1``: version 3 of the windows document, 1 of the package caps; ``0`` where there is none."""
    return f"w{windows or 0}.c{caps or 0}"
