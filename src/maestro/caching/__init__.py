"""Caching as values and plain tables: what to keep, until when, and who computes what is missing (ADR-1116).

No clock and no lock: instants are the caller's, and so is what a waiting caller waits on.
"""

from maestro.caching.bounded import BoundedCache
from maestro.caching.expiring import ExpiringCache, Found, Look
from maestro.caching.flights import Flights

__all__ = ["BoundedCache", "ExpiringCache", "Flights", "Found", "Look"]
