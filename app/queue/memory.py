"""The queue inside the process: asyncio only, no server, nothing to lose but the process itself."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from app.batching import Batch, BatchLimits, Deliver, Job, Outcome, Priority
from app.errors import DeadlineExceeded, Draining
from app.metrics import ModelMetrics
from app.queue import QueueLoad
from app.queue.admission import NO_WAIT, Wait, own_seconds, shed_full, shed_late
from app.queue.pace import Pace
from app.queue.waiting import WaitingJobs


class MemoryQueue:
    """The in-process form, both ends in one: `JobQueue` and `JobSource`; used from one event loop.

    Args:
        max_tokens: how many tokens may wait; an empty queue takes any single request.
        metrics: what to count.
        threads: how many batches are computed at once.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        max_tokens: int,
        metrics: ModelMetrics,
        threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_tokens = max_tokens
        self._metrics = metrics
        self._threads = threads
        self._clock = clock
        self._waiting = WaitingJobs()
        self._deliver: dict[Job, Deliver] = {}
        self._takers: deque[asyncio.Future[None]] = deque()  # who waits for jobs
        self._closed = False
        self._pace = Pace(threads)

    async def submit(self, jobs: Sequence[Job], deliver: Deliver) -> None:
        if self._closed:
            raise Draining(retry_after_ms=1000)
        self._admit(jobs)
        self._deliver.update(dict.fromkeys(jobs, deliver))
        self._waiting.add(jobs)
        self._call_a_taker()

    def cancel(self, jobs: Sequence[Job]) -> None:
        left = [job for job in jobs if self._deliver.pop(job, None) is not None]
        self._metrics.left([job.deadline for job in left], self._clock())
        for job in jobs:
            self._waiting.discard(job)

    async def take(self, limits: BatchLimits) -> Sequence[Batch]:
        while not (batches := self._next_round(limits)):
            await self._called()
        self._pace.taken(batches, self._clock())
        if self._waiting:
            self._call_a_taker()
        return batches

    async def _called(self) -> None:
        """Wait until there are jobs."""
        call = asyncio.get_running_loop().create_future()
        self._takers.append(call)
        try:
            await call
        except asyncio.CancelledError:
            if not call.cancelled():  # called, and gone meanwhile
                self._call_a_taker()
            raise

    def _call_a_taker(self) -> None:
        """Call one of those who wait, who calls the next if he leaves jobs: to wake all of them for one job is dear."""
        while self._takers:
            call = self._takers.popleft()
            if not call.done():
                call.set_result(None)
                return

    async def settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self._pace.settled(batch, outcomes, self._clock())
        for job, outcome in zip(batch.jobs, outcomes, strict=True):
            self._settle_one(job, outcome)

    async def release(self, batches: Sequence[Batch]) -> None:
        self._pace.given_back(batches)
        self._waiting.put_back([job for batch in batches for job in batch.jobs if job in self._deliver])
        self._call_a_taker()

    def load(self) -> QueueLoad:
        now = self._clock()
        return QueueLoad(len(self._waiting), self._waiting.tokens, now - self._waiting.oldest(now))

    async def ping(self) -> None:
        """Nothing to reach."""

    async def close(self) -> None:
        self._closed = True
        for job in self._waiting:
            self._waiting.discard(job)
            self._settle_one(job, Draining(retry_after_ms=1000))

    def _admit(self, jobs: Sequence[Job]) -> None:
        waiting, wait = self._waiting.tokens, NO_WAIT
        if waiting and jobs:
            own_tokens = sum(job.tokens for job in jobs)
            wait = self._wait(jobs[0].priority, own_tokens)
            if waiting + own_tokens > self._max_tokens:
                shed_full(waiting, self._max_tokens, wait.seconds, self._metrics)
        shed_late(jobs, self._clock(), wait, self._metrics)

    def _wait(self, priority: Priority, own_tokens: int) -> Wait:
        """What a request has to expect, by what has been learned."""
        if not self._pace.seconds_per_token:
            return NO_WAIT
        speed = self._threads / self._pace.seconds_per_token
        before = self._waiting.tokens_before(priority, own_tokens, self._pace.full_tokens)
        return Wait(before / speed, own_seconds(own_tokens, speed, self._pace.full_batch_seconds))

    def _next_round(self, limits: BatchLimits) -> list[Batch]:
        if not self._waiting:
            return []
        batches, late = self._waiting.take_round(limits, self._threads, self._clock(), self._pace)
        for job in late:
            self._metrics.expired.inc()
            self._settle_one(job, DeadlineExceeded("The sequence waited too long to be answered before its deadline."))
        return batches

    def _settle_one(self, job: Job, outcome: Outcome) -> None:
        deliver = self._deliver.pop(job, None)
        if deliver is not None:  # None: cancelled while it was computed
            deliver(job, outcome)
