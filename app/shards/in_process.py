"""Shards computed one after the other in this process."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from app.shards.plan import Shard
from app.shards.work import Work

SHARDS_AT_ONCE = 2  # while one is computed another is read or written


def run_in_process(work: Work, shards: Sequence[Shard], threads: int) -> Iterator[Shard]:
    """Compute shards, and tell each that is whole.

    Args:
        threads: batches computed at once on a CPU.

    Raises:
        BasecastError: one cannot be computed; those that are whole stay.
    """
    worker = work.open(threads, f"{socket.gethostname()}/{os.getpid()}")
    in_flight: deque[tuple[Shard, Future[None]]] = deque()
    with ThreadPoolExecutor(SHARDS_AT_ONCE, thread_name_prefix="shard") as pool:
        try:
            for shard in shards:
                in_flight.append((shard, pool.submit(worker.work, shard)))
                if len(in_flight) > SHARDS_AT_ONCE:
                    yield _ended(*in_flight.popleft())
            while in_flight:
                yield _ended(*in_flight.popleft())
        finally:
            for _, future in in_flight:
                future.cancel()
            worker.close()


def _ended(shard: Shard, future: Future[None]) -> Shard:
    future.result()
    return shard
