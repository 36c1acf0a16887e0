"""The jobs that one worker holds, and what is needed to settle each."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.batching import Job
from app.queue.redis.entries import Entry, Held, job_of
from app.queue.redis.faults import Unavailability
from app.queue.redis.graveyard import Graveyard
from app.queue.redis.wire import Malformed, unpack_request

SMOOTHING = 0.05


class Holdings:
    """What was read and not settled, of one model.

    Args:
        graveyard: takes what cannot be read.
        faults: counts it.
        clock: monotonic seconds.

    Attributes:
        tokens_per_job: of the latest ones; 0 until there was one.
    """

    def __init__(
        self, graveyard: Graveyard, faults: Unavailability, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._graveyard, self._faults, self._clock = graveyard, faults, clock
        self._held: dict[Job, Held] = {}
        self._places: set[tuple[int, bytes]] = set()
        self.tokens_per_job = 0.0

    def __contains__(self, job: Job) -> bool:
        return job in self._held

    def __getitem__(self, job: Job) -> Held:
        return self._held[job]

    def has(self, entry: Entry) -> bool:
        """Whether the entry's job is among them."""
        return entry.place in self._places

    def hold(self, entry: Entry, server_ms: int) -> Job | None:
        """The job of an entry, from now on held; nothing if it cannot be read."""
        try:
            request = unpack_request(entry.packed)
        except Malformed:
            self._faults.malformed()
            self._graveyard.bury_unread(entry)
            return None
        job = job_of(entry, request, server_ms, self._clock())
        self._held[job] = Held(entry, request.id, request.api_process)
        self._places.add(entry.place)
        before = self.tokens_per_job or job.tokens
        self.tokens_per_job = before + SMOOTHING * (job.tokens - before)
        return job

    def let_go(self, job: Job) -> Held | None:
        """Hold a job no more; nothing if it was let go before."""
        held = self._held.pop(job, None)
        if held is not None:
            self._places.discard(held.entry.place)
        return held
