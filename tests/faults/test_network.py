"""The network between the service and Redis is slow, broken in pieces, cut, or silent."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from app.metrics import Metrics
from app.queue.redis.api_side import ApiSide
from app.queue.redis.worker_side import WorkerSide
from tests.callers import Tally, calling
from tests.faults.place import Place, code, counted, place, predict, until, values
from tests.proxy import Proxy
from tests.queue_forms import SHA256, model_metrics
from tests.redis_server import RedisServer


@pytest.fixture(scope="module")
def proxy(redis: RedisServer) -> Iterator[Proxy]:
    with Proxy(redis.socket).running() as it:
        yield it


@pytest.fixture(scope="module")
def far(gc_models: Path, redis: RedisServer, proxy: Proxy) -> Iterator[Place]:
    """An API process and a worker that reach Redis through the proxy."""
    with place(gc_models, redis, proxy.url) as it:
        yield it


@contextmanager
def _load(far: Place) -> Iterator[Tally]:
    """Callers meanwhile, none of whom may go without his own right answer, or a plain refusal."""
    with calling([far.api.port]) as tally:
        yield tally
    assert (tally.lost, tally.wrong, tally.doubled, tally.failed) == (0, 0, 0, 0)


def test_latency_costs_only_time(far: Place, proxy: Proxy) -> None:
    proxy.delay_seconds = 0.1  # each way
    try:
        with _load(far) as tally:
            until(lambda: tally.answered >= 20)
        assert tally.sent == tally.answered
    finally:
        proxy.delay_seconds = 0


def test_one_byte_at_a_time_is_read_as_what_it_is(far: Place, proxy: Proxy) -> None:
    proxy.piece_bytes = 1
    try:
        with _load(far) as tally:
            until(lambda: tally.answered >= 20)
        assert tally.sent == tally.answered
    finally:
        proxy.piece_bytes = 65_536


def test_connections_that_break_in_the_middle_of_a_reply_mix_no_answers(far: Place, proxy: Proxy) -> None:
    with _load(far) as tally:
        for after_bytes in (1, 2, 3, 5, 8, 13, 21, 34):
            before = tally.answered
            proxy.reset_in_a_reply(after_bytes)
            until(lambda before=before: tally.answered >= before + 4)
        proxy.reset()
        before = tally.answered
        until(lambda: tally.answered >= before + 4)
    assert counted(far.api, 'basecast_redis_errors_total{reason="connection"}') >= 1


def test_connections_that_fall_silent_are_given_up(far: Place, proxy: Proxy) -> None:
    assert values(predict(far.api, "GGCA")) == [0.75]
    proxy.strand()
    began = time.monotonic()
    refused = predict(far.api, "GGCA")
    assert (refused.status_code, code(refused)) == (503, "queue_unavailable")
    assert time.monotonic() - began < 3
    until(lambda: predict(far.api, "GGCA", deadline_ms=2000).status_code == 200)
    assert time.monotonic() - began < 8  # the worker's blocked read is given three seconds


PROCESSES = 25
BUCKET_SECONDS = 0.1


async def test_those_who_come_back_do_not_come_in_step(redis: RedisServer) -> None:
    """Each of fifty processes, all cut off at once, has at most a few connections, and chooses its own moment."""
    with Proxy(redis.socket).running() as proxy:
        async with AsyncExitStack() as stack:
            for _ in range(PROCESSES):
                api = ApiSide(proxy.url, "herd", Metrics())
                api.open_queue(SHA256, 1, 1000, model_metrics())
                worker = WorkerSide(proxy.url, "herd", Metrics(), "CPU", "1")
                worker.open_source(SHA256, 1, model_metrics())
                for side in (api, worker):
                    await side.start()
                    stack.push_async_callback(side.close)
            redis.stop()
            await asyncio.sleep(1.5)  # long enough for pauses to grow
            await asyncio.to_thread(redis.start)  # or the pauses that end meanwhile would end together
            returned = time.monotonic()
            await asyncio.sleep(2.5)
            arrivals = [at - returned for at in proxy.accepted if at >= returned]
            steps = collections.Counter(int(at / BUCKET_SECONDS) for at in arrivals)
            assert all(side.alive for side in (api, worker))
    assert len(arrivals) >= PROCESSES
    assert max(steps.values()) < len(arrivals) / 3
