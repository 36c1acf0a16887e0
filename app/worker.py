"""The worker: takes batches, runs them on the device in a thread, settles them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from app.batch_record import BatchRecord
from app.batching import Batch, BatchLimits, Outcome
from app.compute_threads import ComputeThreads, Hop
from app.encoding import Ids
from app.engine import Values
from app.errors import DeadlineExceeded, DeviceLost, OutOfMemory
from app.handed_over import HandedOver, Steps
from app.memory_pressure import MemoryPressure
from app.metrics import BatchRun, ModelMetrics
from app.outcomes import Result, Run, failure, run_of
from app.queue import ImmediateSource, JobSource
from app.watchdog import Speed, Watchdog

log = logging.getLogger(__name__)

Back = asyncio.Future[list[Result] | None]  # from a compute thread, with a round; None if it is given back


class Model(Protocol):
    """What a worker needs of a model."""

    def predict(self, rows: Sequence[Ids]) -> Values:
        """Predict a batch: (rows, targets) float32."""


class Worker:
    """Serves one model's queue.

    There is one loop more than there are compute threads, so the next batch is already formed and waiting when a
    thread becomes free. Nobody ever waits while the device is idle. A job that comes while nothing else is here needs
    no loop, if its queue can hand it over (`app.handed_over`).

    Args:
        queue: where batches come from.
        model: what predicts them.
        limits: how batches are formed.
        device: the compute threads, shared by all models of one device.
        threads: how many of them there are.
        metrics: what to count.
        watchdog: watches each batch; it or the model blows the fuse when nothing can be computed here any more.
        speed: of the model, so that the watchdog is patient with long batches.
        record: where batches are written down.
        here_seconds: how long a lone job may take to be computed on the event loop: for one so short the way to a
            thread and back is long.
    """

    def __init__(
        self,
        queue: JobSource,
        model: Model,
        limits: BatchLimits,
        device: ComputeThreads,
        threads: int,
        metrics: ModelMetrics,
        watchdog: Watchdog,
        speed: Speed,
        record: BatchRecord | None = None,
        here_seconds: float = 0.0,
    ) -> None:
        self._queue, self._model, self._pressure = queue, model, MemoryPressure(limits)
        self._device, self._threads, self._metrics = device, threads, metrics
        self._watchdog, self._speed = watchdog, speed
        self._record, self._here_seconds = record, here_seconds
        self._loops: list[asyncio.Task[None]] = []
        self._taking: set[asyncio.Task[None]] = set()
        self._hops: dict[Hop, Back] = {}
        self._handed_over: HandedOver | None = None
        self._draining = False

    def start(self) -> None:
        """Begin to take batches; needs a running event loop."""
        self._draining = False
        if isinstance(self._queue, ImmediateSource):
            self._handed_over = self._taker_of(self._queue)
            self._handed_over.start()
        self._loops = [asyncio.create_task(self._serve()) for _ in range(self._threads + 1)]

    def _taker_of(self, source: ImmediateSource) -> HandedOver:
        steps = Steps(self._compute, self._settle, self._count)
        return HandedOver(
            source,
            steps,
            self._device,
            lambda: self._pressure.limits,
            self._speed,
            self._watchdog,
            self._here_seconds,
        )

    @property
    def alive(self) -> bool:
        """Whether every loop still turns, and what is handed over is still settled."""
        if self._handed_over is not None and not self._handed_over.alive:
            return False
        return bool(self._loops) and not any(loop.done() for loop in self._loops)

    async def drain(self) -> None:
        """Take nothing more, settle what is being computed, give back what no thread has begun."""
        self._draining = True
        for taking in self._taking:
            taking.cancel()
        for hop, back in self._hops.items():
            if hop.cancel() and not back.done():  # no thread has begun it
                back.set_result(None)
        if self._handed_over is not None:
            await self._handed_over.drain()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def stop(self) -> None:
        """End the loops; the batch being computed is abandoned, so drain before."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._loops = []

    async def _serve(self) -> None:
        while not self._draining:
            batches = await self._take()
            results = await self._results(batches)
            if results is None:
                await self._queue.release(batches)
                return
            await self._settle(batches, results)

    async def _settle(self, batches: Sequence[Batch], results: Sequence[Result]) -> None:
        """Settle a round, and count it once its replies are on their way."""
        self._note_pressure(batches, results)
        try:
            for batch, outcomes in zip(batches, await self._outcomes(batches, results), strict=True):
                await self._queue.settle(batch, outcomes)
        finally:
            for batch, result in zip(batches, results, strict=True):
                self._count(batch, result)

    def _count(self, batch: Batch, result: Result) -> None:
        """Count a batch and write it down, if the model has run it."""
        if not isinstance(result, Run) or not result.ended:
            return
        started, ended = result.started, result.ended
        waited = started - batch.jobs[0].submitted_at
        self._metrics.batch(BatchRun(len(batch.jobs), batch.tokens, batch.padded_tokens, ended - started, waited))
        if self._record is not None:
            self._record.write(batch, started, ended)

    def _note_pressure(self, batches: Sequence[Batch], results: Sequence[Result]) -> None:
        """Once for each batch, as it was taken: that a half of it does not fit either is no second misfortune."""
        for batch, result in zip(batches, results, strict=True):
            if isinstance(result, OutOfMemory):
                self._pressure.exceeded(batch)

    async def _take(self) -> Sequence[Batch]:
        """The next round; this, and only this, is cut short by draining."""
        loop = asyncio.current_task()
        assert loop is not None  # noqa: S101 - loops are tasks
        self._taking.add(loop)
        try:
            return await self._queue.take(self._pressure.limits)
        finally:
            self._taking.discard(loop)

    async def _results(self, batches: Sequence[Batch], *, is_begun: bool = False) -> list[Result] | None:
        """What a compute thread makes of a round; None if draining comes before a thread is free.

        Args:
            is_begun: it is the rest of a round that a thread has begun, and not given back.
        """
        loop = asyncio.get_running_loop()
        back: Back = loop.create_future()
        hop = self._device.submit(partial(self._compute_each, batches, loop, back))
        if not is_begun:
            self._hops[hop] = back
        try:
            return await back
        finally:
            self._hops.pop(hop, None)
            hop.cancel()  # nobody waits any more; has no effect on one that a thread has begun

    async def _outcomes(self, batches: Sequence[Batch], results: Sequence[Result]) -> list[list[Outcome]]:
        return [
            await self._run_halves(batch, result) if isinstance(result, Exception) else result.outcomes
            for batch, result in zip(batches, results, strict=True)
        ]

    async def _run_halves(self, batch: Batch, error: Exception) -> list[Outcome]:
        """Smaller batches fit where a large one did not, and one bad item must not fail its batch mates."""
        if isinstance(error, DeviceLost):
            self._watchdog.fuse.blow(str(error))
            raise error
        if isinstance(error, OutOfMemory):
            self._metrics.out_of_memory.inc()
        if len(batch.jobs) == 1:
            return [failure(error, batch.tokens)]
        halves = batch.halves()
        results = await self._results(halves, is_begun=True)
        assert results is not None  # noqa: S101 - what is begun is not given back
        for half, result in zip(halves, results, strict=True):
            self._count(half, result)
        first, second = await self._outcomes(halves, results)
        return first + second

    def _compute_each(self, batches: Sequence[Batch], loop: asyncio.AbstractEventLoop, back: Back) -> None:
        """Run batches one after the other, in a compute thread; what one of them raises stays its own.

        Tells the event loop itself: by asyncio's own way from a thread's future to a task's the hop costs a third more.
        """
        try:
            results = [self._compute(batch) for batch in batches]
        except BaseException as error:  # whatever it is, the loop must hear of it
            loop.call_soon_threadsafe(_fail, back, error)
            raise
        loop.call_soon_threadsafe(_give, back, results)

    def _compute(self, batch: Batch) -> Result:
        try:
            return self._predict(batch)
        except Exception as error:  # noqa: BLE001 - logged once it is one item's own
            return error

    def _predict(self, batch: Batch) -> Run:
        started = time.monotonic()
        if all(job.deadline <= started for job in batch.jobs):  # it waited for a thread too long
            return Run([DeadlineExceeded("The deadline passed before a thread was free.") for _ in batch.jobs])
        if log.isEnabledFor(logging.DEBUG):
            log.debug("batch started", extra={"sequences": len(batch.jobs), "tokens": batch.tokens})
        with self._watchdog.watching(self._speed.expected_seconds(len(batch.jobs), batch.padded_tokens)):
            values = self._model.predict(batch.rows)
        ended = time.monotonic()
        return run_of(batch, values, started, ended)


def _give(back: Back, results: list[Result]) -> None:
    if not back.done():  # its loop was cancelled
        back.set_result(results)


def _fail(back: Back, error: BaseException) -> None:
    if not back.done():
        back.set_exception(error)
