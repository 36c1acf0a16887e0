"""What the queue through Redis promises beyond the shared suite: several processes, lost ones, a lost Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
import pytest_asyncio

from app.batching import Answer, BatchLimits, Job
from app.errors import InferenceFailed, Overloaded, QueueUnavailable, ServiceError
from app.metrics import Metrics
from app.queue.redis.faults import cancelled
from app.queue.redis.keys import Keys
from app.queue.redis.source import RedisSource
from app.queue.redis.wire import pack_reply
from app.queue.redis.worker_side import WorkerSide
from tests.queue_forms import (
    SHA256,
    WAIT_SECONDS,
    Letterbox,
    RedisForm,
    answer,
    job,
    lengths,
    model_metrics,
    redis_form,
    take_one,
)
from tests.redis_server import RedisServer, running

LIMITS = BatchLimits(max_sequences=16)
KEYS = Keys("test")
Q, B = KEYS.interactive(SHA256), KEYS.bulk(SHA256)
LEASE_MS = 300


@pytest_asyncio.fixture
async def form(redis_server: RedisServer) -> AsyncIterator[RedisForm]:
    async with redis_form(redis_server, lease_ms=LEASE_MS) as form:
        yield form


async def eventually(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - Redis has no event to wait for
            await asyncio.sleep(0.01)


def count(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"basecast_{name}", labels) or 0.0


@asynccontextmanager
async def worker_beside(server: RedisServer, lease_ms: int = LEASE_MS) -> AsyncIterator[tuple[WorkerSide, RedisSource]]:
    """One more worker process."""
    metrics = Metrics()
    worker = WorkerSide(server.url, "test", metrics, "CPU", "1", lease_ms)
    source = worker.open_source(SHA256, 1, model_metrics(metrics))
    await worker.start()
    try:
        yield worker, source
    finally:
        await worker.close()


async def kill(worker: WorkerSide) -> None:
    """End a worker as SIGKILL would: nothing is given back, nothing is said."""
    for task in [*worker._tasks, worker._writer._task]:
        await cancelled(task)
    for source in worker._sources:
        await source._reader.close()
    await worker._writer._channel.close()
    worker._sources = []


async def serve(source: RedisSource, batches: list[list[int]] | None = None) -> None:
    """Answer each job with its number of tokens, for ever."""
    while True:
        for batch in await source.take(LIMITS):
            if batches is not None:
                batches += lengths([batch])
            await source.settle(batch, [answer(it.tokens, 1e-4) for it in batch.jobs])


@asynccontextmanager
async def serving(source: RedisSource, batches: list[list[int]] | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(serve(source, batches))
    try:
        yield
    finally:
        task.cancel()


async def test_a_round_is_filled_with_what_came_while_the_last_was_computed(form: RedisForm) -> None:
    limits, box = BatchLimits(max_sequences=2), Letterbox()
    first = job(form, 5)
    await form.queue.submit([first], box)
    await form.source.settle(await take_one(form, limits), [answer(1, compute_seconds=5)])
    await form.queue.submit([job(form, 5)], box)
    await take_one(form, limits)  # and it takes five seconds
    await form.queue.submit([job(form, 5)], box)
    await eventually(lambda: len(form.source._waiting) == 1)
    await form.queue.submit([job(form, 5)], box)
    assert lengths([await take_one(form, limits)]) == [[5, 5]]


async def test_redis_refuses_what_others_have_left_no_time_for(redis_server: RedisServer) -> None:
    async with redis_form(redis_server) as one, redis_form(redis_server) as two:
        box, known = Letterbox(), [job(one, 10), job(one, 11)]
        await one.look()
        await one.queue.submit(known, box)
        for it in known:
            await one.source.settle(await take_one(one, LIMITS), [answer(1, compute_seconds=1)])
            await box.value(it)
        await one.worker.beat()
        await two.api.look()
        await one.queue.submit([job(one, 100)], box)  # at ten tokens a second
        with pytest.raises(Overloaded, match="outlast the deadline"):
            await two.queue.submit([job(two, 1, seconds=4)], box)
        await two.queue.submit([job(two, 1)], box)


async def test_nothing_is_left_but_empty_streams(redis_server: RedisServer) -> None:
    async with redis_form(redis_server) as form, serving(form.source):
        jobs, box = [job(form, tokens) for tokens in range(1, 50)], Letterbox()
        await form.queue.submit(jobs, box)
        assert [await box.value(it) for it in jobs] == list(range(1, 50))
    with redis_server.client() as client:
        assert sorted(client.keys()) == sorted([Q.encode(), B.encode()])
        assert (client.xlen(Q), client.xpending(Q, "w")["pending"]) == (0, 0)


async def test_every_key_but_the_queues_has_an_end(form: RedisForm, redis_server: RedisServer) -> None:
    it = job(form)
    await form.queue.submit([it], Letterbox())
    form.queue.cancel([it])
    await form.queue.ping()
    with redis_server.client() as client:
        mortal = {key.decode(): client.pttl(key) for key in client.scan_iter() if key.decode() not in (Q, B)}
    assert set(mortal) == {KEYS.inbox(form.api.name), KEYS.cancelled(form.api.name), KEYS.worker(form.worker.name)}
    assert all(0 < ttl <= 60_000 for ttl in mortal.values())


async def test_one_worker_serves_many_api_processes_and_each_hears_its_own(redis_server: RedisServer) -> None:
    async with redis_form(redis_server) as one, redis_form(redis_server) as two, serving(one.source):
        first, second, box = job(one, 3), job(two, 4), Letterbox()
        await asyncio.gather(one.queue.submit([first], box), two.queue.submit([second], box))
        assert (await box.value(first), await box.value(second)) == (3, 4)


async def test_two_versions_of_a_bundle_never_mix(form: RedisForm) -> None:
    other = form.api.open_queue("0ther" * 12, 1, 1000, model_metrics())
    box, mine, others = Letterbox(), job(form, 3), job(form, 4)
    await other.submit([others], box)
    await form.queue.submit([mine], box)
    assert lengths([await take_one(form, LIMITS)]) == [[3]]


async def test_an_answer_with_another_number_of_values_is_ignored_and_counted(form: RedisForm) -> None:
    it, box = job(form), Letterbox()
    await form.queue.submit([it], box)
    batch = await take_one(form, LIMITS)
    await form.source.settle(batch, [Answer(np.zeros(2, np.float32), 0.0, 0.0)])
    await eventually(lambda: count(form.metrics, "redis_errors_total", reason="malformed") == 1)
    assert it not in box.outcomes


async def test_replies_that_are_late_double_or_nonsense_are_ignored_and_counted(
    form: RedisForm, redis_server: RedisServer
) -> None:
    it, box = job(form), Letterbox()
    await form.queue.submit([it], box)
    request_id = next(iter(form.api._inbox.expected))
    batch = await take_one(form, LIMITS)
    await form.source.settle(batch, [answer(1)])
    assert await box.value(it) == 1
    with redis_server.client() as client:
        for packed in (pack_reply(request_id, answer(2)), pack_reply(b"x" * 16, answer(3)), b"", b"\xff" * 40):
            client.xadd(KEYS.inbox(form.api.name), {"r": packed})
        client.xadd(KEYS.inbox(form.api.name), {"what": "ever"})
    await eventually(lambda: count(form.metrics, "redis_errors_total", reason="malformed") == 2)
    assert count(form.metrics, "late_replies_total") == 2
    assert len(box.outcomes[it]) == 1


async def test_an_entry_that_cannot_be_read_is_buried(form: RedisForm, redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.xadd(Q, {"j": b"\x63 of a later version"})
        client.xadd(Q, {"what": "ever"})
        it = job(form, tokens=7)
        await form.queue.submit([it], Letterbox())
        assert lengths([await take_one(form, LIMITS)]) == [[7]]
        await eventually(lambda: client.xlen(KEYS.dead) == 2)
        assert client.xlen(Q) == 1
    assert count(form.worker_metrics, "dead_total", model="gc") == 2


async def test_a_lost_workers_jobs_are_answered_by_another(redis_server: RedisServer) -> None:
    async with redis_form(redis_server, lease_ms=LEASE_MS) as form:
        jobs, box = [job(form, tokens) for tokens in range(1, 6)], Letterbox()
        await form.queue.submit(jobs, box)
        await form.source.take(BatchLimits(max_padding=0.9, max_sequences=16))
        await kill(form.worker)
        batches: list[list[int]] = []
        async with redis_form(redis_server, lease_ms=LEASE_MS) as other, serving(other.source, batches):
            assert [await box.value(it) for it in jobs] == [1, 2, 3, 4, 5]
            assert sorted(batches) == [[1], [2], [3], [4], [5]]  # each alone
            assert count(other.worker_metrics, "reclaimed_total", model="gc") == 5


async def test_a_poison_fails_alone_among_fifteen_innocents(redis_server: RedisServer) -> None:
    """The poison, of 13 tokens, kills whoever begins to compute it."""
    async with redis_form(redis_server, lease_ms=LEASE_MS) as form:
        poison, innocents, box = job(form, 13), [job(form, tokens) for tokens in (1, 2, 3) * 5], Letterbox()
        await form.queue.submit([poison, *innocents], box)
        await form.source.take(BatchLimits(max_padding=0.95, max_sequences=16))
        await kill(form.worker)
        lives = 0
        while poison not in box.outcomes or len(box.outcomes) < 16:
            async with worker_beside(redis_server) as (worker, source):
                lives += 1
                if await _dies_of_poison(source, box):
                    await kill(worker)
        assert isinstance(await box.outcome(poison), InferenceFailed)
        assert [await box.value(it) for it in innocents] == [1, 2, 3] * 5
        assert lives <= 4
        with redis_server.client() as client:
            ((_, record),) = client.xrange(KEYS.dead)
        assert (record[b"deliveries"], record[b"stream"]) == (b"3", Q.encode())
        assert set(record) == {b"id", b"stream", b"sha256", b"bytes", b"deliveries", b"worker"}


async def _dies_of_poison(source: RedisSource, box: Letterbox) -> bool:
    """Serve until all is answered, or a batch with the poison in it comes."""
    while len(box.outcomes) < 16:
        try:
            async with asyncio.timeout(1):
                batches = await source.take(LIMITS)
        except TimeoutError:
            continue
        for batch in batches:
            if any(it.tokens == 13 for it in batch.jobs):
                return True
            await source.settle(batch, [answer(it.tokens) for it in batch.jobs])
            await asyncio.sleep(0.02)
    return False


async def test_of_two_workers_that_compute_the_same_the_first_answers(redis_server: RedisServer) -> None:
    async with redis_form(redis_server, lease_ms=LEASE_MS) as form:
        it, box = job(form), Letterbox()
        await form.queue.submit([it], box)
        slow = await take_one(form, LIMITS)
        await form.worker.stop_reading()
        async with worker_beside(redis_server) as (_, source):
            (fast,) = await source.take(LIMITS)
            await form.source.settle(slow, [answer(1)])
            await source.settle(fast, [answer(2)])
            await form.queue.ping()
        assert await box.value(it) == 1
        assert box.outcomes[it] == [box.outcomes[it][0]]


async def test_what_a_worker_gives_back_at_its_end_is_taken_at_once_and_not_counted(redis_server: RedisServer) -> None:
    async with redis_form(redis_server, lease_ms=30_000) as form:
        jobs, box = [job(form, tokens) for tokens in (1, 2, 3)], Letterbox()
        await form.queue.submit(jobs, box)
        await form.source.take(BatchLimits(max_sequences=1))
        await form.worker.close()
        async with worker_beside(redis_server, lease_ms=60_000) as (_, source):
            batches: list[list[int]] = []
            async with serving(source, batches):
                assert [await box.value(it) for it in jobs] == [1, 2, 3]


async def test_under_load_the_old_is_taken_over_before_all_the_new_is_done(redis_server: RedisServer) -> None:
    async with redis_form(redis_server, lease_ms=LEASE_MS) as form:
        old, box = job(form, 1), Letterbox()
        async with worker_beside(redis_server) as (doomed, source):
            taking = asyncio.create_task(source.take(LIMITS))
            await asyncio.sleep(0.1)
            await form.queue.submit([old], box)
            await taking
            await kill(doomed)
        new = [job(form, 2) for _ in range(400)]
        await form.queue.submit(new, box)
        async with serving_slowly(form.source, seconds_per_batch=0.02):
            assert await box.value(old) == 1
            assert new[-1] not in box.outcomes


@asynccontextmanager
async def serving_slowly(source: RedisSource, seconds_per_batch: float) -> AsyncIterator[None]:
    async def serve_slowly() -> None:
        while True:
            for batch in await source.take(LIMITS):
                await asyncio.sleep(seconds_per_batch)
                await source.settle(batch, [answer(it.tokens) for it in batch.jobs])

    task = asyncio.create_task(serve_slowly())
    try:
        yield
    finally:
        task.cancel()


async def test_a_worker_that_leaves_takes_its_name_away(redis_server: RedisServer) -> None:
    async with redis_form(redis_server) as form:
        await form.look()
        assert [it.provider for it in form.api.workers(SHA256)] == ["CPU"]
        await form.worker.close()
        await form.api.look()
        assert form.api.workers(SHA256) == []
        with redis_server.client() as client:
            assert client.xinfo_consumers(Q, "w") == []


async def test_a_worker_that_falls_silent_is_not_ready(redis_server: RedisServer) -> None:
    async with redis_form(redis_server, lease_ms=LEASE_MS) as form:
        await form.look()
        await kill(form.worker)
        await asyncio.sleep(LEASE_MS / 1000 + 0.05)
        await form.api.look()
        assert form.api.workers(SHA256) == []


async def test_without_workers_requests_wait_then_are_shed_then_expire(redis_server: RedisServer) -> None:
    async with redis_form(redis_server, max_tokens=10) as form:
        await kill(form.worker)
        it, box = job(form, tokens=10, seconds=0.1), Letterbox()
        await form.queue.submit([it], box)
        with pytest.raises(Overloaded):
            await form.queue.submit([job(form)], box)
        outcome = await box.outcome(it)
        assert isinstance(outcome, ServiceError)
        assert outcome.status == 504
        assert count(form.metrics, "expired_total", model="gc") == 1


async def test_jobs_outlive_a_flushed_redis(form: RedisForm, redis_server: RedisServer) -> None:
    it, box = job(form, tokens=7), Letterbox()
    await form.queue.submit([it], box)
    with redis_server.client() as client:
        client.flushall()
        client.script_flush()
    async with serving(form.source):
        began = time.monotonic()
        assert await box.value(it) == 7
        assert time.monotonic() - began < 5
    assert len(box.outcomes[it]) == 1


async def test_jobs_that_redis_loses_twice_fail(form: RedisForm, redis_server: RedisServer) -> None:
    it, box = job(form), Letterbox()
    await form.queue.submit([it], box)
    with redis_server.client() as client:
        for _ in range(2):
            client.delete(KEYS.inbox(form.api.name))
            await eventually(lambda: bool(client.exists(KEYS.inbox(form.api.name))))
    assert isinstance(await box.outcome(it), QueueUnavailable)


async def test_everything_heals_after_redis_was_killed(redis_server: RedisServer) -> None:
    with running(redis_server.binary) as server:
        async with redis_form(server, lease_ms=LEASE_MS) as form, serving(form.source):
            first, box = job(form, 3), Letterbox()
            await form.queue.submit([first], box)
            assert await box.value(first) == 3
            server.stop()
            began = time.monotonic()
            with pytest.raises(QueueUnavailable):
                await form.queue.submit([job(form)], box)
            assert time.monotonic() - began < 2
            await eventually(lambda: count(form.metrics, "redis_up") == 0)
            server.start()
            began = time.monotonic()
            again = job(form, 4)
            await _submit_when_up(form, again, box)
            assert await box.value(again) == 4
            assert time.monotonic() - began < 5
            assert count(form.metrics, "redis_up") == 1
            assert form.api.alive
            assert form.worker.alive


async def _submit_when_up(form: RedisForm, it: Job, box: Letterbox) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                await form.queue.submit([it], box)
            except QueueUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_request_whose_caller_leaves_while_it_is_submitted_is_refused_to_those_who_stay(
    redis_server: RedisServer,
) -> None:
    async with redis_form(redis_server, max_tokens=10) as form:
        await form.queue.submit([job(form, tokens=10)], Letterbox())
        it, box = job(form), Letterbox()
        submitting = asyncio.create_task(form.queue.submit([it], box))
        await asyncio.sleep(0)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting
        assert isinstance(await box.outcome(it), Overloaded)


async def test_full_memory_refuses_the_new_and_answers_the_old(form: RedisForm, redis_server: RedisServer) -> None:
    it, box = job(form, tokens=6), Letterbox()
    await form.queue.submit([it], box)
    batch = await take_one(form, LIMITS)
    with redis_server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(Overloaded, match="memory is full"):
                await form.queue.submit([job(form)], box)
            await form.source.settle(batch, [answer(5)])
            assert await box.value(it) == 5
        finally:
            client.config_set("maxmemory", 0)
    assert count(form.metrics, "redis_errors_total", reason="full") == 1


async def test_a_worker_keeps_its_lease_on_what_waits_in_it(redis_server: RedisServer) -> None:
    async with redis_form(redis_server, lease_ms=LEASE_MS) as form:
        box, jobs = Letterbox(), [job(form, tokens) for tokens in (1, 2, 3)]
        await form.queue.submit(jobs, box)
        first = await form.source.take(BatchLimits(max_sequences=4))
        await form.source.settle(first[0], [answer(1)])
        async with worker_beside(redis_server) as (_, source):
            taking = asyncio.create_task(source.take(LIMITS))
            await asyncio.sleep(2 * LEASE_MS / 1000)
            assert not taking.done()
            taking.cancel()
