"""The computing end of one model's queue: reads ahead a little, hands out rounds, settles."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from app.batching import Batch, BatchLimits, Job, Outcome
from app.errors import DeadlineExceeded, ServiceError
from app.metrics import ModelMetrics
from app.queue.admission import Pace
from app.queue.redis.channel import Argument, Channel, Command
from app.queue.redis.entries import PRIORITIES, Entry, Held, entries_read, job_of, places, settlement
from app.queue.redis.faults import Unavailability, code_of, repeat
from app.queue.redis.graveyard import Graveyard
from app.queue.redis.keys import GROUP, Keys
from app.queue.redis.scripts import JOIN, RELEASE, RENEW, SETTLE
from app.queue.redis.wire import Malformed, pack_reply, unpack_request
from app.queue.redis.writer import Writer
from app.queue.waiting import WaitingJobs

BLOCK_MS = 1000
READ_SECONDS = BLOCK_MS / 1000 + 2  # a read may block longer than it was told to
# How soon a worker that is busy looks again whether something waits. One that is idle is told by Redis at once, so what
# a busy one finds is more than the idle ones can take.
BUSY_PAUSE_SECONDS = 0.005
SMOOTHING = 0.05
RENEWED_LEASES = 2
GROUP_IS_GONE = ("NOGROUP", "UNBLOCKED")
EXPIRED = DeadlineExceeded("The deadline passed while the sequence waited.")


class RedisSource:
    """The computing end through Redis: `JobSource`; used from one event loop.

    Args:
        sha256: digest of the bundle.
        worker: this process's name in Redis.
        lease_ms: how long the process may be silent about an entry.
        threads: how many batches are computed at once.
        keys: the names in Redis.
        writer: the process's.
        channel: its own, since its reads block.
        faults: what failures mean.
        metrics: what to count.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        sha256: str,
        worker: str,
        lease_ms: int,
        threads: int,
        keys: Keys,
        writer: Writer,
        channel: Channel,
        faults: Unavailability,
        metrics: ModelMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sha256, self.metrics = sha256, metrics
        self.streams = [keys.interactive(sha256), keys.bulk(sha256)]
        self._worker, self._lease_ms, self._threads, self._keys = worker, lease_ms, threads, keys
        self._writer, self._channel, self._faults, self._clock = writer, channel, faults, clock
        self.graveyard = Graveyard(keys, self.streams, writer, metrics)
        self._pace = Pace()
        self._limits: BatchLimits | None = None
        self._tokens_per_job = 0.0
        self._waiting = WaitingJobs()
        self._suspect: Job | None = None  # waits to be computed alone
        self._suspect_in_hand: Job | None = None
        self._held: dict[Job, Held] = {}
        self._entry_ids: set[bytes] = set()
        self._unsettled_batches = 0
        self._progress_at = clock()
        self._api_processes: set[str] = set()
        self._arrival, self._change = asyncio.Event(), asyncio.Event()

    # What a worker calls.

    async def take(self, limits: BatchLimits) -> Sequence[Batch]:
        self._limits = limits
        while not (batches := self._next_round(limits)):
            self._arrival.clear()
            self._change.set()
            await self._arrival.wait()
        self._progress_at = self._clock()
        self._unsettled_batches += len(batches)
        self._change.set()
        return batches

    async def settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self._pace.learn(batch, outcomes)
        self._progress_at = self._clock()
        self._unsettled_batches -= 1
        self._change.set()
        settled = [
            (held, pack_reply(held.request_id, outcome))
            for job, outcome in zip(batch.jobs, outcomes, strict=True)
            if (held := self._let_go(job)) is not None
        ]
        if settled:
            # If Redis does not hear of it, the entries are taken over and computed again.
            with contextlib.suppress(ServiceError):
                await self._writer.run(SETTLE, *settlement(self._keys, self.streams, settled))

    async def release(self, batches: Sequence[Batch]) -> None:
        self._unsettled_batches -= len(batches)
        held = [it for batch in batches for job in batch.jobs if (it := self._let_go(job)) is not None]
        if held:
            with contextlib.suppress(ServiceError):
                await self._release(places(it.entry for it in held))

    # What the process calls.

    @property
    def tokens_per_second(self) -> float:
        """How fast this process works through jobs under load; 0 until that is known."""
        return self._threads / self._pace.seconds_per_token if self._pace.seconds_per_token else 0.0

    async def read_forever(self) -> None:
        """Read ahead until cancelled."""
        await repeat(self._read, self._channel.close, self._faults)

    async def join(self) -> None:
        """Be in the group of each stream, whether or not they exist yet.

        Raises:
            ServiceError: Redis does not answer.
        """
        await self._writer.run(JOIN, self.streams, [self._worker])

    def renew(self) -> None:
        """Renew the lease on what waits here, as long as its turn comes nearer.

        What is being computed has its lease from when it was begun; where a computation hangs, nothing is renewed.
        """
        hangs = self._clock() - self._progress_at > RENEWED_LEASES * self._lease_ms / 1000
        waiting = [self._held[job].entry for job in self._waiting]
        if waiting and not hangs:
            self._writer.tell(RENEW, self.streams, [self._worker, *places(waiting)])

    async def release_all(self) -> None:
        """Give back everything that this worker has, also what it never heard of.

        Raises:
            ServiceError: Redis does not answer.
        """
        await self._channel.close()
        self._waiting = WaitingJobs()
        await self._release([])

    async def _release(self, which: list[Argument]) -> None:
        await self._writer.run(RELEASE, self.streams, [self._worker, self._lease_ms, *which])

    # Entries that are taken over from others.

    def holds(self, entry: Entry) -> bool:
        """Whether this process has the entry already."""
        return entry.id in self._entry_ids

    @property
    def may_take_over(self) -> bool:
        """Whether there is room, and no other suspect in hand: of two, one could make the other look guilty."""
        return self._limits is not None and not self._has_suspect and len(self._waiting) < self._spare_jobs

    def take_over(self, entry: Entry, server_ms: int, *, suspect: bool) -> None:
        """Take an entry that another worker has had; a suspect is computed alone."""
        job = self._hold(entry, server_ms)
        if job is None:
            return
        if suspect:
            self._suspect = self._suspect_in_hand = job
        else:
            self._waiting.add([job])
        self._arrival.set()

    @property
    def _has_suspect(self) -> bool:
        return self._suspect_in_hand is not None and self._suspect_in_hand in self._held

    # Between the two.

    def _next_round(self, limits: BatchLimits) -> list[Batch]:
        if self._suspect is not None:
            job, self._suspect = self._suspect, None
            if job.deadline > self._clock():
                return [Batch((job,))]
            self._tell_expired([job])
        batches, expired = self._waiting.take_round(limits, self._threads, self._clock())
        self._tell_expired(expired)
        return batches

    def _tell_expired(self, jobs: Iterable[Job]) -> None:
        self._tell([(held, pack_reply(held.request_id, EXPIRED)) for job in jobs if (held := self._let_go(job))])

    def _tell(self, settled: Sequence[tuple[Held, bytes]]) -> None:
        if settled:
            self._writer.tell(SETTLE, *settlement(self._keys, self.streams, settled))

    def _let_go(self, job: Job) -> Held | None:
        held = self._held.pop(job, None)
        if held is not None:
            self._entry_ids.discard(held.entry.id)
        return held

    def _hold(self, entry: Entry, server_ms: int) -> Job | None:
        try:
            request = unpack_request(entry.packed)
        except Malformed:
            self._faults.malformed()
            self.graveyard.bury_unread(entry)
            return None
        job = job_of(entry, request, server_ms, self._clock())
        self._held[job] = Held(entry, request.id, request.api_process)
        self._entry_ids.add(entry.id)
        self._note_length(job.tokens)
        return job

    def _note_length(self, tokens: int) -> None:
        before = self._tokens_per_job or tokens
        self._tokens_per_job = before + SMOOTHING * (tokens - before)

    @property
    def _spare_jobs(self) -> int:
        """How many entries of a priority may wait here: about one round, so that other workers get their share."""
        limits = self._limits or BatchLimits()
        tokens_per_job = max(1.0, self._tokens_per_job)
        batch = max(1, min(limits.max_sequences, int(limits.max_tokens / tokens_per_job)))
        return min(limits.window_jobs, max(batch, int(limits.round_tokens / tokens_per_job)))

    def _reads(self, *, block: bool) -> list[Command]:
        """What to ask Redis for: new entries of each priority that has room here."""
        start = ("XREADGROUP", "GROUP", GROUP, self._worker, "COUNT")
        if block:
            return [(*start, self._spare_jobs, "BLOCK", BLOCK_MS, "STREAMS", *self.streams, ">", ">")]
        rooms = [self._spare_jobs - self._waiting.count(priority) for priority in PRIORITIES]
        of_streams = zip(self.streams, rooms, strict=True)
        return [(*start, room, "STREAMS", stream, ">") for stream, room in of_streams if room > 0]

    async def _read(self) -> None:
        """Read what waits; an idle worker waits for it."""
        block = self._unsettled_batches < self._threads and not self._waiting
        reads = self._reads(block=block)
        if self._limits is None or not reads:
            await self._changed(BLOCK_MS / 1000)
            return
        try:
            entries, server_ms, without_cancelled = await self._read_entries(reads)
        except ResponseError as refused:
            if code_of(refused) not in GROUP_IS_GONE:
                raise
            await self.join()
            return
        jobs = [job for entry in entries if (job := self._hold(entry, server_ms)) is not None]
        if jobs:
            self._waiting.add(await self._still_wanted(jobs, without_cancelled))
            self._arrival.set()
        elif not block:
            await self._changed(BUSY_PAUSE_SECONDS)

    async def _read_entries(self, reads: Sequence[Command]) -> tuple[list[Entry], int, set[str]]:
        """Entries, the server's time, and the API processes that have nothing cancelled."""
        known = sorted(self._api_processes)
        marks: list[Command] = [("EXISTS", self._keys.cancelled(process)) for process in known]
        replies: list[Any] = await self._channel.ask([*reads, ("TIME",), *marks], READ_SECONDS)
        read, (seconds, microseconds), exist = replies[: len(reads)], replies[len(reads)], replies[len(reads) + 1 :]
        server_ms = int(seconds) * 1000 + int(microseconds) // 1000
        without = {process for process, exists in zip(known, exist, strict=True) if not exists}
        return [entry for reply in read for entry in entries_read(self.streams, reply)], server_ms, without

    async def _still_wanted(self, jobs: Sequence[Job], without_cancelled: set[str]) -> list[Job]:
        """Those of the jobs that nobody has cancelled; the others end here."""
        by_process: dict[str, list[Job]] = {}
        for job in jobs:
            by_process.setdefault(self._held[job].api_process, []).append(job)
        self._api_processes = (
            (self._api_processes | set(by_process)) if len(self._api_processes) < 64 else set(by_process)
        )
        asked = {process: jobs for process, jobs in by_process.items() if process not in without_cancelled}
        if not asked:
            return list(jobs)
        commands: list[Command] = [
            ("SMISMEMBER", self._keys.cancelled(process), *(self._held[job].request_id for job in jobs))
            for process, jobs in asked.items()
        ]
        replies = await self._channel.ask(commands)
        marks = zip(asked.values(), replies, strict=True)
        unwanted = {job for jobs, marked in marks for job, mark in zip(jobs, marked, strict=True) if mark}
        self._tell([(held, b"") for job in unwanted if (held := self._let_go(job)) is not None])
        return [job for job in jobs if job not in unwanted]

    async def _changed(self, seconds: float) -> None:
        """Wait until something was taken or settled, at most for so long."""
        self._change.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._change.wait(), seconds)
