"""Whatever happens to workers, callers and Redis, in whatever order: each job ends once, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app.batching import Answer, Batch, BatchLimits, Job
from app.errors import DeadlineExceeded, InferenceFailed, Overloaded, QueueUnavailable
from app.metrics import Metrics
from app.queue.redis.feed import TURN_JOBS
from app.queue.redis.keys import Keys
from app.queue.redis.source import RedisSource
from app.queue.redis.worker_side import WorkerSide
from tests.queue_forms import SHA256, Letterbox, RedisForm, answer, job, model_metrics
from tests.redis_server import RedisServer
from tests.test_redis_queue import WAIT_SECONDS, kill, serving

LIMITS = BatchLimits(max_sequences=3, max_padding=0.5)
LEASE_MS = 100
MAX_TOKENS = 200
LONG_LIST = TURN_JOBS + 8  # a part of it is held back
KEYS = Keys("test")
STREAMS = [KEYS.interactive(SHA256), KEYS.bulk(SHA256)]
MAY_END_AS = (Answer, DeadlineExceeded, InferenceFailed, Overloaded, QueueUnavailable)

Taken = tuple[RedisSource, list[Batch]]


class QueueMachine(RuleBasedStateMachine):
    """One API process and any number of workers around one Redis."""

    jobs: Bundle[Job] = Bundle("jobs")
    taken: Bundle[Taken] = Bundle("taken")

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self.server, self.client, self.box = server, server.client(), Letterbox()
        self.client.flushall()
        self.accepted: set[Job] = set()
        self.cancelled: set[Job] = set()
        self.runner = asyncio.Runner()
        self.form = RedisForm(server, MAX_TOKENS, 1, LEASE_MS)
        self.run(self.form.api.start())
        self.run(self.form.worker.start())
        self.workers = {self.form.source: self.form.worker}

    def run(self, doing):
        return self.runner.run(doing)

    async def _start_worker(self) -> RedisSource:
        worker = WorkerSide(self.server.url, "test", Metrics(), "CPU", "1", LEASE_MS)
        source = worker.open_source(SHA256, 1, model_metrics())
        await worker.start()
        self.workers[source] = worker
        return source

    def _worker(self, which: int) -> RedisSource | None:
        return list(self.workers)[which % len(self.workers)] if self.workers else None

    @rule(
        target=jobs,
        tokens=st.one_of(st.tuples(st.integers(1, 60)), st.just((1,) * LONG_LIST)),
        hasty=st.booleans(),
        bulk=st.booleans(),
    )
    def submit(self, tokens: tuple[int, ...], hasty: bool, bulk: bool) -> MultipleResults[Job]:
        priority = "bulk" if bulk else "interactive"
        jobs = [job(self.form, each, 0.03 if hasty else 30, priority) for each in tokens]
        with contextlib.suppress(Overloaded):
            self.run(self.form.queue.submit(jobs, self.box))
            self.accepted.update(jobs)
        return multiple(*jobs)

    @rule(it=consumes(jobs))
    def cancel(self, it: Job) -> None:
        if it in self.accepted and it not in self.box.outcomes:
            self.cancelled.add(it)
        self.form.queue.cancel([it])

    @rule(target=taken, which=st.integers(0, 3))
    def take(self, which: int) -> Taken | None:
        source = self._worker(which)
        return (source, self.run(_take_soon(source))) if source else None

    @rule(taken=consumes(taken))
    def settle(self, taken: Taken | None) -> None:
        if taken and taken[0] in self.workers:
            self.run(_settle(*taken))

    @rule(taken=consumes(taken))
    def release(self, taken: Taken | None) -> None:
        if taken and taken[0] in self.workers:
            self.run(taken[0].release(taken[1]))

    @rule()
    def start_worker(self) -> None:
        if len(self.workers) < 3:
            self.run(self._start_worker())

    @rule(which=st.integers(0, 3))
    def kill_worker(self, which: int) -> None:
        if source := self._worker(which):
            self.run(kill(self.workers.pop(source)))

    @rule(which=st.integers(0, 3))
    def pause_worker(self, which: int) -> None:
        """It says and reads nothing any more, but what it has taken it may settle still, long after."""
        if source := self._worker(which):
            self.run(_pause(self.workers[source]))

    @rule(which=st.integers(0, 3))
    def stop_worker(self, which: int) -> None:
        if source := self._worker(which):
            self.run(self.workers.pop(source).close())

    @rule()
    def flush(self) -> None:
        self.client.flushall()

    @rule(seconds=st.sampled_from([0.03, 0.12]))
    def pass_time(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @invariant()
    def nothing_is_delivered_twice_or_although_it_was_cancelled(self) -> None:
        assert all(len(outcomes) == 1 for outcomes in self.box.outcomes.values())
        assert not self.cancelled & set(self.box.outcomes)

    def teardown(self) -> None:
        try:
            self.run(self._finish())
            self._nothing_is_left()
        finally:
            self.runner.close()
            self.client.close()

    async def _finish(self) -> None:
        """One healthy worker is enough for everything to end."""
        async with serving(await self._start_worker()):
            outcomes = [await self.box.outcome(it) for it in self.accepted - self.cancelled]
            async with asyncio.timeout(WAIT_SECONDS):
                while any(map(self.client.xlen, STREAMS)):  # noqa: ASYNC110 - Redis has no event to wait for
                    await asyncio.sleep(0.02)
        assert all(isinstance(outcome, MAY_END_AS) for outcome in outcomes)
        self.nothing_is_delivered_twice_or_although_it_was_cancelled()
        for worker in self.workers.values():
            await worker.close()
        await self.form.api.close()

    def _nothing_is_left(self) -> None:
        assert [self.client.xpending(stream, "w")["pending"] for stream in STREAMS] == [0, 0]
        mortal = [key.decode() for key in self.client.scan_iter() if key.decode() not in STREAMS]
        assert all(key == KEYS.dead or key.startswith(KEYS.worker("")) for key in mortal)
        assert all(self.client.pttl(key) > 0 or not self.client.exists(key) for key in mortal)


async def _take_soon(source: RedisSource) -> list[Batch]:
    try:
        async with asyncio.timeout(0.05):
            return list(await source.take(LIMITS))
    except TimeoutError:
        return []


async def _settle(source: RedisSource, batches: list[Batch]) -> None:
    for batch in batches:
        await source.settle(batch, [answer(it.tokens, 1e-6) for it in batch.jobs])


async def _pause(worker: WorkerSide) -> None:
    for task in worker._tasks:
        task.cancel()


def test_each_job_ends_once_and_nothing_is_left_behind(redis_server: RedisServer) -> None:
    bounded = settings(max_examples=10, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(partial(QueueMachine, redis_server), settings=bounded)
