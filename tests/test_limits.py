"""Token buckets: one suite for both forms, and what only one of them does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.errors import QueueUnavailable
from app.limits import RateLimiter
from app.limits.memory import MemoryRateLimiter
from app.limits.redis import TAKE, RedisRateLimiter
from tests.redis_server import RedisServer


@pytest_asyncio.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    async with Redis(unix_socket_path=str(redis_server.socket), socket_timeout=2) as client:
        yield client


@pytest.fixture(params=["memory", "redis"])
def limiter(request: pytest.FixtureRequest, redis: Redis) -> RateLimiter:
    """Each form of the protocol."""
    return MemoryRateLimiter() if request.param == "memory" else RedisRateLimiter(redis.register_script(TAKE), "test")


def seconds_since(began: float) -> float:
    """How much may have flowed in since, by another clock and rounded to milliseconds."""
    return time.monotonic() - began + 0.01


async def test_a_bucket_gives_a_minute_s_worth_at_once_and_then_says_when_to_return(limiter: RateLimiter) -> None:
    began = time.monotonic()
    assert [await limiter.take("a", "requests", 1, 3) for _ in range(3)] == [0, 0, 0]
    wait = await limiter.take("a", "requests", 1, 3)
    assert wait <= 20 <= wait + seconds_since(began)


async def test_a_refusal_takes_nothing(limiter: RateLimiter) -> None:
    assert await limiter.take("a", "requests", 2, 3) == 0
    assert await limiter.take("a", "requests", 2, 3) > 0
    assert await limiter.take("a", "requests", 1, 3) == 0


async def test_it_fills_evenly(limiter: RateLimiter) -> None:
    began = time.monotonic()
    assert await limiter.take("a", "requests", 120, 120) == 0
    wait = await limiter.take("a", "requests", 1, 120)
    assert wait <= 0.5 <= wait + seconds_since(began)
    await asyncio.sleep(wait + 0.01)
    assert await limiter.take("a", "requests", 1, 120) == 0


async def test_callers_and_units_have_buckets_of_their_own(limiter: RateLimiter) -> None:
    assert await limiter.take("a", "requests", 1, 1) == 0
    assert await limiter.take("b", "requests", 1, 1) == 0
    assert await limiter.take("a", "sequences", 1, 1) == 0
    assert await limiter.take("a", "requests", 1, 1) > 0


async def test_more_than_a_bucket_holds_is_let_through_when_it_is_full_and_paid_off_later(limiter: RateLimiter) -> None:
    began = time.monotonic()
    assert await limiter.take("a", "sequences", 25, 10) == 0
    wait = await limiter.take("a", "sequences", 1, 10)
    assert wait <= 96 <= wait + seconds_since(began)  # 15 owed and 1 wanted, at 10 a minute


@given(st.lists(st.tuples(st.floats(0, 40), st.integers(1, 12)), max_size=30), st.integers(1, 12))
async def test_no_more_is_taken_than_the_rate_allows(asked: list[tuple[float, int]], per_minute: int) -> None:
    now, taken = 0.0, 0
    limiter = MemoryRateLimiter(clock=lambda: now)
    for pause, cost in asked:
        now += pause
        if wait := await limiter.take("a", "requests", cost, per_minute):
            now += wait + 1e-6
            assert await limiter.take("a", "requests", cost, per_minute) == 0
        taken += cost
        # A full bucket, what has flowed in since, and at most one debt.
        assert taken <= per_minute + now * per_minute / 60 + max(0, 12 - per_minute) + 1e-6


async def test_buckets_in_memory_are_bounded_and_the_idlest_goes_first() -> None:
    limiter = MemoryRateLimiter(max_buckets=2, clock=lambda: 0.0)
    for caller in ("a", "b", "c"):
        assert await limiter.take(caller, "failures", 1, 1) == 0
    assert await limiter.take("c", "failures", 1, 1) == 60
    assert await limiter.take("a", "failures", 1, 1) == 0  # forgotten, and so full


async def test_in_redis_a_key_expires_when_its_buckets_are_full_again(redis: Redis) -> None:
    limiter, began = RedisRateLimiter(redis.register_script(TAKE), "test"), time.monotonic()
    await limiter.take("a", "requests", 1, 60)
    await limiter.take("a", "sequences", 30, 60)
    await limiter.take("a", "requests", 1, 60)
    assert await redis.keys() == [b"{test}:l:a"]
    life_seconds = await redis.pttl("{test}:l:a") / 1000
    assert life_seconds <= 30 <= life_seconds + seconds_since(began)


async def test_processes_share_the_buckets_in_redis(redis: Redis) -> None:
    one, other = (RedisRateLimiter(redis.register_script(TAKE), "test") for _ in range(2))
    taken = await asyncio.gather(*(limiter.take("a", "requests", 1, 10) for limiter in [one, other] * 20))
    assert sum(wait == 0 for wait in taken) == 10


async def test_buckets_out_of_reach_are_an_error_of_ours(tmp_path: Path) -> None:
    async with Redis(unix_socket_path=str(tmp_path / "nowhere"), retry=Retry(NoBackoff(), 0)) as client:
        with pytest.raises(QueueUnavailable):
            await RedisRateLimiter(client.register_script(TAKE), "test").take("a", "requests", 1, 1)
