"""The queue inside the process: asyncio only, no server, nothing to lose but the process itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from itertools import islice

from app.batching import Answer, Batch, BatchLimits, Deliver, Job, Outcome, Priority, choose_batch
from app.errors import DeadlineExceeded, Draining, Overloaded
from app.metrics import ModelMetrics
from app.queue import QueueLoad

# Bulk work leads every fourth batch while interactive work waits too: it is never starved, nor ever in the way.
BULK_TURN = 4
SMOOTHING = 0.2


class MemoryQueue:
    """The in-process form of `JobQueue`; used from one event loop.

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
        # Dictionaries for their order: a job can leave from the middle at no cost.
        self._waiting: dict[Priority, dict[Job, None]] = {"interactive": {}, "bulk": {}}
        self._waiting_tokens = 0
        self._deliver: dict[Job, Deliver] = {}
        self._arrival = asyncio.Event()
        self._closed = False
        self._turn = 0
        self._seconds_per_token: float | None = None

    async def submit(self, jobs: Sequence[Job], deliver: Deliver) -> None:
        if self._closed:
            raise Draining(retry_after_ms=1000)
        tokens = sum(job.tokens for job in jobs)
        self._admit(tokens, jobs)
        for job in jobs:
            self._waiting[job.priority][job] = None
            self._deliver[job] = deliver
        self._waiting_tokens += tokens
        self._arrival.set()

    def cancel(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if self._deliver.pop(job, None) is not None:
                self._metrics.cancelled.inc()
            self._forget(job)

    async def take(self, limits: BatchLimits) -> Sequence[Batch]:
        while not (window := self._live_window(limits.window_jobs)):
            self._arrival.clear()
            await self._arrival.wait()
        batches = [self._batch(choose_batch(window, limits))]
        while self._goes_on(batches, limits) and (window := self._live_window(limits.window_jobs)):
            batches.append(self._batch(choose_batch(window, limits)))
        return batches

    def _goes_on(self, batches: Sequence[Batch], limits: BatchLimits) -> bool:
        """Whether the round is still small, and leaves enough for the other compute threads."""
        taken = sum(len(batch.jobs) for batch in batches)
        others = taken * (self._threads - 1)
        return sum(batch.tokens for batch in batches) < limits.round_tokens and self._waiting_jobs > others

    async def settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self._learn_speed(batch, outcomes)
        for job, outcome in zip(batch.jobs, outcomes, strict=True):
            self._settle_one(job, outcome)

    def load(self) -> QueueLoad:
        now = self._clock()
        oldest = min(_oldest(jobs, now) for jobs in self._waiting.values())
        return QueueLoad(self._waiting_jobs, self._waiting_tokens, now - oldest)

    async def ping(self) -> None:
        """Nothing to reach."""

    async def close(self) -> None:
        self._closed = True
        for jobs in self._waiting.values():
            for job in list(jobs):
                self._forget(job)
                self._settle_one(job, Draining(retry_after_ms=1000))

    def _admit(self, tokens: int, jobs: Sequence[Job]) -> None:
        if self._waiting_tokens and self._waiting_tokens + tokens > self._max_tokens:
            self._shed("queue_full", f"{self._waiting_tokens} tokens wait already; the limit is {self._max_tokens}.")
        deadline = min((job.deadline for job in jobs), default=float("inf"))
        if self._clock() + self._wait_seconds() > deadline:
            self._shed("deadline", "The wait in the queue would outlast the deadline.")

    def _shed(self, reason: str, detail: str) -> None:
        self._metrics.shed(reason)
        # The jitter keeps those who were turned away together from coming back together.
        wait_ms = min(max(self._wait_seconds() * 1000, 1000), 25_000) * random.uniform(1.0, 1.2)  # noqa: S311
        raise Overloaded(detail, retry_after_ms=round(wait_ms))

    def _wait_seconds(self) -> float:
        """How long what waits now will take, by the speed measured lately."""
        return self._waiting_tokens * (self._seconds_per_token or 0.0) / self._threads

    def _learn_speed(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Learn from batches under load only: a lone sequence says nothing of the speed of full batches."""
        answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
        if not answers or not batch.others_wait:
            return
        measured = answers[0].compute_seconds / batch.tokens
        before = measured if self._seconds_per_token is None else self._seconds_per_token
        self._seconds_per_token = before + SMOOTHING * (measured - before)

    def _live_window(self, size: int) -> list[Job]:
        """The jobs to choose from, leader first; those that have expired are settled on the way."""
        self._turn += 1
        while window := self._window(size):
            now = self._clock()
            expired = [job for job in window if job.deadline <= now]
            if not expired:
                break
            for job in expired:
                self._metrics.expired.inc()
                self._forget(job)
                self._settle_one(job, DeadlineExceeded("The deadline passed while the sequence waited."))
        return window

    @property
    def _waiting_jobs(self) -> int:
        return sum(len(jobs) for jobs in self._waiting.values())

    def _window(self, size: int) -> list[Job]:
        interactive, bulk = self._waiting["interactive"], self._waiting["bulk"]
        bulk_leads = not interactive or self._turn % BULK_TURN == 0
        first, second = (bulk, interactive) if bulk and bulk_leads else (interactive, bulk)
        window = list(islice(first, size))
        return window + list(islice(second, size - len(window)))

    def _batch(self, jobs: Sequence[Job]) -> Batch:
        for job in jobs:
            self._forget(job)
        return Batch(tuple(jobs), others_wait=self._waiting_jobs > 0)

    def _forget(self, job: Job) -> None:
        if job in self._waiting[job.priority]:
            del self._waiting[job.priority][job]
            self._waiting_tokens -= job.tokens

    def _settle_one(self, job: Job, outcome: Outcome) -> None:
        deliver = self._deliver.pop(job, None)
        if deliver is not None:  # None: cancelled while it was computed
            deliver(job, outcome)


def _oldest(jobs: dict[Job, None], now: float) -> float:
    """When the first of the jobs was submitted; `now` if there is none."""
    try:
        return next(iter(jobs)).submitted_at
    except (StopIteration, RuntimeError):  # a scrape in another thread may meet a change
        return now
