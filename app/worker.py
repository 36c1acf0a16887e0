"""The worker: takes batches, runs them on the device in a thread, settles them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from app.batch_record import BatchRecord
from app.batching import Answer, Batch, BatchLimits, Outcome
from app.encoding import Ids
from app.engine import Values
from app.errors import DeadlineExceeded, InferenceFailed, NonFiniteOutput, OutOfMemory, ServiceError
from app.metrics import ModelMetrics
from app.queue import JobSource

log = logging.getLogger(__name__)


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
        record: where batches are written down.
    """

    def __init__(
        self,
        queue: JobSource,
        model: Model,
        limits: BatchLimits,
        device: ThreadPoolExecutor,
        threads: int,
        metrics: ModelMetrics,
        record: BatchRecord | None = None,
    ) -> None:
        self._queue, self._model, self._limits = queue, model, limits
        self._device, self._threads, self._metrics = device, threads, metrics
        self._record = record
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take batches; needs a running event loop."""
        self._loops = [asyncio.create_task(self._serve()) for _ in range(self._threads + 1)]

    @property
    def alive(self) -> bool:
        """Whether every loop still turns."""
        return bool(self._loops) and not any(loop.done() for loop in self._loops)

    async def stop(self) -> None:
        """End the loops; the batch being computed is abandoned, so drain the queue first."""
        for loop in self._loops:
            loop.cancel()
        for loop in self._loops:
            with contextlib.suppress(asyncio.CancelledError):
                await loop
        self._loops = []

    async def _serve(self) -> None:
        while True:
            batches = await self._queue.take(self._limits)
            for batch, outcomes in zip(batches, await self._run(batches), strict=True):
                await self._queue.settle(batch, outcomes)

    async def _run(self, batches: Sequence[Batch]) -> list[list[Outcome]]:
        """One hop to a compute thread for all of them."""
        loop = asyncio.get_running_loop()
        results = await loop.run_in_executor(self._device, self._compute_each, batches)
        return [
            await self._run_halves(batch, result) if isinstance(result, Exception) else result
            for batch, result in zip(batches, results, strict=True)
        ]

    async def _run_halves(self, batch: Batch, error: Exception) -> list[Outcome]:
        """Smaller batches fit where a large one did not, and one bad item must not fail its batch mates."""
        if isinstance(error, OutOfMemory):
            self._metrics.out_of_memory.inc()
        if len(batch.jobs) == 1:
            return [_failure(error, batch.tokens)]
        first, second = await self._run(batch.halves())
        return first + second

    def _compute_each(self, batches: Sequence[Batch]) -> list[list[Outcome] | Exception]:
        """Run batches one after the other, in a compute thread; what one of them raises stays its own."""
        return [self._compute(batch) for batch in batches]

    def _compute(self, batch: Batch) -> list[Outcome] | Exception:
        try:
            return self._predict(batch)
        except Exception as error:  # noqa: BLE001 - logged once it is one item's own
            return error

    def _predict(self, batch: Batch) -> list[Outcome]:
        started = time.monotonic()
        if all(job.deadline <= started for job in batch.jobs):  # it waited for a thread too long
            return [DeadlineExceeded("The deadline passed before a thread was free.") for _ in batch.jobs]
        values = self._model.predict(batch.rows)
        ended = time.monotonic()
        self._metrics.batch(len(batch.jobs), batch.tokens, batch.padded_tokens, ended - started)
        self._metrics.queue_wait(started - batch.jobs[0].submitted_at)
        if self._record is not None:
            self._record.write(batch, started, ended)
        return _outcomes(batch, values, started, ended)


def _outcomes(batch: Batch, values: Values, started: float, ended: float) -> list[Outcome]:
    finite = np.isfinite(values.sum(axis=1))  # (rows,): one NaN or infinity makes the sum so too
    return [
        Answer(row, started - job.submitted_at, ended - started) if good else _non_finite()
        for job, row, good in zip(batch.jobs, values, finite, strict=True)
    ]


def _failure(error: Exception, tokens: int) -> ServiceError:
    if isinstance(error, OutOfMemory):
        return error
    log.error("inference failed", exc_info=error, extra={"tokens": tokens})
    return InferenceFailed()


def _non_finite() -> ServiceError:
    return NonFiniteOutput("The model answered NaN or infinity for this item; the other items are not affected.")
