"""The worker: takes batches, runs them on the device in a thread, settles them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from app.batch_record import BatchRecord
from app.batching import Answer, Batch, BatchLimits, Outcome
from app.compute_threads import ComputeThreads, Hop
from app.encoding import Ids
from app.engine import Values
from app.errors import DeadlineExceeded, DeviceLost, InferenceFailed, NonFiniteOutput, OutOfMemory, ServiceError
from app.memory_pressure import MemoryPressure
from app.metrics import BatchRun, ModelMetrics
from app.queue import JobSource
from app.watchdog import Speed, Watchdog

log = logging.getLogger(__name__)

Result = list[Outcome] | Exception  # of a batch
Back = asyncio.Future[list[Result] | None]  # from a compute thread, with a round; None if it is given back


class Model(Protocol):
    """What a worker needs of a model."""

    def predict(self, rows: Sequence[Ids]) -> Values:
        """Predict a batch: (rows, targets) float32."""


class Worker:
    """Serves one model's queue.

    There is one loop more than there are compute threads, so the next batch is already formed and waiting when a
    thread becomes free. Nobody ever waits while the device is idle.

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
    ) -> None:
        self._queue, self._model, self._pressure = queue, model, MemoryPressure(limits)
        self._device, self._threads, self._metrics = device, threads, metrics
        self._watchdog, self._speed = watchdog, speed
        self._record = record
        self._loops: list[asyncio.Task[None]] = []
        self._taking: set[asyncio.Task[None]] = set()
        self._hops: dict[Hop, Back] = {}
        self._draining = False

    def start(self) -> None:
        """Begin to take batches; needs a running event loop."""
        self._draining = False
        self._loops = [asyncio.create_task(self._serve()) for _ in range(self._threads + 1)]

    @property
    def alive(self) -> bool:
        """Whether every loop still turns."""
        return bool(self._loops) and not any(loop.done() for loop in self._loops)

    async def drain(self) -> None:
        """Take nothing more, settle what is being computed, give back what no thread has begun."""
        self._draining = True
        for taking in self._taking:
            taking.cancel()
        for hop, back in self._hops.items():
            if hop.cancel() and not back.done():  # no thread has begun it
                back.set_result(None)
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
            self._note_pressure(batches, results)
            for batch, outcomes in zip(batches, await self._outcomes(batches, results), strict=True):
                await self._queue.settle(batch, outcomes)

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
            await self._run_halves(batch, result) if isinstance(result, Exception) else result
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
            return [_failure(error, batch.tokens)]
        halves = batch.halves()
        results = await self._results(halves, is_begun=True)
        assert results is not None  # noqa: S101 - what is begun is not given back
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

    def _predict(self, batch: Batch) -> list[Outcome]:
        started = time.monotonic()
        if all(job.deadline <= started for job in batch.jobs):  # it waited for a thread too long
            return [DeadlineExceeded("The deadline passed before a thread was free.") for _ in batch.jobs]
        if log.isEnabledFor(logging.DEBUG):
            log.debug("batch started", extra={"sequences": len(batch.jobs), "tokens": batch.tokens})
        tokens, padded_tokens = batch.tokens, batch.padded_tokens
        with self._watchdog.watching(self._speed.expected_seconds(len(batch.jobs), padded_tokens)):
            values = self._model.predict(batch.rows)
        ended = time.monotonic()
        waited = started - batch.jobs[0].submitted_at
        self._metrics.batch(BatchRun(len(batch.jobs), tokens, padded_tokens, ended - started, waited))
        if self._record is not None:
            self._record.write(batch, started, ended)
        return _outcomes(batch, values, started, ended)


def _give(back: Back, results: list[Result]) -> None:
    if not back.done():  # its loop was cancelled
        back.set_result(results)


def _fail(back: Back, error: BaseException) -> None:
    if not back.done():
        back.set_exception(error)


def _outcomes(batch: Batch, values: Values, started: float, ended: float) -> list[Outcome]:
    seconds, finite = ended - started, np.isfinite(values)  # (rows, targets)
    if finite.all():
        return [Answer(row, started - job.submitted_at, seconds) for job, row in zip(batch.jobs, values, strict=True)]
    return [
        Answer(row, started - job.submitted_at, seconds) if good.all() else _non_finite()
        for job, row, good in zip(batch.jobs, values, finite, strict=True)
    ]


def _failure(error: Exception, tokens: int) -> ServiceError:
    if isinstance(error, OutOfMemory):
        return error
    log.error("inference failed", exc_info=error, extra={"tokens": tokens})
    return InferenceFailed()


def _non_finite() -> ServiceError:
    return NonFiniteOutput("The model answered NaN or infinity for this item; the other items are not affected.")
