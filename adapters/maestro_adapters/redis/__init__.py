"""Slot leases on a Redis server, for the processes of many machines."""

from maestro_adapters.redis.leases import RedisLeases

__all__ = ["RedisLeases"]
