"""The doors for apps: ``BlockingLimits`` (threads) and ``Limits`` (asyncio). They await ports and feed the pure rules."""

from maestro.runtime.blocking import BlockingLimits
from maestro.runtime.limits import Limits
from maestro.runtime.slots import AsyncSlot, Slot

__all__ = ["AsyncSlot", "BlockingLimits", "Limits", "Slot"]
