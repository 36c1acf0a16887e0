"""The jobs that wait, in the order in which they go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from app.batching import Batch, BatchLimits, Job, Priority, choose_batch, is_full
from app.queue.pace import Pace

# Bulk work leads every fourth batch while interactive work waits too: it is never starved, nor ever in the way.
BULK_TURN = 4


class Round(NamedTuple):
    """What goes next, and what was found on the way that cannot be answered in time any more."""

    batches: list[Batch]
    late: list[Job]


def tokens_before(priority: Priority, interactive: int, bulk: int) -> int:
    """How many tokens go before a new job of a priority, where so many of each wait."""
    if priority == "bulk":
        return interactive + bulk
    return interactive + min(bulk, interactive // (BULK_TURN - 1))


class WaitingJobs:
    """Interactive jobs before bulk jobs, each in the order of arrival."""

    def __init__(self) -> None:
        # Dictionaries for their order: a job can leave from the middle at no cost.
        self._by_priority: dict[Priority, dict[Job, None]] = {"interactive": {}, "bulk": {}}
        self._turn = 0
        self._tokens: dict[Priority, int] = {"interactive": 0, "bulk": 0}

    def __len__(self) -> int:
        return sum(len(jobs) for jobs in self._by_priority.values())

    def __iter__(self) -> Iterator[Job]:
        for jobs in self._by_priority.values():
            yield from list(jobs)

    @property
    def tokens(self) -> int:
        """Of all jobs."""
        return sum(self._tokens.values())

    def tokens_before(self, priority: Priority) -> int:
        """How many tokens go before a new job of a priority."""
        return tokens_before(priority, **self._tokens)

    def count(self, priority: Priority) -> int:
        """How many jobs of a priority wait."""
        return len(self._by_priority[priority])

    def add(self, jobs: Iterable[Job]) -> None:
        """Let the jobs wait behind the others of their priority."""
        for job in jobs:
            self._by_priority[job.priority][job] = None
            self._tokens[job.priority] += job.tokens

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Let the jobs wait before the others of their priority."""
        for priority, waiting in self._by_priority.items():
            first = {job: None for job in jobs if job.priority == priority}
            if first:
                self._by_priority[priority] = first | waiting
                self._tokens[priority] += sum(job.tokens for job in first)

    def discard(self, job: Job) -> None:
        """Take a job out, if it waits."""
        waiting = self._by_priority[job.priority]
        if job in waiting:
            del waiting[job]
            self._tokens[job.priority] -= job.tokens

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

    def take_round(
        self, limits: BatchLimits, threads: int, now: float, pace: Pace, *, others_elsewhere: bool = False
    ) -> Round:
        """Take out the next round: batches up to `limits.round_tokens`, leaving enough for the other threads.

        Args:
            others_elsewhere: there are more jobs than these, which wait for room here.
        """
        batches: list[Batch] = []
        late: list[Job] = []
        free_at = now + pace.free_in_seconds(now)
        while self._goes_on(batches, limits, threads):
            done_at = free_at + self._next_seconds(pace)
            late += self._take_late(now, done_at, limits.window_jobs, others_elsewhere=others_elsewhere)
            if not len(self):
                break
            batches.append(self._take_batch(limits))
            free_at += pace.batch_seconds(batches[-1].tokens)
        return Round(batches, late)

    def _next_seconds(self, pace: Pace) -> float:
        """How long the next batch will take."""
        return pace.batch_seconds(min(self.tokens, pace.full_tokens or self.tokens))

    def _goes_on(self, batches: Sequence[Batch], limits: BatchLimits, threads: int) -> bool:
        if not batches:
            return True
        others = sum(len(batch.jobs) for batch in batches) * (threads - 1)
        return sum(batch.tokens for batch in batches) < limits.round_tokens and len(self) > others

    def _take_late(self, now: float, done_at: float, size: int, *, others_elsewhere: bool) -> list[Job]:
        """Take out the jobs whose deadline comes before the next batch is done, until none is left in sight.

        Where not one job anywhere is in time, only those go whose deadline has passed: there is nothing better to do
        than to try, and what is known of the speed may be wrong.
        """
        gone: list[Job] = []
        while late := self._due(done_at, size):
            if not others_elsewhere and len(late) == self._in_sight(size):
                late = self._due(now, size)
                done_at = now
            for job in late:
                self.discard(job)
            gone += late
        return gone

    def _in_sight(self, size: int) -> int:
        return sum(min(len(jobs), size) for jobs in self._by_priority.values())

    def _due(self, moment: float, size: int) -> list[Job]:
        """The jobs in sight whose deadline is not after a moment."""
        return [job for jobs in self._by_priority.values() for job in islice(jobs, size) if job.deadline <= moment]

    def _take_batch(self, limits: BatchLimits) -> Batch:
        jobs = choose_batch(self.window(limits.window_jobs), limits)
        for job in jobs:
            self.discard(job)
        return Batch(tuple(jobs), others_wait=len(self) > 0 or is_full(jobs, limits))


def _oldest(jobs: dict[Job, None], now: float) -> float:
    try:
        return next(iter(jobs)).submitted_at
    except (StopIteration, RuntimeError):  # a scrape in another thread may meet a change
        return now
