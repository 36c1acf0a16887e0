"""What computes for the API: workers in this process, or workers elsewhere behind Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from app.bundle import Bundle
from app.checks import Check, always_ok, workers_alive
from app.fuse import Fuse
from app.loading import Compute, hire, load
from app.metrics import ModelMetrics
from app.queue import JobQueue
from app.queue.memory import MemoryQueue
from app.settings import Settings
from app.worker import Worker


@dataclass(frozen=True)
class Backend:
    """The other end of the queues.

    Attributes:
        queues: one for each bundle, in their order.
        workers: those of this process.
        provider: what computes here, as ONNX Runtime names it, such as `CPUExecutionProvider`; empty if nothing does.
        ready: the conditions under which it takes jobs.
        workers_ready: how many workers are known to be alive.
        running: the backend at work.
        fuse: blows when nothing can be computed in this process any more.
    """

    queues: Sequence[JobQueue]
    workers: Sequence[Worker]
    provider: str
    ready: Mapping[str, Check]
    workers_ready: Callable[[], int]
    running: Callable[[], AbstractAsyncContextManager[None]]
    fuse: Fuse


def in_this_process(bundles: Sequence[Bundle], counted: Sequence[ModelMetrics], settings: Settings) -> Backend:
    """Workers in this process, with a queue in its memory.

    Raises:
        BundleError: a bundle cannot be trusted.
    """
    compute = Compute.of(settings.compute_threads, settings.watchdog_ms / 1000)
    queues, workers, provider = [], [], ""
    for bundle, counters in zip(bundles, counted, strict=True):
        loaded = load(bundle, settings.device, settings.cpu_allowed, compute.watchdog)
        queue = MemoryQueue(settings.max_queue_tokens, counters, compute.threads)
        queues.append(queue)
        workers.append(hire(loaded, queue, compute, counters))
        provider = loaded.model.provider
    return Backend(
        queues,
        workers,
        provider,
        {"models": always_ok(), "workers": workers_alive(workers)},
        partial(count_alive, workers),
        partial(at_work, workers, compute),
        compute.watchdog.fuse,
    )


def count_alive(workers: Sequence[Worker]) -> int:
    """How many of the workers take jobs."""
    return sum(worker.alive for worker in workers)


@asynccontextmanager
async def at_work(workers: Sequence[Worker], compute: Compute) -> AsyncIterator[None]:
    """The workers take jobs meanwhile."""
    compute.watchdog.start()
    for worker in workers:
        worker.start()
    yield
    for worker in workers:
        await worker.stop()
    compute.watchdog.stop()
