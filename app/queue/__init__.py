"""The queue between those who ask and those who compute: two protocols, one for each end, and several forms.

In the process both ends are one object; through Redis each end lives in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from app.batching import Batch, BatchLimits, Deliver, Job, Outcome


class QueueLoad(NamedTuple):
    """What waits, now.

    Attributes:
        oldest_seconds: how long the oldest waiting job has waited.
    """

    jobs: int
    tokens: int
    oldest_seconds: float


class JobQueue(Protocol):
    """The asking end: the jobs of one model on their way to a worker, and the outcomes on their way back.

    Every job that `submit` accepts is delivered exactly once, as an answer or as an error, or cancelled.
    """

    async def submit(self, jobs: Sequence[Job], deliver: Deliver) -> None:
        """Take all of the jobs or none; `deliver` is called once per job, on the event loop.

        Raises:
            Overloaded: there is no room, or the wait would outlast the jobs' deadline.
            Draining: the queue is closed.
            QueueUnavailable: it cannot be reached.
        """

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Forget these jobs: they are not delivered, and not computed unless a worker already has them."""

    def load(self) -> QueueLoad:
        """What waits, without a round trip."""

    async def ping(self) -> None:
        """Return when the queue can be reached, and has what was cancelled before.

        Raises:
            QueueUnavailable: it cannot.
        """

    async def close(self) -> None:
        """Refuse new jobs and deliver `Draining` for those that still wait."""


@runtime_checkable
class ImmediateQueue(JobQueue, Protocol):
    """An asking end to which nobody has to wait."""

    def submit_now(self, jobs: Sequence[Job], deliver: Deliver) -> None:
        """As `submit`, at once."""


class JobSource(Protocol):
    """The computing end: one model's jobs as a worker takes them."""

    async def take(self, limits: BatchLimits) -> Sequence[Batch]:
        """Wait for jobs and return the next round: one batch, or several up to `limits.round_tokens`.

        It may be larger where many requests wait. Expired jobs are delivered as such and never returned.
        """

    async def settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Deliver the outcomes of a batch, one per job, in its order."""

    async def release(self, batches: Sequence[Batch]) -> None:
        """Give back what was taken and will not be computed here; it is the next to be taken."""


@runtime_checkable
class ImmediateSource(JobSource, Protocol):
    """A computing end that can hand a job over instead of calling somebody to take it."""

    def hand_over(self, begin: Callable[[Job], Batch | None]) -> None:
        """Hand each job over that comes while nothing else waits or is computed, and somebody waits to take it.

        Args:
            begin: begins to compute the job, and says as what batch; None if it does not.
        """

    def others_wait(self) -> bool:
        """Whether jobs wait to be taken."""

    def deliver(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Deliver the outcomes of a batch, as `settle` does, and nothing more; `note_settled` has to follow."""

    def note_settled(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """The rest of what `settle` does."""
