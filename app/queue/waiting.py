"""The jobs that wait, in the order in which they go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from app.batching import Batch, BatchLimits, Job, Priority, choose_batch

# Bulk work leads every fourth batch while interactive work waits too: it is never starved, nor ever in the way.
BULK_TURN = 4


class Round(NamedTuple):
    """What goes next, and what was found on the way that nobody waits for any more."""

    batches: list[Batch]
    expired: list[Job]


class WaitingJobs:
    """Interactive jobs before bulk jobs, each in the order of arrival."""

    def __init__(self) -> None:
        # Dictionaries for their order: a job can leave from the middle at no cost.
        self._by_priority: dict[Priority, dict[Job, None]] = {"interactive": {}, "bulk": {}}
        self._turn = 0
        self.tokens = 0

    def __len__(self) -> int:
        return sum(len(jobs) for jobs in self._by_priority.values())

    def __iter__(self) -> Iterator[Job]:
        for jobs in self._by_priority.values():
            yield from list(jobs)

    def count(self, priority: Priority) -> int:
        """How many jobs of a priority wait."""
        return len(self._by_priority[priority])

    def add(self, jobs: Iterable[Job]) -> None:
        """Let the jobs wait behind the others of their priority."""
        for job in jobs:
            self._by_priority[job.priority][job] = None
            self.tokens += job.tokens

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Let the jobs wait before the others of their priority."""
        for priority, waiting in self._by_priority.items():
            first = {job: None for job in jobs if job.priority == priority}
            if first:
                self._by_priority[priority] = first | waiting
        self.tokens += sum(job.tokens for job in jobs)

    def discard(self, job: Job) -> None:
        """Take a job out, if it waits."""
        waiting = self._by_priority[job.priority]
        if job in waiting:
            del waiting[job]
            self.tokens -= job.tokens

    def window(self, size: int) -> list[Job]:
        """The jobs to choose the next batch from, its leader first."""
        self._turn += 1
        interactive, bulk = self._by_priority["interactive"], self._by_priority["bulk"]
        bulk_leads = not interactive or self._turn % BULK_TURN == 0
        first, second = (bulk, interactive) if bulk and bulk_leads else (interactive, bulk)
        window = list(islice(first, size))
        return window + list(islice(second, size - len(window)))

    def oldest(self, now: float) -> float:
        """When the longest-waiting job was submitted; `now` if none waits."""
        return min(_oldest(jobs, now) for jobs in self._by_priority.values())

    def take_round(self, limits: BatchLimits, threads: int, now: float) -> Round:
        """Take out the next round: batches up to `limits.round_tokens`, leaving enough for the other threads."""
        batches: list[Batch] = []
        expired: list[Job] = []
        while self._goes_on(batches, limits, threads):
            expired += self._take_expired(now, limits.window_jobs)
            if not len(self):
                break
            batches.append(self._take_batch(limits))
        return Round(batches, expired)

    def _goes_on(self, batches: Sequence[Batch], limits: BatchLimits, threads: int) -> bool:
        if not batches:
            return True
        others = sum(len(batch.jobs) for batch in batches) * (threads - 1)
        return sum(batch.tokens for batch in batches) < limits.round_tokens and len(self) > others

    def _take_expired(self, now: float, size: int) -> list[Job]:
        """Take out the jobs whose deadline has passed, until none is left in sight."""
        expired: list[Job] = []
        while late := [job for jobs in self._by_priority.values() for job in islice(jobs, size) if job.deadline <= now]:
            for job in late:
                self.discard(job)
            expired += late
        return expired

    def _take_batch(self, limits: BatchLimits) -> Batch:
        jobs = choose_batch(self.window(limits.window_jobs), limits)
        for job in jobs:
            self.discard(job)
        return Batch(tuple(jobs), others_wait=len(self) > 0)


def _oldest(jobs: dict[Job, None], now: float) -> float:
    try:
        return next(iter(jobs)).submitted_at
    except (StopIteration, RuntimeError):  # a scrape in another thread may meet a change
        return now
