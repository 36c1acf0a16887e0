"""What computes for the API: workers in this process, or workers elsewhere behind Redis."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.bundle import EMBEDDER, Bundle
from app.fuse import Fuse
from app.gpu import watch_gpu
from app.limits import RateLimiter
from app.limits.memory import MemoryRateLimiter
from app.limits.redis import TAKE, RedisRateLimiter
from app.loading import Compute, Records, hire, load
from app.metrics import Metrics, ModelMetrics
from app.pulse import pulse
from app.queue import JobQueue
from app.queue.memory import MemoryQueue
from app.queue.redis.api_side import ApiSide
from app.queue.redis.checks import preflight
from app.queue.redis.scripts import script_of
from app.session import CPU, CUDA
from app.settings import Settings
from app.strategy import Tuning, concurrent_runs
from app.tracing import NO_TRACING, Tracing, open_tracing
from app.watchdog import Watchdog
from app.worker import Worker


@dataclass(frozen=True)
class Backend:
    """The other end of the queues.

    Attributes:
        queues: one for each graph of each bundle, by the digest of its work.
        provider: what computes here, as ONNX Runtime names it, such as `CPUExecutionProvider`; empty if nothing does.
        workers_of: how many live workers a bundle has, by its digest: as many as the graph that has fewest.
        preflight: what can be found out before the first request, so that start-up ends with one clear line.
        running: the backend at work.
        fuse: blows when nothing can be computed in this process any more.
        limiter: how much each caller has had, where all processes that answer him can see it.
    """

    queues: Mapping[str, JobQueue]
    provider: str
    workers_of: Callable[[str], int]
    preflight: Callable[[], Coroutine[Any, Any, None]]
    running: Callable[[], AbstractAsyncContextManager[None]]
    fuse: Fuse
    limiter: RateLimiter


def tracing_for(settings: Settings) -> Tracing:
    """Where the settings, or OpenTelemetry's own variables, want traces to go.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    return open_tracing(settings.otlp_endpoint) if settings.traces_wanted else NO_TRACING


def tuning_for(settings: Settings) -> Tuning:
    """What of the settings is about how models are computed."""
    return Tuning(
        settings.intra_op_threads,
        settings.max_batch_sequences,
        settings.max_batch_tokens,
        settings.max_padding,
        settings.length_multiple,
    )


def runs_for(settings: Settings, provider: str) -> int:
    """How many batches are computed at once."""
    return concurrent_runs(settings.threads, settings.compute_threads, on_cpu=provider == CPU)


def backend_for(
    bundles: Sequence[Bundle],
    counted: Sequence[Sequence[ModelMetrics]],
    settings: Settings,
    metrics: Metrics,
    tracing: Tracing,
) -> Backend:
    """What the setting `queue` says.

    Raises:
        BundleError: a bundle that is computed here cannot be trusted.
        SettingsError: the queue's URL cannot be read.
    """
    if settings.computes_here:
        backend = in_this_process(bundles, counted, settings, tracing)
        if backend.provider == CUDA:
            watch_gpu(metrics.registry, settings.device)
        return backend
    return behind_redis(bundles, counted, settings, metrics)


def in_this_process(
    bundles: Sequence[Bundle], counted: Sequence[Sequence[ModelMetrics]], settings: Settings, tracing: Tracing
) -> Backend:
    """Workers in this process, with queues in its memory."""
    watchdog = Watchdog(Fuse(), settings.watchdog_ms / 1000)
    loaded = [load(bundle, settings.device, settings.cpu_allowed, watchdog, tuning_for(settings)) for bundle in bundles]
    provider = loaded[0][0].graph.provider
    compute = Compute.of(runs_for(settings, provider), watchdog)
    records = Records(f"{socket.gethostname()}-{os.getpid()}", settings.log_batches_from_ms, tracing)
    queues, workers = dict[str, JobQueue](), dict[str, Worker]()
    for graphs, counters in zip(loaded, counted, strict=True):
        for graph, counter in zip(graphs, counters, strict=True):
            queue = MemoryQueue(settings.max_queue_tokens, counter, compute.threads)
            queues[graph.work_digest] = queue
            workers[graph.work_digest] = hire(graph, queue, compute, counter, records)
    return Backend(
        queues,
        provider,
        _fewest(bundles, lambda digest: int(workers[digest].alive)),
        _nothing,
        partial(at_work, workers.values(), compute),
        compute.watchdog.fuse,
        MemoryRateLimiter(),
    )


def behind_redis(
    bundles: Sequence[Bundle], counted: Sequence[Sequence[ModelMetrics]], settings: Settings, metrics: Metrics
) -> Backend:
    """Workers wherever they are; a bundle's digest says which of them serve it, so that versions never mix."""
    side = ApiSide(settings.queue_url, settings.namespace, metrics)
    queues = dict[str, JobQueue]()
    for bundle, counters in zip(bundles, counted, strict=True):
        for graph, counter in zip(bundle.manifest.graphs, counters, strict=True):
            digest = bundle.work_digest(graph)
            values = None if graph == EMBEDDER else len(bundle.manifest.targets)
            queues[digest] = side.open_queue(digest, values, settings.max_queue_tokens, counter)
    fuse = Fuse()
    return Backend(
        queues,
        "",
        _fewest(bundles, lambda digest: len(side.workers(digest))),
        partial(preflight, settings.queue_url),
        partial(_connected, side, fuse),
        fuse,
        RedisRateLimiter(partial(side.writer.run, script_of(TAKE)), settings.namespace),
    )


def _fewest(bundles: Sequence[Bundle], workers_of_graph: Callable[[str], int]) -> Callable[[str], int]:
    """How many workers a bundle has, from how many each of its graphs has."""
    works = {it.sha256: [it.work_digest(graph) for graph in it.manifest.graphs] for it in bundles}
    return lambda sha256: min(workers_of_graph(digest) for digest in works[sha256])


@asynccontextmanager
async def at_work(workers: Collection[Worker], compute: Compute) -> AsyncIterator[None]:
    """The workers take jobs meanwhile."""
    compute.watchdog.start()
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            await worker.stop()
        compute.watchdog.stop()


@asynccontextmanager
async def _connected(side: ApiSide, fuse: Fuse) -> AsyncIterator[None]:
    try:
        await side.start()
        async with pulse(None, lambda: side.alive, partial(fuse.blow, "what serves the queue has stopped")):
            yield
    finally:
        await side.close()


async def _nothing() -> None:
    """A backend in this process has proved itself when it was loaded."""
