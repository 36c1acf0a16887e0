"""Everything of the queue that one worker process owns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import socket
import time
from collections.abc import Callable

from app.errors import ServiceError
from app.metrics import Metrics, ModelMetrics
from app.queue.redis.channel import Channel
from app.queue.redis.checks import check_server
from app.queue.redis.connection import Connector
from app.queue.redis.faults import FAILURES, Unavailability, cancelled
from app.queue.redis.heartbeat import Heartbeat
from app.queue.redis.keys import DIGEST_LENGTH, Keys
from app.queue.redis.scripts import SWEEP
from app.queue.redis.source import RedisSource
from app.queue.redis.takeover import take_over_forever
from app.queue.redis.writer import Writer

SWEEP_SECONDS = 30.0
# Well past the longest deadline that settings allow by default (120 s).
OLDEST_ENTRY_MS = 600_000
IDLE_LEASES = 10


class WorkerSide:
    """Connects one worker process with Redis; each of its sources reads on a connection of its own.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        namespace: what precedes every key.
        metrics: what to count.
        provider: what computes, as ONNX Runtime names it.
        version: of the software.
        lease_ms: how long the process may be silent; at least twice as long as a batch may take.
        clock: monotonic seconds.

    Raises:
        SettingsError: the URL cannot be read.

    Attributes:
        name: of this process in Redis, a new one at each start.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        metrics: Metrics,
        provider: str,
        version: str,
        lease_ms: int = 3000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._keys, self._connector, self._clock = Keys(namespace), Connector(url), clock
        self._provider, self._version, self._lease_ms = provider, version, lease_ms
        self._faults = Unavailability(metrics)
        self._writer = Writer(Channel(self._connector), self._faults)
        self._sources: list[RedisSource] = []
        self._tasks: list[asyncio.Task[None]] = []

    def open_source(self, sha256: str, threads: int, metrics: ModelMetrics) -> RedisSource:
        """The computing end of one bundle's queue.

        Args:
            sha256: digest of the bundle.
            threads: how many batches are computed at once.
            metrics: the bundle's.
        """
        source = RedisSource(
            sha256,
            self.name,
            self._lease_ms,
            threads,
            self._keys,
            self._writer,
            Channel(self._connector),
            self._faults,
            metrics,
            self._clock,
        )
        self._sources.append(source)
        return source

    async def start(self) -> None:
        """Check the server, if it answers, and begin to read; a server that does not answer is waited for.

        Raises:
            SettingsError: this server loses requests, or is too old.
        """
        checking = Channel(self._connector)
        try:
            with contextlib.suppress(*FAILURES):
                await check_server(checking)
        finally:
            await checking.close()
        self._writer.start()
        with contextlib.suppress(ServiceError):
            await self.beat()
        loops = [self._beat_forever(), self._sweep_forever()]
        for source in self._sources:
            loops += [source.read_forever(), take_over_forever(source, self._writer, self.name, self._lease_ms)]
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    @property
    def alive(self) -> bool:
        """Whether everything that runs beside the batches still does."""
        return bool(self._tasks) and self._writer.alive and not any(task.done() for task in self._tasks)

    async def stop_reading(self) -> None:
        """Take nothing more from Redis; what was taken can still be settled."""
        for task in self._tasks[1:]:  # the heart beats on
            await cancelled(task)

    async def close(self) -> None:
        """Give back what was not settled, leave, and disconnect."""
        for task in self._tasks:
            await cancelled(task)
        if self._tasks:  # else nothing was ever taken, and nobody would send what is said here
            with contextlib.suppress(ServiceError):
                for source in self._sources:
                    await source.release_all()
                await self._writer.command("DEL", self._keys.worker(self.name))
        await self._writer.close()

    async def beat(self) -> None:
        """Say that this process lives, and keep its place in every group and its lease on what waits here.

        Raises:
            ServiceError: Redis does not answer.
        """
        for source in self._sources:
            await source.join()
            source.renew()
        await self._writer.command("SET", self._keys.worker(self.name), self._said().to_json(), "PX", self._lease_ms)

    def _said(self) -> Heartbeat:
        speeds = {source.sha256[:DIGEST_LENGTH]: source.tokens_per_second for source in self._sources}
        times = {source.sha256[:DIGEST_LENGTH]: source.pace.full_batch_seconds for source in self._sources}
        jobs = {source.sha256[:DIGEST_LENGTH]: source.jobs_at_once for source in self._sources}
        busy = max((it for source in self._sources if (it := source.busy_seconds) is not None), default=None)
        return Heartbeat(self._provider, self._version, busy, speeds, times, jobs)

    async def sweep(self) -> None:
        """Remove what is left behind by others.

        Raises:
            ServiceError: Redis does not answer.
        """
        for source in self._sources:
            idle_ms = IDLE_LEASES * self._lease_ms
            await self._writer.run(SWEEP, source.streams, [OLDEST_ENTRY_MS, idle_ms, self._keys.worker("")])

    async def _beat_forever(self) -> None:
        while True:
            with contextlib.suppress(ServiceError):
                await self.beat()
            await asyncio.sleep(self._lease_ms / 3000)

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
            with contextlib.suppress(ServiceError):
                await self.sweep()
