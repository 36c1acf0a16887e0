"""Token buckets in Redis, for callers who are served by several processes.

`{<namespace>}:l:<caller>` is a hash of unit to the microsecond, on the server's clock, when that bucket will be full
again; it expires when all of them are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from importlib.resources import files
from typing import Any, Protocol

from redis.exceptions import RedisError

from app.errors import QueueUnavailable
from app.limits import Unit

TAKE = files(__package__).joinpath("take.lua").read_text("ascii")
MICROSECONDS = 1_000_000


class RunTake(Protocol):
    """Runs the script `TAKE`, within the time that a request can spare."""

    def __call__(self, keys: Sequence[str], args: Sequence[str | int], /) -> Awaitable[Any]: ...


class RedisRateLimiter:
    """The RateLimiter that any number of processes share.

    Args:
        run: runs `TAKE`; a client's `register_script(TAKE)` does.
        namespace: the prefix of every key.
    """

    def __init__(self, run: RunTake, namespace: str) -> None:
        self._run, self._namespace = run, namespace

    async def take(self, caller: str, unit: Unit, cost: int, per_minute: int) -> float:
        key = f"{{{self._namespace}}}:l:{caller}"
        try:
            microseconds = await self._run([key], [unit, cost, per_minute])
        except (RedisError, OSError):
            raise QueueUnavailable("The rate limits are out of reach.") from None
        return int(microseconds) / MICROSECONDS
