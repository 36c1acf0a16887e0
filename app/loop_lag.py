"""How late the event loop wakes a sleeper: what every request pays when something blocks the loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import Gauge

PERIOD_SECONDS = 0.5
KEPT = 30  # 15 seconds, the usual time between two scrapes, so that none of them misses a stall


@asynccontextmanager
async def measured_lag(gauge: Gauge) -> AsyncIterator[None]:
    """Keep a gauge at the longest lag of the last 15 seconds meanwhile."""
    measuring = asyncio.create_task(_measure(gauge))
    try:
        yield
    finally:
        measuring.cancel()
        with suppress(asyncio.CancelledError):
            await measuring


async def _measure(gauge: Gauge) -> None:
    lags = deque([0.0], maxlen=KEPT)
    while True:
        due = time.monotonic() + PERIOD_SECONDS
        await asyncio.sleep(PERIOD_SECONDS)
        lags.append(max(0.0, time.monotonic() - due))
        gauge.set(max(lags))
