"""Takes over the entries of workers that have fallen silent, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random

from app.errors import ServiceError
from app.queue.redis.entries import entry_of
from app.queue.redis.scripts import RECLAIM
from app.queue.redis.source import RedisSource
from app.queue.redis.writer import Writer

MOST_DELIVERIES = 3
# A part of the lease, so that it adds little to it; short, since what was released waits for it too.
LONGEST_PERIOD_SECONDS = 0.25
SUSPECT_PAUSE_SECONDS = 0.002


async def take_over_forever(source: RedisSource, writer: Writer, worker: str, lease_ms: int) -> None:
    """Take over what others have left behind, until cancelled."""
    period_seconds = min(lease_ms / 2000, LONGEST_PERIOD_SECONDS)
    while True:
        found = False
        with contextlib.suppress(ServiceError):
            found = source.may_take_over and await take_over(source, writer, worker, lease_ms)
        pause = SUSPECT_PAUSE_SECONDS if found else period_seconds * random.uniform(0.5, 1)  # noqa: S311
        await asyncio.sleep(pause)


async def take_over(source: RedisSource, writer: Writer, worker: str, lease_ms: int) -> bool:
    """Take over one entry, if there is one.

    Raises:
        ServiceError: Redis does not answer.
    """
    found = await writer.run(RECLAIM, source.streams, [worker, lease_ms, MOST_DELIVERIES])
    if not found:
        return False
    stream, entry_id, fields, deliveries, last_worker, server_ms = found
    entry = entry_of(stream, entry_id, fields)
    if source.holds(entry):  # its computation takes longer than a lease; it goes on
        return True
    if deliveries >= MOST_DELIVERIES:
        source.graveyard.bury(entry, deliveries, last_worker)
    else:
        suspect = deliveries > 0  # one that was released was never begun
        if suspect:
            source.metrics.reclaimed.inc()
        source.take_over(entry, server_ms, suspect=suspect)
    return True
