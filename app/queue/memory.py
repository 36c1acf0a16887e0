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

Call = asyncio.Future[None]  # of somebody who waits for jobs
Begin = Callable[[Job], Batch | None]


class MemoryQueue:
    """The in-process form, both ends in one: `ImmediateQueue` and `ImmediateSource`; used from one event loop.

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
        self._takers: deque[Call] = deque()  # who waits for jobs
        self._begin: Begin | None = None
        self._handed_over: tuple[Batch, Call] | None = None  # and who would have taken it
        self._closed = False
        self._pace = Pace(threads)

    async def submit(self, jobs: Sequence[Job], deliver: Deliver) -> None:
        self.submit_now(jobs, deliver)

    def submit_now(self, jobs: Sequence[Job], deliver: Deliver) -> None:
        if self._closed:
            raise Draining(retry_after_ms=1000)
        if len(jobs) == 1 and not self._deliver and self._is_begun(jobs[0], deliver):
            return
        self._admit(jobs)
        self._deliver.update(dict.fromkeys(jobs, deliver))
        self._waiting.add(jobs)
        self._call_a_taker()

    def hand_over(self, begin: Begin) -> None:
        self._begin = begin

    def _is_begun(self, job: Job, deliver: Deliver) -> bool:
        """Whether a job was handed over, in place of the taker who would have been called for it.

        He is not called before it is settled, so there are no more batches in hand than there are takers.
        """
        now = self._clock()
        if self._begin is None or self._pace.in_hand or job.deadline <= now:
            return False
        taker = self._next_taker()
        if taker is None:
            return False
        batch = None
        try:
            batch = self._begin(job)
        finally:
            if batch is None:
                self._takers.appendleft(taker)
        if batch is None:
            return False
        self._handed_over = batch, taker
        self._deliver[job] = deliver
        self._pace.taken((batch,), now)
        return True

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
        taker = self._next_taker()
        if taker is not None:
            taker.set_result(None)

    def _next_taker(self) -> Call | None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                return taker
        return None

    async def settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self.note_settled(batch, outcomes)
        self.deliver(batch, outcomes)

    def others_wait(self) -> bool:
        return len(self._waiting) > 0

    def deliver(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        for job, outcome in zip(batch.jobs, outcomes, strict=True):
            self._settle_one(job, outcome)

    def note_settled(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self._pace.settled(batch, outcomes, self._clock())
        if self._handed_over is not None:
            self._let_take(batch)

    def _let_take(self, batch: Batch) -> None:
        """Let him take jobs again who would have taken this batch, if it was handed over."""
        if self._handed_over is None or self._handed_over[0] is not batch:
            return
        self._takers.appendleft(self._handed_over[1])
        self._handed_over = None
        if self._waiting:
            self._call_a_taker()

    async def release(self, batches: Sequence[Batch]) -> None:
        self._pace.given_back(batches)
        self._waiting.put_back([job for batch in batches for job in batch.jobs if job in self._deliver])
        for batch in batches:
            self._let_take(batch)
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
