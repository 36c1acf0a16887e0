"""Whether a request is let in: by the room there is, and by how long it would wait."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NoReturn

from app.batching import Answer, Batch, Job, Outcome
from app.errors import DeadlineExceeded, Overloaded
from app.metrics import ModelMetrics

SMOOTHING = 0.2
MIN_RETRY_MS, MAX_RETRY_MS = 1000, 25_000


class Pace:
    """How fast a model's batches go, learned from those under load: a lone sequence says nothing of full batches."""

    def __init__(self) -> None:
        self.seconds_per_token: float | None = None

    def learn(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Take note of a computed batch."""
        answer = next((outcome for outcome in outcomes if isinstance(outcome, Answer)), None)
        if answer is None or not batch.others_wait:
            return
        measured = answer.compute_seconds / batch.tokens
        before = measured if self.seconds_per_token is None else self.seconds_per_token
        self.seconds_per_token = before + SMOOTHING * (measured - before)


def shed_late(jobs: Sequence[Job], now: float, wait_seconds: float, metrics: ModelMetrics) -> None:
    """Turn jobs away whose deadline would pass while they wait.

    Raises:
        Overloaded: it would.
        DeadlineExceeded: it has passed already.
    """
    deadline = min((job.deadline for job in jobs), default=float("inf"))
    if deadline <= now:
        raise DeadlineExceeded("The deadline passed before the sequences were queued.")
    if now + wait_seconds > deadline:
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
