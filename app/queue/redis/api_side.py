"""Everything of the queue that one API process owns."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Sequence

from app.errors import ServiceError
from app.metrics import Metrics, ModelMetrics
from app.queue.redis.channel import Channel
from app.queue.redis.checks import check_server, inspect_forever
from app.queue.redis.connection import Connector
from app.queue.redis.faults import FAILURES, Unavailability, cancelled
from app.queue.redis.heartbeat import Heartbeat, fleet_jobs_at_once, fleet_speed, read_heartbeat
from app.queue.redis.inbox import Inbox
from app.queue.redis.keys import Keys
from app.queue.redis.requests import RedisQueue
from app.queue.redis.scripts import WORKERS
from app.queue.redis.wire import WorkerPace
from app.queue.redis.writer import Writer

PERIOD_SECONDS = 0.5


class ApiSide:
    """Connects one API process with Redis; its queues share two connections.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        namespace: what precedes every key.
        metrics: what to count.
        clock: monotonic seconds.

    Raises:
        SettingsError: the URL cannot be read.

    Attributes:
        writer: sends any other command of this process too.
    """

    def __init__(self, url: str, namespace: str, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self.keys = Keys(namespace)
        self.name = secrets.token_hex(8)
        self._connector, self._clock = Connector(url), clock
        self._faults = Unavailability(metrics)
        self.writer = Writer(Channel(self._connector), self._faults)
        self._reading = Channel(self._connector)
        key = self.keys.inbox(self.name)
        self._inbox = Inbox(key, self._reading, self._faults, metrics.late_replies, self._hear, clock)
        self._queues: list[RedisQueue] = []
        self._workers: dict[str, dict[str, Heartbeat]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def open_queue(self, sha256: str, targets: int | None, max_tokens: int, metrics: ModelMetrics) -> RedisQueue:
        """The asking end of one bundle's queue.

        Args:
            sha256: digest of the bundle.
            targets: how many values its answers have; None where only the graph knows.
            max_tokens: how many tokens may wait.
            metrics: the bundle's.
        """
        queue = RedisQueue(
            sha256, targets, max_tokens, self.keys, self.name, self.writer, self._inbox, metrics, self._clock
        )
        self._queues.append(queue)
        return queue

    async def start(self) -> None:
        """Check the server, if it answers, and begin to read; a server that does not answer is waited for.

        Raises:
            SettingsError: this server loses requests, or is too old.
        """
        try:
            with contextlib.suppress(*FAILURES):
                await check_server(self._reading)
                await self._inbox.open()
        except BaseException:
            await self.close()
            raise
        self.writer.start()
        loops = [self._inbox.read_forever(), self._look_forever(), inspect_forever(self.writer)]
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    @property
    def alive(self) -> bool:
        """Whether everything that runs beside the requests still does."""
        return bool(self._tasks) and self.writer.alive and not any(task.done() for task in self._tasks)

    def workers(self, sha256: str) -> Sequence[Heartbeat]:
        """The live workers of a bundle, as of half a second ago."""
        return list(self._workers.get(sha256, {}).values())

    async def close(self) -> None:
        """End every queue, take the inbox away and disconnect."""
        for queue in self._queues:
            await queue.close()
        for task in self._tasks:
            await cancelled(task)
        if self._tasks:
            with contextlib.suppress(ServiceError):
                await self.writer.command("DEL", self._inbox.key, self.keys.cancelled(self.name))
        await self.writer.close()
        await self._reading.close()

    async def look(self) -> None:
        """See what waits in Redis and who is there to do it.

        Raises:
            ServiceError: Redis does not answer.
        """
        for queue in self._queues:
            await queue.measure()
            there = await self.writer.run(WORKERS, queue.streams, [self.keys.worker("")])
            self._workers[queue.sha256] = _understood(there)
            queue.speed = fleet_speed(self.workers(queue.sha256), queue.sha256)
            queue.feed_up_to(fleet_jobs_at_once(self.workers(queue.sha256), queue.sha256))

    def _hear(self, pace: WorkerPace) -> None:
        """Take note of how fast a live worker says it is, which is newer than its heartbeat."""
        for queue in self._queues:
            workers = self._workers.get(queue.sha256, {})
            if queue.sha256.startswith(pace.digest) and pace.worker in workers:
                workers[pace.worker] = workers[pace.worker].at(pace)
                queue.speed = fleet_speed(self.workers(queue.sha256), queue.sha256)

    async def _look_forever(self) -> None:
        while True:
            for queue in self._queues:
                queue.expire()
            with contextlib.suppress(ServiceError):
                await self.look()
            await asyncio.sleep(PERIOD_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311


def _understood(there: Sequence[bytes]) -> dict[str, Heartbeat]:
    """Heartbeats by worker, from names and heartbeats in turn."""
    said = {
        name.decode("ascii", "replace"): read_heartbeat(text)
        for name, text in zip(there[::2], there[1::2], strict=True)
    }
    return {name: heartbeat for name, heartbeat in said.items() if heartbeat is not None}
