"""The asking end of one model's queue."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import NoReturn

from app.batching import Answer, Deliver, Job, Outcome, Priority
from app.errors import DeadlineExceeded, Draining, Overloaded, QueueUnavailable, ServiceError
from app.metrics import ModelMetrics
from app.queue import QueueLoad
from app.queue.admission import (
    NO_WAIT,
    Wait,
    own_seconds,
    retry_after_ms,
    shed_full,
    shed_hopeless,
    shed_late,
    tokens_in_time,
)
from app.queue.redis.enqueuing import Enqueuer, Waiting
from app.queue.redis.faults import RETRY_AFTER_MS
from app.queue.redis.feed import TURN_JOBS, UNKNOWN_JOBS_AT_ONCE, Feed
from app.queue.redis.heartbeat import FleetSpeed
from app.queue.redis.inbox import Expected, Inbox
from app.queue.redis.keys import Keys
from app.queue.redis.scripts import CANCEL
from app.queue.redis.wire import ID_BYTES, Malformed
from app.queue.redis.writer import Writer
from app.queue.waiting import tokens_before

NO_LIMIT = 2**53  # the largest whole number that Lua has
CANCELLED_LIFE_MS = 60_000
# A worker's word that a job has expired may still be on its way when the deadline has passed.
EXPIRY_GRACE_SECONDS = 0.5


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
        self.speed = FleetSpeed()
        self._cancelled_key = keys.cancelled(api_process)
        self._targets, self._max_tokens, self._metrics = targets, max_tokens, metrics
        self._writer, self._inbox, self._clock = writer, inbox, clock
        self._ids: dict[Job, bytes] = {}
        self._feeds: dict[Priority, Feed] = {"interactive": Feed(), "bulk": Feed()}
        self._will_feed = False
        self._new_ids = map((os.urandom(ID_BYTES - 8)).__add__, map(_eight_bytes, itertools.count()))
        self._load = QueueLoad(0, 0, 0.0)
        self._load_at = clock()
        self._interactive_tokens = 0
        self._enqueuer = Enqueuer(
            writer, self.streams, self._room_tokens, api_process, self._tokens_in_time, self._measured, clock
        )
        self._closed = False

    async def submit(self, jobs: Sequence[Job], deliver: Deliver) -> None:
        if self._closed:
            raise Draining(retry_after_ms=RETRY_AFTER_MS)
        if not jobs:
            return
        shed_late(jobs, self._clock(), self._wait(jobs), self._metrics)
        ids = {job: next(self._new_ids) for job in jobs}
        self._ids |= ids
        for job, request_id in ids.items():
            self._inbox.expected[request_id] = Expected(job, deliver, self)
        await self._enqueue_or_forget(ids)

    async def _enqueue_or_forget(self, ids: Mapping[Job, bytes]) -> None:
        enqueued = self._enqueuer.add(dict(islice(ids.items(), TURN_JOBS)), ids)
        if len(ids) > TURN_JOBS:
            enqueued.add_done_callback(lambda done: self._hold(list(ids), done))
        try:
            added = await asyncio.shield(enqueued)
        except asyncio.CancelledError:  # others may wait for these jobs still
            enqueued.add_done_callback(lambda done: self._end_unless_added(ids, done))
            raise
        except ServiceError:
            self._forget(ids)
            raise
        if not added:
            self._forget(ids)
            self._shed(ids)

    def _shed(self, jobs: Collection[Job]) -> NoReturn:
        """Turn jobs away for which Redis had no room: none at all, or none in time."""
        waiting, wait_seconds = self.load().tokens, self._wait(jobs).seconds
        if waiting + sum(job.tokens for job in jobs) > self._max_tokens:
            shed_full(waiting, self._max_tokens, wait_seconds, self._metrics)
        shed_hopeless(wait_seconds, self._metrics)

    def _tokens_in_time(self, jobs: Collection[Job], now: float) -> int:
        """How many tokens may go before these jobs, by what the workers say of their speed."""
        speed, batch_seconds = self.speed
        if not speed:
            return NO_LIMIT
        own_tokens = sum(job.tokens for job in jobs)
        seconds = min(job.deadline for job in jobs) - now
        in_time = tokens_in_time(seconds, speed, own_seconds(own_tokens, speed, batch_seconds))
        return max(0, in_time - self._held_before(jobs, own_tokens))

    def _held_before(self, jobs: Collection[Job], own_tokens: int) -> int:
        """How many tokens that are held back here go before the last of a new request."""
        if next(iter(jobs)).priority == "interactive":
            return self._feeds["interactive"].tokens_before(len(jobs), own_tokens)
        return self._feeds["interactive"].held.tokens + self._feeds["bulk"].tokens_before(len(jobs), own_tokens)

    def _hold(self, jobs: Sequence[Job], done: asyncio.Future[bool]) -> None:
        """Hold back all but the first jobs of a request that was let in."""
        if done.exception() is None and done.result():
            gone, held = ([job for job in part if job in self._ids] for part in (jobs[:TURN_JOBS], jobs[TURN_JOBS:]))
            if held:
                self._feeds[held[0].priority].hold(gone, held)
                self._feed_soon()

    def _feed_soon(self) -> None:
        """Feed once for all that is answered in this turn of the event loop."""
        if not self._will_feed:
            self._will_feed = True
            asyncio.get_running_loop().call_soon(self._feed)

    def _feed(self) -> None:
        self._will_feed = False
        for feed in self._feeds.values():
            ids = {job: self._ids[job] for job in feed.next_jobs(self._clock())}
            if ids:
                self._enqueuer.add(ids, ()).add_done_callback(partial(self._end_unless_added, ids))

    def feed_up_to(self, jobs: int) -> None:
        """Have so many jobs of lists in a stream at once; 0 where nobody knows how many the workers can hold."""
        for feed in self._feeds.values():
            feed.jobs_at_once = jobs or UNKNOWN_JOBS_AT_ONCE
        self._feed_soon()

    def _room_tokens(self) -> int:
        """How many tokens may wait in Redis, beside what is held back here."""
        return self._max_tokens - sum(feed.held.tokens for feed in self._feeds.values())

    def _end_unless_added(self, ids: Mapping[Job, bytes], done: asyncio.Future[bool]) -> None:
        """Deliver the end of jobs that did not get into the queue and whose submitter is not there to be told."""
        error = done.exception()
        if error is None and done.result():
            return
        outcome = error if isinstance(error, ServiceError) else self._overloaded(ids)
        for job in ids:
            self._end(job, outcome)

    def _overloaded(self, jobs: Collection[Job]) -> Overloaded:
        return Overloaded("The queue is full.", retry_after_ms=retry_after_ms(self._wait(jobs).seconds))

    def cancel(self, jobs: Sequence[Job]) -> None:
        left = [job for job in jobs if job in self._ids]
        self._metrics.left([job.deadline for job in left], self._clock())
        self._mark_cancelled(self._forget(left))

    def _mark_cancelled(self, ids: Sequence[bytes]) -> None:
        if ids:
            self._writer.tell(CANCEL, [self._cancelled_key], [CANCELLED_LIFE_MS, *ids])

    def _forget(self, jobs: Sequence[Job] | Mapping[Job, bytes]) -> list[bytes]:
        """Expect these jobs no more; the ids of those that were expected and may be in Redis."""
        gone = []
        for job in jobs:
            request_id = self._ids.pop(job, None)
            if request_id is not None:
                del self._inbox.expected[request_id]
                if not self._ended(job):
                    gone.append(request_id)
        return gone

    def _ended(self, job: Job) -> bool:
        """Make room for what is held back; whether the job itself was."""
        feed = self._feeds[job.priority]
        was_held = feed.ended(job)
        if feed.held:
            self._feed_soon()
        return was_held

    def receive(self, job: Job, outcome: Outcome) -> None:
        if isinstance(outcome, Answer) and self._targets not in (None, len(outcome.values)):
            raise Malformed("an answer with another number of values than the model has targets")
        if isinstance(outcome, Answer) and (seconds := self._feeds[job.priority].held_seconds(job)):
            outcome = outcome._replace(queue_seconds=outcome.queue_seconds + seconds)
        self._end(job, outcome)

    def _end(self, job: Job, outcome: Outcome) -> None:
        """Deliver, unless it was delivered or cancelled before."""
        request_id = self._ids.pop(job, None)
        if request_id is None:
            return
        deliver = self._inbox.expected.pop(request_id).deliver
        if not self._ended(job):
            self._note_gone(job)
        if isinstance(outcome, DeadlineExceeded):
            self._metrics.expired.inc()
        deliver(job, outcome)

    def _note_gone(self, job: Job) -> None:
        """Count a job no more, until Redis is asked again."""
        jobs, tokens, oldest_seconds = self._load
        self._load = QueueLoad(max(0, jobs - 1), max(0, tokens - job.tokens), oldest_seconds)
        if job.priority == "interactive":
            self._interactive_tokens = max(0, self._interactive_tokens - job.tokens)

    def submit_again(self, lost: Mapping[bytes, Expected]) -> None:
        again = {}
        for request_id, expected in lost.items():
            if expected.job in self._feeds[expected.job.priority].held:
                continue  # it has never been there
            if expected.submitted_again or self._closed:
                self._end(expected.job, QueueUnavailable("The queue lost the request.", retry_after_ms=RETRY_AFTER_MS))
            else:
                expected.submitted_again = True
                again[expected.job] = request_id
        if again:
            self._enqueuer.add(again, again).add_done_callback(lambda done: self._end_unless_added(again, done))

    def expire(self) -> None:
        """End the jobs whose deadline has passed and of which no worker has said so."""
        late = self._clock() - EXPIRY_GRACE_SECONDS
        for job in [job for job in self._ids if job.deadline <= late]:
            self._end(job, DeadlineExceeded("The deadline passed while the sequence waited."))

    async def measure(self) -> None:
        """Ask what waits in Redis.

        Raises:
            ServiceError: it does not answer.
        """
        await self._enqueuer.measure()

    def _measured(self, waiting: Waiting) -> None:
        self._load, self._load_at = QueueLoad(waiting.jobs, waiting.tokens, waiting.oldest_ms / 1000), self._clock()
        self._interactive_tokens = waiting.interactive_tokens

    def load(self) -> QueueLoad:
        now, held = self._clock(), [feed.held for feed in self._feeds.values()]
        jobs, tokens, oldest_seconds = self._load
        held_seconds = max(now - turns.oldest(now) for turns in held)
        oldest_seconds = max(held_seconds, oldest_seconds + now - self._load_at if jobs else 0.0)
        return QueueLoad(jobs + sum(map(len, held)), tokens + sum(turns.tokens for turns in held), oldest_seconds)

    async def ping(self) -> None:
        # Marks nothing; but a script that Redis has forgotten is sent again behind other calls, and so is this then.
        await self._writer.run(CANCEL, [self._cancelled_key], [CANCELLED_LIFE_MS])

    async def close(self) -> None:
        self._closed = True
        marks = [it for job, it in self._ids.items() if job not in self._feeds[job.priority].held]
        for job in list(self._ids):
            self._end(job, Draining(retry_after_ms=RETRY_AFTER_MS))
        self._mark_cancelled(marks)

    def _wait(self, jobs: Collection[Job]) -> Wait:
        """What jobs have to expect, by the speed that the live workers report."""
        speed, batch_seconds = self.speed
        if not speed:
            return NO_WAIT
        interactive = self._interactive_tokens + self._enqueuer.unconfirmed_tokens["interactive"]
        bulk = max(0, self._load.tokens - self._interactive_tokens) + self._enqueuer.unconfirmed_tokens["bulk"]
        own_tokens = sum(job.tokens for job in jobs)
        before = tokens_before(next(iter(jobs)).priority, interactive, bulk) + self._held_before(jobs, own_tokens)
        return Wait(before / speed, own_seconds(own_tokens, speed, batch_seconds))


def _eight_bytes(number: int) -> bytes:
    return number.to_bytes(8, "little")
