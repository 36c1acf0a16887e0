"""The jobs of one priority: requests take turns, however many jobs each has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice, zip_longest

from app.batching import Job

Rest = dict[Job, None]  # the later jobs of one request, in its order


class Turns:
    """One job of each request is next, in the order of arrival; when it leaves, the job that follows it goes last.

    So whoever comes waits for one turn of each request that is there, and nobody who comes later goes before a job that
    is next. A request of one job costs what it would cost in a queue without turns.

    Attributes:
        tokens: of all jobs.
        next_tokens: of those that are next, one of each request.
    """

    def __init__(self) -> None:
        # Dictionaries for their order: a job can leave from the middle at no cost.
        self._next: dict[Job, None] = {}
        self._later: dict[Job, Rest] = {}  # every job that is not next, with the rest that it is in
        self._rests: dict[Job, Rest] = {}  # by the request's next job; those of requests of one job are left out
        self.tokens = self.next_tokens = 0

    def __len__(self) -> int:
        return len(self._next) + len(self._later)

    def __iter__(self) -> Iterator[Job]:
        return chain(self._next, self._later)

    def __contains__(self, job: Job) -> bool:
        return job in self._next or job in self._later

    @property
    def requests(self) -> int:
        """How many requests wait."""
        return len(self._next)

    def add(self, jobs: Sequence[Job]) -> None:
        """Let the jobs of one request, one at least, wait for their turns."""
        first = jobs[0]
        self._next[first] = None
        self.tokens += first.tokens
        self.next_tokens += first.tokens
        if len(jobs) > 1:
            rest = self._rests[first] = dict.fromkeys(jobs[1:])
            self._later.update(dict.fromkeys(rest, rest))
            self.tokens += sum(job.tokens for job in rest)

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Let the jobs be next, before all others."""
        self._next = dict.fromkeys(jobs) | self._next
        tokens = sum(job.tokens for job in jobs)
        self.tokens += tokens
        self.next_tokens += tokens

    def discard(self, job: Job) -> None:
        """Take a job out, if it waits."""
        if job in self._next:
            del self._next[job]
            self.tokens -= job.tokens
            self.next_tokens -= job.tokens
            if self._rests:
                self._follow(job)
        elif (rest := self._later.pop(job, None)) is not None:
            del rest[job]
            self.tokens -= job.tokens

    def _follow(self, job: Job) -> None:
        """Let the job that comes after this one in its request be next, behind all that are."""
        rest = self._rests.pop(job, None)
        if not rest:
            return
        following = next(iter(rest))
        del rest[following], self._later[following]
        self._next[following] = None
        self.next_tokens += following.tokens
        if rest:
            self._rests[following] = rest

    def first(self, size: int) -> list[Job]:
        """So many jobs at most: those that are next, then one of each request in turn."""
        jobs = list(islice(self._next, size))
        if self._later and len(jobs) < size:
            jobs += islice(_in_turn(self._rests.values()), size - len(jobs))
        return jobs

    def tokens_before(self, own_tokens: int, batch_tokens: float) -> int:
        """How many tokens go before the last of a new request.

        Each request that waits has a turn before, which others may fill up to a batch; one of several jobs has further
        turns for as long as the new one needs some, so it gets as much as that at most.

        Args:
            own_tokens: of the new request.
            batch_tokens: of a batch under load; 0 where that is not known, and then everything counts.
        """
        if not batch_tokens:
            return self.tokens
        a_turn_each = max(self.next_tokens, len(self._next) * batch_tokens)
        further_turns = len(self._rests) * max(0, own_tokens - batch_tokens)
        return min(self.tokens, round(a_turn_each + further_turns))

    def oldest(self, now: float) -> float:
        """When the longest-waiting job was submitted; `now` if none waits. Safe to call in another thread."""
        # What is next changes place as turns go on; what comes later does not.
        waiting = (*tuple(self._next), *islice(tuple(self._later), 1))
        return min((job.submitted_at for job in waiting), default=now)


def _in_turn(rests: Collection[Rest]) -> Iterator[Job]:
    """The first job of each, then the second of each, and so on."""
    return filter(None, chain.from_iterable(zip_longest(*rests)))
