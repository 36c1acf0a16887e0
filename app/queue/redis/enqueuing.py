"""How jobs get into a model's streams: those of many requests in one script."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from app.batching import Job, Priority
from app.errors import ServiceError
from app.queue.redis.channel import Argument
from app.queue.redis.scripts import ENQUEUE
from app.queue.redis.wire import pack_request
from app.queue.redis.writer import Writer

MAX_JOBS = 65_536
STREAM_OF: dict[Priority, int] = {"interactive": 1, "bulk": 2}
# Redis does nothing else while a script runs, so one adds no more than this, unless a request alone has more.
JOBS_AT_ONCE = 256
LET_IN = -1  # instead of the tokens that are held back: the request was let in before


class Waiting(NamedTuple):
    """What waits in Redis, as a script found it."""

    jobs: int
    tokens: int
    oldest_ms: int
    interactive_tokens: int


class Addition(NamedTuple):
    """Jobs of one request with their ids, and the future of whether they were added.

    Attributes:
        request: all jobs of the request, which is let in with these or not at all; none if it was let in before.
    """

    ids: Mapping[Job, bytes]
    request: Collection[Job]
    added: asyncio.Future[bool]


class Enqueuer:
    """Adds the jobs of requests, each request's all or none.

    What comes while Redis still answers the last script goes together in the next: under load a script for each request
    would cost Redis more than the jobs.

    Args:
        writer: the process's.
        streams: the model's two.
        room_tokens: how many tokens may wait in Redis.
        api_process: who waits for the replies.
        tokens_in_time: how many tokens may go before jobs for them to be in time.
        measured: is told what waits.
        clock: monotonic seconds.

    Attributes:
        unconfirmed_tokens: of jobs that Redis has not taken yet.
    """

    def __init__(
        self,
        writer: Writer,
        streams: Sequence[str],
        room_tokens: Callable[[], int],
        api_process: str,
        tokens_in_time: Callable[[Collection[Job], float], int],
        measured: Callable[[Waiting], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer, self._streams, self._room_tokens, self._api_process = writer, streams, room_tokens, api_process
        self._tokens_in_time, self._measured, self._clock = tokens_in_time, measured, clock
        self._next: collections.deque[Addition] = collections.deque()
        self._is_sending = False
        self.unconfirmed_tokens: dict[Priority, int] = {"interactive": 0, "bulk": 0}

    def add(self, ids: Mapping[Job, bytes], request: Collection[Job]) -> asyncio.Future[bool]:
        """Add jobs under these ids; whether there was room for them, or the `ServiceError` that came instead.

        Args:
            request: all jobs of the request; none if it was let in before, and then there is room for these.
        """
        addition = Addition(ids, request, asyncio.get_running_loop().create_future())
        self._count(ids, +1)
        self._next.append(addition)
        if not self._is_sending:
            self._send()
        return addition.added

    async def measure(self) -> None:
        """Have `measured` told what waits.

        Raises:
            ServiceError: Redis does not answer.
        """
        self._measured(Waiting(*(await self._writer.run(ENQUEUE, self._streams, [0, 0]))[:4]))

    def _count(self, jobs: Collection[Job], sign: int) -> None:
        for job in jobs:
            self.unconfirmed_tokens[job.priority] += sign * job.tokens

    def _send(self) -> None:
        additions, jobs = [self._next.popleft()], 0
        while self._next and (jobs := jobs + len(additions[-1].ids)) < JOBS_AT_ONCE:
            additions.append(self._next.popleft())
        now = self._clock()
        arguments: list[Argument] = [self._room_tokens(), MAX_JOBS]
        for addition in additions:
            arguments += self._admission(addition, now)
            arguments += self._packed(addition.ids, now)
        self._is_sending = True
        self._writer.run(ENQUEUE, self._streams, arguments).add_done_callback(lambda done: self._sent(additions, done))

    def _admission(self, addition: Addition, now: float) -> tuple[int, int, int]:
        """How many jobs there are, how many tokens may go before them, and how many are held back."""
        ids, request = addition.ids, addition.request
        if not request:
            return len(ids), 0, LET_IN
        held = sum(job.tokens for job in request if job not in ids) if len(request) > len(ids) else 0
        return len(ids), self._tokens_in_time(request, now), held

    def _packed(self, ids: Mapping[Job, bytes], now: float) -> list[Argument]:
        arguments: list[Argument] = []
        for job, request_id in ids.items():
            ttl_ms = round((job.deadline - now) * 1000)
            packed = pack_request(request_id, job, ttl_ms, self._api_process)
            arguments += (STREAM_OF[job.priority], job.tokens, packed)
        return arguments

    def _sent(self, additions: Sequence[Addition], done: asyncio.Future[Any]) -> None:
        self._is_sending = False
        error = done.exception()
        if isinstance(error, ServiceError):
            self._fail([*additions, *self._next], error)
            return
        *waiting, each_added = done.result()
        self._measured(Waiting(*waiting))
        for addition, added in zip(additions, each_added, strict=True):
            self._count(addition.ids, -1)
            addition.added.set_result(bool(added))
        if self._next:
            self._send()

    def _fail(self, additions: Sequence[Addition], error: ServiceError) -> None:
        """Fail these and all that came meanwhile: nobody waits for one timeout after another."""
        self._next.clear()
        for addition in additions:
            self._count(addition.ids, -1)
            addition.added.set_exception(error)
            addition.added.exception()  # whoever was cancelled meanwhile will not look
