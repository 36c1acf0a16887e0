"""Jobs that come while nothing else is here: computed at once, without a worker's loop.

To wake a loop, and for that to wake the caller, costs two turns of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.batching import Batch, BatchLimits, Job, is_full
from app.compute_threads import ComputeThreads, Hop
from app.outcomes import Result, Run
from app.queue import ImmediateSource
from app.watchdog import Speed, Watchdog


@dataclass(frozen=True, slots=True)
class Steps:
    """What a worker does with any batch.

    Attributes:
        compute: run it, in the thread that calls.
        settle: deliver what became of each of these, and count it.
        count: only that.
    """

    compute: Callable[[Batch], Result]
    settle: Callable[[Sequence[Batch], Sequence[Result]], Coroutine[Any, Any, None]]
    count: Callable[[Batch, Result], None]


class HandedOver:
    """Owns the job that is alone, from when a queue hands it over until it is settled.

    It goes to a compute thread; a lone job of a short model is computed on the event loop itself.

    Args:
        source: hands jobs over, one at a time.
        steps: the worker's.
        device: the compute threads.
        limits: how batches are formed, as it is now.
        speed: of the model.
        watchdog: watches everything that is computed.
        here_seconds: how long a lone job may take to be computed on the event loop.
    """

    def __init__(
        self,
        source: ImmediateSource,
        steps: Steps,
        device: ComputeThreads,
        limits: Callable[[], BatchLimits],
        speed: Speed,
        watchdog: Watchdog,
        here_seconds: float,
    ) -> None:
        self._source, self._steps, self._device = source, steps, device
        self._limits, self._speed, self._watchdog, self._here_seconds = limits, speed, watchdog, here_seconds
        self._loop = asyncio.get_running_loop()
        self._hop: tuple[Hop, Batch] | None = None
        self._over = asyncio.Event()  # nothing is here
        self._over.set()
        self._last_seconds = 0.0  # that one took
        self._failing: set[asyncio.Task[None]] = set()  # what settles one that failed
        self._draining = False
        self.alive = True  # whether none has ended otherwise than a batch may

    def start(self) -> None:
        """Begin to take what is handed over."""
        self._source.hand_over(self._begin)

    async def drain(self) -> None:
        """Begin nothing more, give back what no thread has begun, and return when all else is settled."""
        self._draining = True
        if self._hop is not None and self._hop[0].cancel():
            await self._source.release([self._hop[1]])
            self._forget()
        await self._over.wait()

    def _begin(self, job: Job) -> Batch | None:
        """Have a job computed; None if it is not taken."""
        if self._draining:
            return None
        batch = Batch((job,), others_wait=is_full((job,), self._limits()))
        if job.lone and self._lone_seconds(job) <= self._here_seconds:
            self._loop.call_soon(self._compute_here, batch)
        else:
            self._submit(batch)
        self._over.clear()
        return batch

    def _lone_seconds(self, job: Job) -> float:
        """How long it should take; as long as the last, if that took longer than such a one should."""
        return max(self._speed.expected_seconds(1, job.tokens), self._last_seconds)

    def _compute_here(self, batch: Batch) -> None:
        """Run it on the event loop, unless others have come in the same turn, or another model's are computed."""
        try:
            if self._source.others_wait() or not self._watchdog.is_idle:
                self._submit(batch)
                return
            result: Result | BaseException = self._steps.compute(batch)
        except BaseException as error:  # noqa: BLE001 - as in a thread: the worker serves no longer
            result = error
        self._end(batch, result)

    def _submit(self, batch: Batch) -> None:
        self._hop = self._device.submit(partial(self._compute_in_thread, batch)), batch

    def _compute_in_thread(self, batch: Batch) -> None:
        try:
            result = self._steps.compute(batch)
        except BaseException as error:  # whatever it is, the loop must hear of it
            self._loop.call_soon_threadsafe(self._end, batch, error)
            raise
        self._loop.call_soon_threadsafe(self._end, batch, result)

    def _end(self, batch: Batch, result: Result | BaseException) -> None:
        """Settle a batch; one that failed by the longer way, as a worker's loop does."""
        if isinstance(result, Run):
            try:
                self._source.deliver(batch, result.outcomes)
            finally:
                self._note(batch, result)
        else:
            task = asyncio.create_task(self._settle_failed(batch, result))
            self._failing.add(task)
            task.add_done_callback(self._failed)

    def _note(self, batch: Batch, run: Run) -> None:
        self._source.note_settled(batch, run.outcomes)
        if run.ended:
            self._last_seconds = run.ended - run.started
        self._steps.count(batch, run)
        self._forget()

    def _forget(self) -> None:
        self._hop = None
        self._over.set()

    async def _settle_failed(self, batch: Batch, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        await self._steps.settle([batch], [error])

    def _failed(self, task: asyncio.Task[None]) -> None:
        self._failing.discard(task)
        self._forget()
        if task.cancelled() or task.exception() is not None:
            self.alive = False
