"""The parts of a process that computes, put together: bundles in, workers on a queue in Redis out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import attrgetter

from app import __version__
from app.backend import at_work, runs_for, tracing_for, tuning_for
from app.bundle import Manifest
from app.errors import SettingsError
from app.fuse import Fuse
from app.gpu import watch_gpu
from app.loading import Compute, Records, count_each, hire, load, read_bundles
from app.loop_lag import measured_lag
from app.metrics import Metrics
from app.queue.redis.checks import preflight
from app.queue.redis.worker_side import WorkerSide
from app.session import CUDA
from app.settings import LEASES_PER_WATCHDOG, Settings
from app.tracing import Tracing
from app.watchdog import PATIENCE, Speed, Watchdog
from app.worker import Worker


@dataclass(frozen=True)
class WorkerProcess:
    """The running parts.

    Attributes:
        manifests: of the bundles that are served.
        provider: what computes, as ONNX Runtime names it.
        workers: one for each graph of each bundle, in their order.
        side: this process's end of the queue.
    """

    manifests: Sequence[Manifest]
    provider: str
    workers: Sequence[Worker]
    compute: Compute
    side: WorkerSide
    metrics: Metrics
    tracing: Tracing
    settings: Settings

    @property
    def fuse(self) -> Fuse:
        return self.compute.watchdog.fuse

    @property
    def alive(self) -> bool:
        """Whether the queue is read and every worker takes jobs."""
        return self.side.alive and all(worker.alive for worker in self.workers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The process at work; at the end it leaves the queue, and gives back what it still has of it.

        Raises:
            SettingsError: the queue loses requests, or is too old.
        """
        await preflight(self.settings.queue_url)
        try:
            await self.side.start()
            async with measured_lag(self.metrics.loop_lag), at_work(self.workers, self.compute):
                yield
        finally:
            await self.side.close()
            await asyncio.to_thread(self.tracing.close)

    async def drain(self) -> None:
        """Take nothing more, settle what is being computed, give back the rest.

        Raises:
            TimeoutError: that took longer than `drain_ms`.
        """
        async with asyncio.timeout(self.settings.drain_ms / 1000):
            await self.side.stop_reading()
            await asyncio.gather(*(worker.drain() for worker in self.workers))


def create_worker_process(settings: Settings) -> WorkerProcess:
    """Load and verify the models, and connect each with its queue.

    Raises:
        BundleError: a bundle cannot be trusted, or its device does not start.
        SettingsError: the queue is not one that other processes can reach, or its URL cannot be read.
    """
    if settings.computes_here:
        raise SettingsError("a worker needs a queue that others can reach; set queue to redis://, rediss:// or unix://")
    metrics = Metrics(asks=False)
    bundles = read_bundles(settings.models)
    counted = list(chain.from_iterable(count_each(bundles, metrics)))
    watchdog = Watchdog(Fuse(), settings.watchdog_ms / 1000)
    opened = partial(load, device=settings.device, allow_cpu=settings.cpu_allowed, watchdog=watchdog, time_longest=True)
    loaded = [graph for bundle in bundles for graph in opened(bundle, tuning=tuning_for(settings))]
    provider = loaded[0].graph.provider
    compute = Compute.of(runs_for(settings, provider), watchdog)
    if provider == CUDA:
        watch_gpu(metrics.registry, settings.device)
    lease_ms = lease_for([it.speed for it in loaded], settings.lease_ms)
    side = WorkerSide(settings.queue_url, settings.namespace, metrics, provider, __version__, lease_ms)
    tracing = tracing_for(settings)
    records = Records(side.name, settings.log_batches_from_ms, tracing)
    workers = [
        hire(graph, side.open_source(graph.work_digest, compute.threads, counter), compute, counter, records)
        for graph, counter in zip(loaded, counted, strict=True)
    ]
    for worker, counters in zip(workers, counted, strict=True):
        counters.watch_workers(partial(attrgetter("alive"), worker))
    manifests = [it.manifest for it in bundles]
    return WorkerProcess(manifests, provider, workers, compute, side, metrics, tracing, settings)


def lease_for(speeds: Sequence[Speed], lease_ms: int) -> int:
    """The lease of the settings, or a longer one where a model is so slow that the watchdog has to wait longer."""
    slowest = max(speed.longest_seconds for speed in speeds)
    return max(lease_ms, round(LEASES_PER_WATCHDOG * PATIENCE * slowest * 1000))
