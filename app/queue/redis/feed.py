"""What an API process holds back of long lists, so that what others ask goes between their jobs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from app.batching import Job
from app.queue.turns import Turns

# So many jobs of a request are one turn, and go at once.
TURN_JOBS = 32
# Until a worker has said how many it can have at once.
UNKNOWN_JOBS_AT_ONCE = 1024


class Feed:
    """The long lists of one priority: the first jobs of each go at once, the others as those that went are answered.

    A stream is first come, first served. So all lists of a process together have no more in it than the workers can
    hold at once, and take turns in what they add.

    Attributes:
        jobs_at_once: how many jobs the workers can hold.
        held: the jobs that have not gone.
    """

    def __init__(self) -> None:
        self.jobs_at_once = UNKNOWN_JOBS_AT_ONCE
        self.held = Turns()
        self._gone: dict[Job, float] = {}  # jobs of lists that are in the stream, with the seconds that each was held

    def hold(self, gone: Collection[Job], jobs: Sequence[Job]) -> None:
        """Hold the jobs of a list of which the first are in the stream."""
        self._gone.update(dict.fromkeys(gone, 0.0))
        self.held.add(jobs)

    def next_jobs(self, now: float) -> list[Job]:
        """The jobs that are to go now, held no more."""
        jobs = []
        for _ in range(min(len(self.held), self.jobs_at_once - len(self._gone))):
            job = next(iter(self.held))
            self.held.discard(job)
            self._gone[job] = now - job.submitted_at
            jobs.append(job)
        return jobs

    def held_seconds(self, job: Job) -> float:
        """How long a job that has gone was held."""
        return self._gone.get(job, 0.0)

    def ended(self, job: Job) -> bool:
        """Take note of a job that is answered or wanted no more; whether it was held until now."""
        was_held = job in self.held
        self.held.discard(job)
        self._gone.pop(job, None)
        return was_held

    def tokens_before(self, jobs: int, tokens: int) -> int:
        """How many tokens that are held go before the last of a new request: of each list as much as it has itself."""
        return 0 if jobs <= TURN_JOBS else min(self.held.tokens, self.held.requests * tokens)
