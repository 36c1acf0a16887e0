"""The computing end of one model's queue: reads ahead a little, hands out rounds, settles."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence

from redis.exceptions import ResponseError

from app.batching import Batch, BatchLimits, Job, Outcome
from app.errors import DeadlineExceeded, ServiceError
from app.metrics import ModelMetrics
from app.queue.pace import Pace
from app.queue.redis.channel import Argument, Channel
from app.queue.redis.entries import PRIORITIES, Entry, Held, places, settlement
from app.queue.redis.entry_reader import EntryReader, NewEntries
from app.queue.redis.faults import Unavailability, code_of, repeat
from app.queue.redis.graveyard import Graveyard
from app.queue.redis.holdings import Holdings
from app.queue.redis.keys import DIGEST_LENGTH, Keys
from app.queue.redis.scripts import JOIN, RELEASE, RENEW, SETTLE
from app.queue.redis.wire import WorkerPace, pack_pace, pack_reply
from app.queue.redis.writer import Writer
from app.queue.waiting import WaitingJobs

LONGEST_PAUSE_SECONDS = 1.0
# How soon a worker that is busy looks again whether something waits. One that is idle is told by Redis at once, so what
# a busy one finds is more than the idle ones can take. One that has something left looks when it forms its next round.
BUSY_PAUSE_SECONDS = 0.005
SUPPLIED_PAUSE_SECONDS = 0.05
RENEWED_LEASES = 2
# For how long what is given back seems to have been silent: longer than the lease of any worker, theirs may differ.
FREE_FOR_MS = 24 * 3600 * 1000
GROUP_IS_GONE = ("NOGROUP", "UNBLOCKED")
EXPIRED = DeadlineExceeded("The sequence waited too long to be answered before its deadline.")


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
        self._writer, self._faults, self._clock = writer, faults, clock
        self._reader = EntryReader(self.streams, worker, keys, channel)
        self.graveyard = Graveyard(keys, self.streams, writer, metrics)
        self._held = Holdings(self.graveyard, faults, clock)
        self.pace = Pace(threads)
        self._limits: BatchLimits | None = None
        self._waiting = WaitingJobs()
        self._suspect: Job | None = None  # waits to be computed alone
        self._suspect_in_hand: Job | None = None
        self._more_in_redis = False
        self._look_now = False
        self._read_at = 0.0
        self._arrival, self._change, self._looked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    # What a worker calls.

    async def take(self, limits: BatchLimits) -> Sequence[Batch]:
        self._limits = limits
        await self._fill_up()
        while not (batches := self._next_round(limits)):
            self._arrival.clear()
            self._change.set()
            await self._arrival.wait()
        self.pace.taken(batches, self._clock())
        self._change.set()
        return batches

    async def _fill_up(self) -> None:
        """Look what else waits, so that the next round is a full one; there is time while every thread computes."""
        seconds = min(self.pace.free_in_seconds(self._clock()), BUSY_PAUSE_SECONDS)
        if seconds and self._waiting and max(self._rooms(self._spare_jobs)) > 0:
            self._looked.clear()
            self._look_now = True
            self._change.set()
            await _set_within(self._looked, seconds)

    async def settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self.pace.settled(batch, outcomes, self._clock())
        self._change.set()
        settled = [
            (held, pack_reply(held.request_id, outcome))
            for job, outcome in zip(batch.jobs, outcomes, strict=True)
            if (held := self._held.let_go(job)) is not None
        ]
        if settled:
            # If Redis does not hear of it, the entries are taken over and computed again.
            with contextlib.suppress(ServiceError):
                await self._writer.run(SETTLE, *settlement(self._keys, self.streams, settled, self._packed_pace))

    async def release(self, batches: Sequence[Batch]) -> None:
        self.pace.given_back(batches)
        held = [it for batch in batches for job in batch.jobs if (it := self._held.let_go(job)) is not None]
        if held:
            with contextlib.suppress(ServiceError):
                await self._release(places(it.entry for it in held))

    # What the process calls.

    @property
    def tokens_per_second(self) -> float:
        """How fast this process works through jobs under load; 0 until that is known."""
        return self._threads / self.pace.seconds_per_token if self.pace.seconds_per_token else 0.0

    @property
    def jobs_at_once(self) -> int:
        """How many jobs this process can hold: a batch on each thread, one that is formed, and what waits here."""
        return (self._threads + 2) * self._spare_jobs

    @property
    def _packed_pace(self) -> bytes:
        digest = self.sha256[:DIGEST_LENGTH]
        return pack_pace(WorkerPace(digest, self.tokens_per_second, self.pace.full_batch_seconds, self._worker))

    @property
    def busy_seconds(self) -> float | None:
        """How long nothing has been taken or settled while batches are in hand; none if there are none."""
        return self.pace.silent_seconds(self._clock()) if self.pace.in_hand else None

    async def read_forever(self) -> None:
        """Read ahead until cancelled."""
        await repeat(self._read, self._reader.close, self._faults)

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
        hangs = self.pace.silent_seconds(self._clock()) > RENEWED_LEASES * self._lease_ms / 1000
        waiting = [self._held[job].entry for job in self._waiting]
        if waiting and not hangs:
            self._writer.tell(RENEW, self.streams, [self._worker, *places(waiting)])

    async def release_all(self) -> None:
        """Give back everything that this worker has, also what it never heard of.

        Raises:
            ServiceError: Redis does not answer.
        """
        await self._reader.close()
        self._waiting = WaitingJobs()
        await self._release([])

    async def _release(self, which: list[Argument]) -> None:
        await self._writer.run(RELEASE, self.streams, [self._worker, FREE_FOR_MS, *which])

    # Entries that are taken over from others.

    def holds(self, entry: Entry) -> bool:
        """Whether this process has the entry already."""
        return self._held.has(entry)

    @property
    def may_take_over(self) -> bool:
        """Whether there is room, and no other suspect in hand: of two, one could make the other look guilty.

        The room is more than what reading can fill, or under load the oldest entries of all would wait for ever.
        """
        room = (len(PRIORITIES) + 1) * self._spare_jobs
        return self._limits is not None and not self._has_suspect and len(self._waiting) < room

    def take_over(self, entry: Entry, server_ms: int, *, suspect: bool) -> None:
        """Take an entry that another worker has had; a suspect is computed alone."""
        job = self._held.hold(entry, server_ms)
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
        # An idle worker tries whatever it has: otherwise it would never learn that it has become faster.
        now, others = self._clock(), self._more_in_redis and self.pace.in_hand > 0
        batches, late = self._waiting.take_round(limits, self._threads, now, self.pace, others_elsewhere=others)
        self._tell_expired(late)
        return batches

    def _tell_expired(self, jobs: Iterable[Job]) -> None:
        self._tell([(held, pack_reply(held.request_id, EXPIRED)) for job in jobs if (held := self._held.let_go(job))])

    def _tell(self, settled: Sequence[tuple[Held, bytes]]) -> None:
        if settled:
            self._writer.tell(SETTLE, *settlement(self._keys, self.streams, settled))

    @property
    def _spare_jobs(self) -> int:
        """How many entries of a priority may wait here: about one round, so that other workers get their share."""
        limits = self._limits or BatchLimits()
        tokens_per_job = max(1.0, self._held.tokens_per_job)
        batch = max(1, min(limits.max_sequences, int(limits.max_tokens / tokens_per_job)))
        return min(limits.window_jobs, max(batch, int(limits.round_tokens / tokens_per_job)))

    def _rooms(self, spare: int) -> list[int]:
        """How many more entries of each priority may wait here."""
        return [spare - self._waiting.count(priority) for priority in PRIORITIES]

    async def _read(self) -> None:
        """Read what waits, once it is time to; a worker that is idle waits for it."""
        spare = self._spare_jobs
        rooms = self._rooms(spare)
        if self._limits is None or max(rooms) <= 0:
            await self._changed(LONGEST_PAUSE_SECONDS)
            return
        idle = self.pace.in_hand < self._threads and not self._waiting
        if not idle and (early_seconds := self._early_seconds()) > 0:
            await self._changed(early_seconds)
            return
        self._look_now = False
        try:
            new = await (self._reader.wait(spare) if idle else self._reader.look(rooms))
        except ResponseError as refused:
            if code_of(refused) not in GROUP_IS_GONE:
                raise
            await self._join_again()
            return
        self._read_at = self._clock()
        read = collections.Counter(entry.stream for entry in new.entries)
        self._more_in_redis = any(room > 0 and read[stream] >= room for stream, room in enumerate(rooms, start=1))
        if new.entries:
            await self._accept(new)
        self._looked.set()

    def _early_seconds(self) -> float:
        """How long it is too early for a busy worker to look again."""
        if self._look_now:
            return 0.0
        pause_seconds = SUPPLIED_PAUSE_SECONDS if self._waiting else BUSY_PAUSE_SECONDS
        return self._read_at + pause_seconds - self._clock()

    async def _join_again(self) -> None:
        try:
            await self.join()
        except ServiceError:
            await asyncio.sleep(LONGEST_PAUSE_SECONDS)

    async def _accept(self, new: NewEntries) -> None:
        """Let new jobs wait here, but those that nobody wants any more."""
        jobs = [job for entry in new.entries if (job := self._held.hold(entry, new.server_ms)) is not None]
        unwanted: set[bytes] = set()
        try:
            unwanted = await self._reader.cancelled([self._held[job] for job in jobs], new.quiet)
        finally:  # where Redis does not say, each is wanted
            self._tell(
                [(it, b"") for job in jobs if (it := self._held[job]).request_id in unwanted and self._held.let_go(job)]
            )
            for job in jobs:  # nobody knows here which request a job is of: the asking end lets them take turns
                if job in self._held:
                    self._waiting.add([job])
            self._arrival.set()

    async def _changed(self, seconds: float) -> None:
        """Wait until something was taken or settled, at most for so long."""
        self._change.clear()
        await _set_within(self._change, seconds)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most for so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):  # before Python 3.12 wait_for can swallow a cancellation
            await event.wait()
