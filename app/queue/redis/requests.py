"""The asking end of one model's queue."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.batching import Answer, Deliver, Job, Outcome
from app.errors import DeadlineExceeded, Draining, Overloaded, QueueUnavailable, ServiceError
from app.metrics import ModelMetrics
from app.queue import QueueLoad
from app.queue.admission import retry_after_ms, shed_full, shed_late
from app.queue.redis.faults import RETRY_AFTER_MS
from app.queue.redis.inbox import Expected, Inbox
from app.queue.redis.keys import Keys
from app.queue.redis.scripts import CANCEL, ENQUEUE
from app.queue.redis.wire import ID_BYTES, Malformed, pack_request
from app.queue.redis.writer import Writer

MAX_JOBS = 65_536
CANCELLED_LIFE_MS = 60_000
# A worker's word that a job has expired may still be on its way when the deadline has passed.
EXPIRY_GRACE_SECONDS = 0.5
STREAM_OF = {"interactive": 1, "bulk": 2}


class RedisQueue:
    """The asking end through Redis: `JobQueue`; used from one event loop.

    Args:
        sha256: digest of the bundle.
        targets: how many values an answer has; None where only the graph knows.
        max_tokens: how many tokens may wait; an empty queue takes any single request.
        keys: the names in Redis.
        api_process: this process's name there.
        writer, inbox: the process's.
        metrics: what to count.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        sha256: str,
        targets: int | None,
        max_tokens: int,
        keys: Keys,
        api_process: str,
        writer: Writer,
        inbox: Inbox,
        metrics: ModelMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sha256 = sha256
        self.streams = [keys.interactive(sha256), keys.bulk(sha256)]
        self.tokens_per_second = 0.0
        self._cancelled_key = keys.cancelled(api_process)
        self._api_process = api_process
        self._targets, self._max_tokens, self._metrics = targets, max_tokens, metrics
        self._writer, self._inbox, self._clock = writer, inbox, clock
        self._ids: dict[Job, bytes] = {}
        self._new_ids = map((os.urandom(ID_BYTES - 8)).__add__, map(_eight_bytes, itertools.count()))
        self._load = QueueLoad(0, 0, 0.0)
        self._load_at = clock()
        self._closed = False

    async def submit(self, jobs: Sequence[Job], deliver: Deliver) -> None:
        if self._closed:
            raise Draining(retry_after_ms=RETRY_AFTER_MS)
        if not jobs:
            return
        shed_late(jobs, self._clock(), self._wait_seconds, self._metrics)
        ids = {job: next(self._new_ids) for job in jobs}
        self._ids |= ids
        for job, request_id in ids.items():
            self._inbox.expected[request_id] = Expected(job, deliver, self)
        await self._enqueue_or_forget(ids)

    async def _enqueue_or_forget(self, ids: Mapping[Job, bytes]) -> None:
        enqueued = self._enqueue(ids)
        try:
            added, jobs, tokens, oldest_ms = await asyncio.shield(enqueued)
        except asyncio.CancelledError:  # others may wait for these jobs still
            enqueued.add_done_callback(lambda done: self._end_unless_added(ids, done))
            raise
        except ServiceError:
            self._forget(ids)
            raise
        self.measured(jobs, tokens, oldest_ms)
        if not added:
            self._forget(ids)
            shed_full(tokens, self._max_tokens, self._wait_seconds, self._metrics)

    def _enqueue(self, ids: Mapping[Job, bytes]) -> asyncio.Future[Any]:
        now = self._clock()
        arguments: list[str | bytes | int] = [self._max_tokens, MAX_JOBS]
        for job, request_id in ids.items():
            ttl_ms = round((job.deadline - now) * 1000)
            packed = pack_request(request_id, job, ttl_ms, self._api_process)
            arguments += (STREAM_OF[job.priority], job.tokens, packed)
        return self._writer.run(ENQUEUE, self.streams, arguments)

    def _end_unless_added(self, ids: Mapping[Job, bytes], done: asyncio.Future[Any]) -> None:
        """Deliver the end of jobs that did not get into the queue and whose submitter is not there to be told."""
        error = done.exception()
        if error is None and done.result()[0]:
            return
        outcome = error if isinstance(error, ServiceError) else self._overloaded()
        for job in ids:
            self._end(job, outcome)

    def _overloaded(self) -> Overloaded:
        return Overloaded("The queue is full.", retry_after_ms=retry_after_ms(self._wait_seconds))

    def cancel(self, jobs: Sequence[Job]) -> None:
        left = [job for job in jobs if job in self._ids]
        self._metrics.left([job.deadline for job in left], self._clock())
        self._mark_cancelled(self._forget(left))

    def _mark_cancelled(self, ids: Sequence[bytes]) -> None:
        if ids:
            self._writer.tell(CANCEL, [self._cancelled_key], [CANCELLED_LIFE_MS, *ids])

    def _forget(self, jobs: Sequence[Job] | Mapping[Job, bytes]) -> list[bytes]:
        """Expect these jobs no more; the ids of those that were expected."""
        ids = [request_id for job in jobs if (request_id := self._ids.pop(job, None)) is not None]
        for request_id in ids:
            del self._inbox.expected[request_id]
        return ids

    def receive(self, job: Job, outcome: Outcome) -> None:
        if isinstance(outcome, Answer) and self._targets not in (None, len(outcome.values)):
            raise Malformed("an answer with another number of values than the model has targets")
        self._end(job, outcome)

    def _end(self, job: Job, outcome: Outcome) -> None:
        """Deliver, unless it was delivered or cancelled before."""
        request_id = self._ids.pop(job, None)
        if request_id is None:
            return
        deliver = self._inbox.expected.pop(request_id).deliver
        jobs, tokens, oldest_seconds = self._load
        self._load = QueueLoad(max(0, jobs - 1), max(0, tokens - job.tokens), oldest_seconds)
        if isinstance(outcome, DeadlineExceeded):
            self._metrics.expired.inc()
        deliver(job, outcome)

    def submit_again(self, lost: Mapping[bytes, Expected]) -> None:
        again = {}
        for request_id, expected in lost.items():
            if expected.submitted_again or self._closed:
                self._end(expected.job, QueueUnavailable("The queue lost the request.", retry_after_ms=RETRY_AFTER_MS))
            else:
                expected.submitted_again = True
                again[expected.job] = request_id
        if again:
            self._enqueue(again).add_done_callback(lambda done: self._end_unless_added(again, done))

    def expire(self) -> None:
        """End the jobs whose deadline has passed and of which no worker has said so."""
        late = self._clock() - EXPIRY_GRACE_SECONDS
        for job in [job for job in self._ids if job.deadline <= late]:
            self._end(job, DeadlineExceeded("The deadline passed while the sequence waited."))

    def measure(self) -> asyncio.Future[Any]:
        """Ask for what waits in Redis; the reply goes to `measured`."""
        return self._writer.run(ENQUEUE, self.streams, [0, 0])

    def measured(self, jobs: int, tokens: int, oldest_ms: int) -> None:
        """Take note of what waits in Redis."""
        self._load, self._load_at = QueueLoad(jobs, tokens, oldest_ms / 1000), self._clock()

    def load(self) -> QueueLoad:
        jobs, tokens, oldest_seconds = self._load
        return QueueLoad(jobs, tokens, oldest_seconds + self._clock() - self._load_at if jobs else 0.0)

    async def ping(self) -> None:
        await self._writer.command("PING")

    async def close(self) -> None:
        self._closed = True
        marks = list(self._ids.values())
        for job in list(self._ids):
            self._end(job, Draining(retry_after_ms=RETRY_AFTER_MS))
        self._mark_cancelled(marks)

    @property
    def _wait_seconds(self) -> float:
        """How long what waits now will take, by the speed that the live workers report."""
        return self._load.tokens / self.tokens_per_second if self.tokens_per_second else 0.0


def _eight_bytes(number: int) -> bytes:
    return number.to_bytes(8, "little")
