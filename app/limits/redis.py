"""Token buckets in Redis, for callers who are served by several processes.

`{<namespace>}:l:<caller>` is a hash of unit to the microsecond, on the server's clock, when that bucket will be full
again; it expires when all of them are.
"""

from __future__ import annotations

from importlib.resources import files

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import QueueUnavailable
from app.limits import Unit

MICROSECONDS = 1_000_000


class RedisRateLimiter:
    """The RateLimiter that any number of processes share.

    Args:
        redis: a client that gives up within the time that a request can spare.
        namespace: the prefix of every key.
    """

    def __init__(self, redis: Redis, namespace: str) -> None:
        self._take = redis.register_script(files(__package__).joinpath("take.lua").read_text())
        self._namespace = namespace

    async def take(self, caller: str, unit: Unit, cost: int, per_minute: int) -> float:
        key = f"{{{self._namespace}}}:l:{caller}"
        try:
            microseconds = await self._take(keys=[key], args=[unit, cost, per_minute])
        except (RedisError, OSError):
            raise QueueUnavailable("The rate limits are out of reach.") from None
        return int(microseconds) / MICROSECONDS
