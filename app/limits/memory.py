"""Token buckets of one process.

A bucket is kept as one number, the time when it will be full again: what is missing from it is that time's distance
from now. A full bucket need not be kept at all.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from app.limits import MINUTE_SECONDS, Unit

MAX_BUCKETS = 10_000


class MemoryRateLimiter:
    """The RateLimiter of one process.

    Args:
        max_buckets: beyond this the one that was not used for longest is forgotten, and so is full.
        clock: seconds that never step back.
    """

    def __init__(self, max_buckets: int = MAX_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._full_at: OrderedDict[tuple[str, Unit], float] = OrderedDict()
        self._max_buckets, self._clock = max_buckets, clock

    async def take(self, caller: str, unit: Unit, cost: int, per_minute: int) -> float:
        now = self._clock()
        full_at = max(now, self._full_at.get((caller, unit), now))
        missing_allowed = MINUTE_SECONDS * (1 - min(cost, per_minute) / per_minute)
        wait = full_at - now - missing_allowed
        if wait > 0:
            return wait
        self._full_at[caller, unit] = full_at + MINUTE_SECONDS * cost / per_minute
        self._full_at.move_to_end((caller, unit))
        if len(self._full_at) > self._max_buckets:
            self._full_at.popitem(last=False)
        return 0.0
