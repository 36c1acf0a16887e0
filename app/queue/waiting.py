"""The jobs that wait, in the order in which they go."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from app.batching import Batch, BatchLimits, Job, Priority, choose_batch, is_full
from app.queue.pace import Pace
from app.queue.turns import Turns

# Bulk work leads every fourth batch while interactive work waits too: it is never starved, nor ever in the way.
BULK_TURN = 4
# A round may hold this share of what waits, of a list one job, and so many times as much as usual. Whoever waits for so
# long hardly notices, and answers that go out together cost half as much each, as do the requests that come in return:
# what a batch has driven out of the processor's caches is fetched once for all of them.
ROUND_SHARE = 0.25
LONGEST_ROUND = 12


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
    """Interactive jobs before bulk jobs; among those of a priority requests take turns."""

    def __init__(self) -> None:
        self._interactive, self._bulk = Turns(), Turns()
        self._by_priority: dict[Priority, Turns] = {"interactive": self._interactive, "bulk": self._bulk}
        self._turn = 0
        self._soonest = math.inf  # no job that waits has an earlier deadline; most rounds look no further

    def __len__(self) -> int:
        return len(self._interactive) + len(self._bulk)

    def __iter__(self) -> Iterator[Job]:
        return iter([*self._interactive, *self._bulk])

    @property
    def tokens(self) -> int:
        """Of all jobs."""
        return self._interactive.tokens + self._bulk.tokens

    def tokens_before(self, priority: Priority, own_tokens: int, batch_tokens: float) -> int:
        """How many tokens go before the last of a new request.

        Args:
            own_tokens: of the request.
            batch_tokens: of a batch under load; 0 where that is not known.
        """
        of_its_own = self._by_priority[priority].tokens_before(own_tokens, batch_tokens)
        if priority == "bulk":
            return tokens_before(priority, self._interactive.tokens, of_its_own)
        return tokens_before(priority, of_its_own, self._bulk.tokens)

    def count(self, priority: Priority) -> int:
        """How many jobs of a priority wait."""
        return len(self._by_priority[priority])

    def add(self, jobs: Sequence[Job]) -> None:
        """Let the jobs of one request, all of one priority, wait for their turns."""
        if jobs:
            self._by_priority[jobs[0].priority].add(jobs)
            self._expect(jobs)

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Let the jobs wait before the others of their priority."""
        for priority, turns in self._by_priority.items():
            turns.put_back([job for job in jobs if job.priority == priority])
        self._expect(jobs)

    def _expect(self, jobs: Sequence[Job]) -> None:
        self._soonest = min(self._soonest, min((job.deadline for job in jobs), default=math.inf))

    def discard(self, job: Job) -> None:
        """Take a job out, if it waits."""
        self._by_priority[job.priority].discard(job)

    def window(self, size: int) -> list[Job]:
        """The jobs to choose the next batch from, its leader first."""
        self._turn += 1
        interactive, bulk = self._interactive, self._bulk
        bulk_leads = not interactive or self._turn % BULK_TURN == 0
        first, second = (bulk, interactive) if bulk and bulk_leads else (interactive, bulk)
        window = first.first(size)
        return window + second.first(size - len(window)) if second else window

    def oldest(self, now: float) -> float:
        """When the longest-waiting job was submitted; `now` if none waits."""
        return min(self._interactive.oldest(now), self._bulk.oldest(now))

    def take_round(
        self, limits: BatchLimits, threads: int, now: float, pace: Pace, *, others_elsewhere: bool = False
    ) -> Round:
        """Take out the next round: batches up to `limits.round_tokens` or more, leaving enough for the other threads.

        Args:
            others_elsewhere: there are more jobs than these, which wait for room here.
        """
        only = self._only()
        if only is not None and not others_elsewhere and only.deadline > now:
            self._turn += 1
            self.discard(only)
            return Round([Batch((only,), others_wait=is_full((only,), limits))], [])
        batches: list[Batch] = []
        late: list[Job] = []
        free_at = now + pace.free_in_seconds(now)
        round_tokens = self._round_tokens(limits)
        while self._goes_on(batches, round_tokens, threads):
            done_at = free_at + self._next_seconds(pace)
            late += self._take_late(now, done_at, limits.window_jobs, others_elsewhere=others_elsewhere)
            if not len(self):
                break
            batches.append(self._take_batch(limits))
            free_at += pace.batch_seconds(batches[-1].tokens)
        return Round(batches, late)

    def _only(self) -> Job | None:
        """The job that waits, where it is the only one: then there is nothing to choose, and nothing to reckon with."""
        return next(iter(self._interactive or self._bulk)) if len(self) == 1 else None

    def _next_seconds(self, pace: Pace) -> float:
        """How long the next batch will take."""
        return pace.batch_seconds(min(self.tokens, pace.full_tokens or self.tokens))

    def _round_tokens(self, limits: BatchLimits) -> float:
        """How many tokens make a round now: of a request one job counts, so that nobody waits long behind a list.

        Where nobody knows which request a job is of, each is one.
        """
        longest = LONGEST_ROUND * limits.round_tokens
        return max(limits.round_tokens, min(ROUND_SHARE * self._interactive.next_tokens, longest))

    def _goes_on(self, batches: Sequence[Batch], round_tokens: float, threads: int) -> bool:
        if not batches:
            return True
        others = sum(len(batch.jobs) for batch in batches) * (threads - 1)
        return sum(batch.tokens for batch in batches) < round_tokens and len(self) > others

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
        return min(len(self._interactive), size) + min(len(self._bulk), size)

    def _due(self, moment: float, size: int) -> list[Job]:
        """The jobs in sight whose deadline is not after a moment."""
        if moment < self._soonest:
            return []
        seen = [job for jobs in self._by_priority.values() for job in islice(jobs, size)]
        if len(seen) == len(self):
            self._soonest = min((job.deadline for job in seen), default=math.inf)
        return [job for job in seen if job.deadline <= moment]

    def _take_batch(self, limits: BatchLimits) -> Batch:
        jobs = choose_batch(self.window(limits.window_jobs), limits)
        for job in reversed(jobs):  # those that fill up before the one that leads: only then is there one to follow it
            self.discard(job)
        return Batch(tuple(jobs), others_wait=len(self) > 0 or is_full(jobs, limits))
