"""Whether a request is let in: by the room there is, and by how long it would wait."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from app.batching import Job
from app.errors import DeadlineExceeded, Overloaded
from app.metrics import ModelMetrics

MIN_RETRY_MS, MAX_RETRY_MS = 1000, 25_000
# A wait may become this much longer than was estimated: later jobs join batches of their length that go before (where
# each takes one along, everybody behind waits twice as long), the model is not all that has to be waited for, and a
# worker may be slowed down. What this turns away costs nothing, for a queue only has to be long enough never to be
# empty.
MARGIN = 2.0
MARGIN_SECONDS = 0.02


class Wait(NamedTuple):
    """What a request has to expect.

    Attributes:
        seconds: until everything before it is done; 0 where nothing is, or nothing is known.
        own_seconds: how long it takes itself.
    """

    seconds: float
    own_seconds: float

    def fits(self, seconds: float) -> bool:
        """Whether it is answered within so many seconds; where nothing waits, only trying can tell."""
        return not self.seconds or self.seconds * MARGIN + self.own_seconds + MARGIN_SECONDS <= seconds


NO_WAIT = Wait(0.0, 0.0)


def own_seconds(tokens: int, tokens_per_second: float, batch_seconds: float) -> float:
    """How long so many tokens of a request take: one batch that others fill up, or those that they fill themselves."""
    return max(batch_seconds, tokens / tokens_per_second)


def tokens_in_time(seconds: float, tokens_per_second: float, own_seconds: float) -> int:
    """How many tokens may go before jobs that have to be answered within so many seconds."""
    return max(0, int((seconds - own_seconds - MARGIN_SECONDS) / MARGIN * tokens_per_second))


def shed_late(jobs: Sequence[Job], now: float, wait: Wait, metrics: ModelMetrics) -> None:
    """Turn jobs away whose deadline would pass before they are answered.

    Raises:
        Overloaded: it would.
        DeadlineExceeded: it has passed already.
    """
    deadline = min([job.deadline for job in jobs], default=math.inf)
    if deadline <= now:
        raise DeadlineExceeded("The deadline passed before the sequences were queued.")
    if not wait.fits(deadline - now):
        shed_hopeless(wait.seconds, metrics)


def shed_hopeless(wait_seconds: float, metrics: ModelMetrics) -> NoReturn:
    """Turn jobs away that would wait for too long.

    Raises:
        Overloaded: always.
    """
    shed("deadline", "The wait in the queue would outlast the deadline.", wait_seconds, metrics)


def shed_full(waiting_tokens: int, max_tokens: int, wait_seconds: float, metrics: ModelMetrics) -> NoReturn:
    """Turn jobs away for which there is no room.

    Raises:
        Overloaded: always.
    """
    detail = f"{waiting_tokens} tokens wait already; the limit is {max_tokens}."
    shed("queue_full", detail, wait_seconds, metrics)


def shed(reason: str, detail: str, wait_seconds: float, metrics: ModelMetrics) -> NoReturn:
    """Count and raise, and say when to return.

    Raises:
        Overloaded: always.
    """
    metrics.shed(reason)
    raise Overloaded(detail, retry_after_ms=retry_after_ms(wait_seconds))


def retry_after_ms(wait_seconds: float) -> int:
    """When a retry has a chance; jittered, so that those turned away together do not come back together."""
    wait_ms = min(max(wait_seconds * 1000, MIN_RETRY_MS), MAX_RETRY_MS)
    return round(wait_ms * random.uniform(1.0, 1.2))  # noqa: S311
