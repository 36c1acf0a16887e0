"""How much one caller may ask for: token buckets, in this process or in Redis."""

from __future__ import annotations

from typing import Literal, Protocol

MINUTE_SECONDS = 60.0

Unit = Literal["requests", "sequences", "failures"]


class RateLimiter(Protocol):
    """Takes from the buckets of callers.

    A bucket holds one minute's worth and fills evenly. What costs more than a bucket holds is let through when it is
    full, and leaves a debt: so the rate holds, and no request is refused for ever.
    """

    async def take(self, caller: str, unit: Unit, cost: int, per_minute: int) -> float:
        """Take from a caller's bucket, or nothing where there is not enough.

        Args:
            caller: whose bucket; an id of ours, never text that came with a request.
            unit: which of his buckets.
            cost: how much of it.
            per_minute: what the bucket holds, and gains in a minute.

        Returns:
            0.0 if it was taken, else the seconds until it can be.

        Raises:
            QueueUnavailable: the buckets are out of reach.
        """
        ...
