"""Every form of the queue behind one face, so that one suite of tests can run on all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import numpy as np

from app.batching import Answer, Batch, BatchLimits, Job, Outcome, Priority
from app.bundle import Manifest
from app.errors import ServiceError
from app.metrics import Metrics, ModelMetrics
from app.queue import JobQueue, JobSource
from app.queue.memory import MemoryQueue
from app.queue.redis.api_side import ApiSide
from app.queue.redis.worker_side import WorkerSide
from tests.redis_server import RedisServer
from tests.toy import gc_manifest

SHA256 = "5eed" * 16
WAIT_SECONDS = 20.0


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Letterbox:
    """Keeps what is delivered."""

    def __init__(self) -> None:
        self.outcomes: dict[Job, list[Outcome]] = {}
        self._arrival = asyncio.Event()

    def __call__(self, job: Job, outcome: Outcome) -> None:
        self.outcomes.setdefault(job, []).append(outcome)
        self._arrival.set()

    async def outcome(self, job: Job) -> Outcome:
        """The first outcome of a job, as soon as there is one."""
        async with asyncio.timeout(WAIT_SECONDS):
            while job not in self.outcomes:
                self._arrival.clear()
                await self._arrival.wait()
        return self.outcomes[job][0]

    async def value(self, job: Job) -> float:
        """The value of a job's answer, or the error that came instead raised."""
        outcome = await self.outcome(job)
        if isinstance(outcome, ServiceError):
            raise outcome
        return float(outcome.values[0])


def model_metrics(metrics: Metrics | None = None) -> ModelMetrics:
    """The metrics of the toy `gc`."""
    manifest = Manifest.model_validate(gc_manifest("gc") | {"files": {"model.onnx": "0" * 64}})
    return ModelMetrics(metrics or Metrics(), manifest, SHA256)


def answer(value: float, compute_seconds: float = 0.1) -> Answer:
    return Answer(np.array([value], dtype=np.float32), 0.0, compute_seconds)


class Form(Protocol):
    """One form of the queue, both ends in this process.

    Attributes:
        queue, source: its ends.
        metrics: of the asking end.
    """

    queue: JobQueue
    source: JobSource
    metrics: Metrics

    def now(self) -> float: ...

    async def pass_seconds(self, seconds: float) -> None: ...

    async def look(self) -> None:
        """Let the asking end hear what the computing end has learned."""


def job(form: Form, tokens: int = 5, seconds: float = 30, priority: Priority = "interactive") -> Job:
    now = form.now()
    return Job(np.zeros(tokens, dtype=np.uint8), now, now + seconds, priority)


async def take_one(form: Form, limits: BatchLimits) -> Batch:
    (batch,) = await form.source.take(limits)
    return batch


def lengths(batches: Sequence[Batch]) -> list[list[int]]:
    """Tokens of each job: across processes a job is known by what it holds only."""
    return [[it.tokens for it in batch.jobs] for batch in batches]


class MemoryForm:
    """The in-process form, on a clock that stands still."""

    def __init__(self, max_tokens: int, threads: int) -> None:
        self.metrics, self.clock = Metrics(), Clock()
        self.queue = self.source = MemoryQueue(max_tokens, model_metrics(self.metrics), threads, self.clock)

    def now(self) -> float:
        return self.clock.now

    async def pass_seconds(self, seconds: float) -> None:
        self.clock.now += seconds

    async def look(self) -> None:
        """Both ends are one."""


class RedisForm:
    """Both ends of the Redis form, each with connections of its own."""

    def __init__(
        self, server: RedisServer, max_tokens: int, threads: int, lease_ms: int, asker: str = "", worker: str = ""
    ) -> None:
        self.metrics, self.worker_metrics = Metrics(), Metrics()
        self.api = ApiSide(server.url_for(asker), "test", self.metrics)
        self.queue = self.api.open_queue(SHA256, 1, max_tokens, model_metrics(self.metrics))
        self.worker = WorkerSide(server.url_for(worker), "test", self.worker_metrics, "CPU", "1", lease_ms)
        self.source = self.worker.open_source(SHA256, threads, model_metrics(self.worker_metrics))

    def now(self) -> float:
        return time.monotonic()

    async def pass_seconds(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def look(self) -> None:
        await self.worker.beat()
        await self.api.look()


@asynccontextmanager
async def redis_form(
    server: RedisServer, max_tokens: int = 100_000, threads: int = 1, lease_ms: int = 3000
) -> AsyncIterator[RedisForm]:
    """Both ends of the Redis form, connected."""
    form = RedisForm(server, max_tokens, threads, lease_ms)
    await form.api.start()
    await form.worker.start()
    try:
        yield form
    finally:
        await form.worker.close()
        await form.api.close()
