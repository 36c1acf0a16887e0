"""What probes are told, and how often others are asked for it."""

from __future__ import annotations

import asyncio

import pytest

from app import checks
from app.checks import cached, every_model_served, fuse_is_whole, in_reach
from app.errors import QueueUnavailable
from app.fuse import Fuse
from tests.queue_forms import Clock


async def test_a_queue_that_answers_is_in_reach() -> None:
    async def ping() -> None:
        """Answer."""

    assert await in_reach(ping)() == "ok"


async def test_a_queue_that_refuses_is_out_of_reach() -> None:
    async def ping() -> None:
        raise QueueUnavailable

    assert await in_reach(ping)() == "out of reach"


async def test_a_queue_that_does_not_answer_in_time_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PATIENCE_SECONDS", 0.01)
    assert await in_reach(asyncio.Event().wait)() == "out of reach"  # type: ignore[arg-type]


async def test_models_without_a_worker_are_named() -> None:
    names = {"digest-of-a": "a@1.0.0", "digest-of-b": "b@1.0.0", "digest-of-b2": "b@2.0.0"}
    workers = {"digest-of-a": 2, "digest-of-b": 0, "digest-of-b2": 0}
    check = every_model_served(names, workers.__getitem__)
    assert await check() == "no live worker for b@1.0.0, b@2.0.0"
    workers |= {"digest-of-b": 1, "digest-of-b2": 1}
    assert await check() == "ok"


async def test_others_are_asked_once_a_second() -> None:
    clock, asked = Clock(), []

    async def ask() -> str:
        asked.append(clock.now)
        return "ok"

    check = cached(ask, clock)
    for now in (100.0, 100.5, 100.9, 101.0, 101.1):
        clock.now = now
        assert await check() == "ok"
    assert asked == [100.0, 101.0]


async def test_a_blown_fuse_is_told_with_its_reason() -> None:
    fuse = Fuse()
    assert await fuse_is_whole(fuse)() == "ok"
    fuse.blow("a batch hangs")
    assert await fuse_is_whole(fuse)() == "a batch hangs"
