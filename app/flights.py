"""The jobs of one queue in flight: identical inputs are computed once.

The first of them becomes a job; the others wait for its answer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from app.batching import Answer, Job, Outcome, Priority
from app.encoding import Ids
from app.errors import DeadlineExceeded, ItemError, ServiceError
from app.metrics import ModelMetrics
from app.queue import ImmediateQueue, JobQueue

# Between two looks at who has waited for too long: thousands of deadlines may be a moment apart.
LEAST_PAUSE_SECONDS = 0.01


class Terms(NamedTuple):
    """On which terms the jobs of a request wait.

    Attributes:
        deadline: seconds of the clock, after which nobody wants the answer.
        traceparent: the trace that they belong to.
        lone: nobody else asks.
    """

    deadline: float
    priority: Priority = "interactive"
    traceparent: str | None = None
    lone: bool = False


Ending = list[Answer] | ServiceError  # of a request: every answer, or what it failed of
Tell = Callable[[Ending], None]


class Waiter:
    """One request that waits for its answers; told at once when the last is there or the first fails.

    Args:
        places: which sequence of the request each input is of.
        deadline: seconds of the clock.
        tell: told how the waiting ends, once.
    """

    __slots__ = ("_answers", "_beginning", "_places", "_tell", "deadline", "missing")

    def __init__(self, places: Sequence[int], deadline: float, tell: Tell) -> None:
        self._places = places
        self._answers: list[Answer | None] = [None] * len(places)
        self.missing = len(places)
        self.deadline = deadline
        self._tell: Tell | None = tell
        self._beginning: asyncio.Task[Any] | None = None  # the request's, while its jobs go into the queue

    def receive(self, index: int, outcome: Outcome) -> None:
        """Take the outcome of the input at `index`."""
        if isinstance(outcome, ServiceError):
            self.fail(_located(outcome, self._places[index]))
            return
        self._answers[index] = outcome
        self.missing -= 1
        if not self.missing:
            self._end([answer for answer in self._answers if answer is not None])

    def fail(self, error: ServiceError) -> None:
        """Wait no longer, unless all is there or lost already."""
        self._end(error)

    def _end(self, ending: Ending) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(ending)

    def give_up(self) -> None:
        """The deadline is here."""
        self.fail(DeadlineExceeded("The deadline passed before the model had answered."))
        if self._beginning is not None:
            self._beginning.cancel()
            self._beginning = None

    async def begun(self, begin: Coroutine[Any, Any, None]) -> None:
        """Wait for the jobs to be in the queue, but no longer than until the deadline: it may be out of reach."""
        self._beginning = task = asyncio.current_task()
        assert task is not None  # noqa: S101 - requests are tasks
        try:
            await begin
        except asyncio.CancelledError:
            if self._beginning is not None or task.uncancel():  # it was not, or not only, the deadline
                raise
        finally:
            self._beginning = None

    def leave(self) -> None:
        """Nobody asks for what becomes of it any more."""
        self._tell = None


class Boarded(NamedTuple):
    """A request whose inputs have flights."""

    waiter: Waiter
    flights: list[Flight]


@dataclass(slots=True, eq=False)
class Flight:
    """One job and everybody who waits for its answer, each with the places of this sequence in his request."""

    key: bytes
    job: Job
    waiters: dict[Waiter, list[int]] = field(default_factory=dict)


class Flights:
    """The jobs of one model in flight: equal inputs share one."""

    def __init__(self, queue: JobQueue, metrics: ModelMetrics, clock: Callable[[], float]) -> None:
        self._queue, self._metrics, self._clock = queue, metrics, clock
        self._immediate = queue if isinstance(queue, ImmediateQueue) else None
        self._by_key: dict[bytes, Flight] = {}
        self._by_job: dict[Job, Flight] = {}
        self._waiters: set[Waiter] = set()
        # One timer for all: the next request's deadline is hardly ever the first to come.
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf
        self._again: set[asyncio.Task[None]] = set()

    async def answers(self, rows: Sequence[Ids], terms: Terms, places: Sequence[int] | None = None) -> list[Answer]:
        """Board or begin a flight for each input and wait for all of them.

        Args:
            places: which sequence of the request each input is of; the one in its own place if left out.

        Raises:
            ServiceError: the first failure, or `DeadlineExceeded`.
        """
        ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        waiter = Waiter(range(len(rows)) if places is None else places, terms.deadline, partial(_resolve, ending))
        boarded, new = self._board(rows, waiter, terms)
        try:
            await waiter.begun(self._begin(new))
            found = await ending
        finally:
            self.leave(boarded)
        if isinstance(found, ServiceError):
            raise found
        return found

    @property
    def at_once(self) -> bool:
        """Whether jobs get into the queue without waiting, so that `ask` does."""
        return self._immediate is not None

    def ask(self, rows: Sequence[Ids], terms: Terms, tell: Tell) -> Boarded:
        """The same without a task that waits; only where it is possible `at_once`.

        Args:
            tell: told how it ends, later; whoever asks has to `leave` then, or when he goes before.

        Raises:
            ServiceError: the jobs are not taken.
        """
        assert self._immediate is not None  # noqa: S101 - whoever asks has looked
        boarded, new = self._board(rows, Waiter(range(len(rows)), terms.deadline, tell), terms)
        if new:
            try:
                self._immediate.submit_now([flight.job for flight in new], self._deliver)
            except BaseException:
                self.leave(boarded)  # nobody else can have boarded yet
                raise
        return boarded

    def leave(self, boarded: Boarded) -> None:
        """Whoever has asked waits no longer."""
        waiter, flights = boarded
        self._waiters.discard(waiter)
        if waiter.missing:
            waiter.leave()
            self._leave(waiter, flights)

    def _ring_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = deadline
        wait_seconds = max(0.0, deadline - self._clock())
        self._timer = asyncio.get_running_loop().call_later(wait_seconds, self._ring)

    def _ring(self) -> None:
        """End the wait of those whose deadline is here; the timer may come a moment early."""
        now = max(self._clock(), self._rings_at)
        self._timer, self._rings_at = None, math.inf
        for waiter in [waiter for waiter in self._waiters if waiter.deadline <= now]:
            waiter.give_up()
        later = [waiter.deadline for waiter in self._waiters if waiter.deadline > now]
        if later:
            self._ring_at(max(min(later), now + LEAST_PAUSE_SECONDS))

    def close(self) -> None:
        """Nobody will ask any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings_at = None, math.inf

    def abandon(self, error: ServiceError) -> None:
        """End every flight with this error."""
        for job in list(self._by_job):
            self._deliver(job, error)

    def _board(self, rows: Sequence[Ids], waiter: Waiter, terms: Terms) -> tuple[Boarded, list[Flight]]:
        """The flights, and those of them that are new."""
        now = self._clock()
        flights, new = [], []
        for index, ids in enumerate(rows):
            # By priority too: who is in a hurry must not wait for a job that gives way.
            key = terms.priority.encode() + ids.tobytes()
            flight = self._by_key.get(key)
            if flight is None:
                flight = Flight(key, Job(ids, now, *terms))
                self._by_key[key] = self._by_job[flight.job] = flight
                new.append(flight)
            else:
                self._metrics.deduplicated.inc()
            flight.waiters.setdefault(waiter, []).append(index)
            flights.append(flight)
        self._waiters.add(waiter)
        if terms.deadline < self._rings_at:
            self._ring_at(terms.deadline)
        return Boarded(waiter, flights), new

    async def _begin(self, flights: Sequence[Flight]) -> None:
        if not flights:
            return
        try:
            await self._queue.submit([flight.job for flight in flights], self._deliver)
        except ServiceError as error:
            for flight in flights:
                self._deliver(flight.job, error)

    def _deliver(self, job: Job, outcome: Outcome) -> None:
        flight = self._by_job.pop(job, None)
        if flight is None:
            return
        if isinstance(outcome, DeadlineExceeded) and self._fly_again(flight):
            return
        del self._by_key[flight.key]
        for waiter, indexes in flight.waiters.items():
            for index in indexes:
                waiter.receive(index, outcome)

    def _fly_again(self, flight: Flight) -> bool:
        """Whether somebody with a later deadline still waits; then the job is queued once more, for them."""
        deadline = max((waiter.deadline for waiter in flight.waiters), default=0.0)
        if deadline <= max(self._clock(), flight.job.deadline):
            return False
        flight.job = replace(flight.job, submitted_at=self._clock(), deadline=deadline)
        self._by_job[flight.job] = flight
        task = asyncio.get_running_loop().create_task(self._begin([flight]))
        self._again.add(task)
        task.add_done_callback(self._again.discard)
        return True

    def _leave(self, waiter: Waiter, flights: Sequence[Flight]) -> None:
        """Nobody computes for a request that has ended, unless others wait for the same answer."""
        for flight in flights:
            flight.waiters.pop(waiter, None)
        deserted = {flight.job: flight for flight in flights if not flight.waiters}
        for job, flight in deserted.items():
            if self._by_job.pop(job, None) is not None:
                del self._by_key[flight.key]
        self._queue.cancel(list(deserted))


def _resolve(ending: asyncio.Future[Ending], found: Ending) -> None:
    if not ending.done():  # whoever waited was cancelled
        ending.set_result(found)


def _located(error: ServiceError, index: int) -> ServiceError:
    """The same error, saying which item it befell, where it is one item's."""
    if error.status != 500 or error.items:
        return error
    item = ItemError(f"/sequences/{index}", error.code, error.detail)
    return type(error)(error.detail, items=[item])
