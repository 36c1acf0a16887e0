"""Requests that come together go together, and each hears of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from app.errors import Overloaded, QueueUnavailable
from tests.queue_forms import Letterbox, RedisForm, job, redis_form
from tests.redis_server import RedisServer, running


@pytest_asyncio.fixture
async def form(redis_server: RedisServer) -> AsyncIterator[RedisForm]:
    async with redis_form(redis_server, max_tokens=100) as form:
        yield form


def _scripts_run(server: RedisServer) -> int:
    with server.client() as client:
        return sum(
            int(client.info("commandstats").get(f"cmdstat_{it}", {"calls": 0})["calls"]) for it in ("eval", "evalsha")
        )


async def test_requests_that_come_while_redis_answers_share_a_script(
    form: RedisForm, redis_server: RedisServer
) -> None:
    before = _scripts_run(redis_server)
    await asyncio.gather(*(form.queue.submit([job(form, 1)], Letterbox()) for _ in range(50)))
    assert form.queue.load()[:2] == (50, 50)
    assert _scripts_run(redis_server) - before < 25  # one for the first, one for the rest, and what runs beside them


async def test_of_those_that_share_a_script_only_those_without_room_are_turned_away(form: RedisForm) -> None:
    sizes = (10, 60, 90, 30)
    outcomes = await asyncio.gather(
        *(form.queue.submit([job(form, tokens)], Letterbox()) for tokens in sizes), return_exceptions=True
    )
    assert [isinstance(outcome, Overloaded) for outcome in outcomes] == [False, False, True, False]
    assert form.queue.load()[:2] == (3, 100)


async def test_when_redis_is_gone_all_who_wait_to_be_added_hear_of_it_together(redis_server: RedisServer) -> None:
    with running(redis_server.binary) as own:
        async with redis_form(own) as form:
            own.stop()
            asked = (form.queue.submit([job(form)], Letterbox()) for _ in range(20))
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(outcome, QueueUnavailable) for outcome in outcomes)
            own.start()
            async with asyncio.timeout(20):
                while True:
                    try:
                        await form.queue.submit([job(form)], Letterbox())
                        break
                    except QueueUnavailable:
                        await asyncio.sleep(0.05)
            assert form.queue.load().jobs == 1
