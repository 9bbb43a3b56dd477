"""The doors for apps: ``BlockingLimits`` (threads) and ``Limits`` (asyncio). They await ports and feed the pure rules."""

from typing import TYPE_CHECKING

from maestro.runtime.blocking import BlockingLimits
from maestro.runtime.slots import AsyncSlot, Slot

if TYPE_CHECKING:
    from maestro.runtime.limits import Limits

__all__ = ["AsyncSlot", "BlockingLimits", "Limits", "Slot"]


def __getattr__(name: str) -> object:
    """``Limits`` when first asked for: importing asyncio takes as long as all the rest of this room."""
    if name == "Limits":
        from maestro.runtime.limits import Limits

        return Limits
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
