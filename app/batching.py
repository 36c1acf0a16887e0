"""Jobs become batches: pure functions, no clock, no I/O.

The job whose turn it is always leads the next batch, so nothing starves. Around it the batch is filled with the jobs
nearest to it in length, inside a bounded window of the queue, for as long as padding and size stay within the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from app.encoding import Ids
from app.errors import ServiceError

Priority = Literal["interactive", "bulk"]


@dataclass(slots=True, eq=False)  # nobody changes one; to have that checked would cost each request six calls
class Job:
    """One encoded sequence waiting for a model; compared by identity.

    Attributes:
        ids: (length,) what the model reads.
        submitted_at, deadline: seconds of the process's monotonic clock.
        traceparent: the trace that the request belongs to (W3C Trace Context), if any.
        lone: no other request was here when it came, and it seems that only one caller asks.
        tokens: length of `ids`, kept because every choice of a batch looks at it.
    """

    ids: Ids
    submitted_at: float
    deadline: float
    priority: Priority = "interactive"
    traceparent: str | None = None
    lone: bool = False
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = len(self.ids)


class Answer(NamedTuple):
    """What a model said of one job.

    Attributes:
        values: (targets,) float32 in the targets' units.
    """

    values: npt.NDArray[np.float32]
    queue_seconds: float
    compute_seconds: float


Outcome = Answer | ServiceError
Deliver = Callable[[Job, Outcome], None]


class Batch(NamedTuple):
    """What one `session.run` takes; never empty.

    Attributes:
        others_wait: it is as large as a batch under load: more jobs waited when it was taken, or it had no more room.
    """

    jobs: tuple[Job, ...]
    others_wait: bool = False

    @property
    def rows(self) -> list[Ids]:
        return [job.ids for job in self.jobs]

    @property
    def tokens(self) -> int:
        return sum(job.tokens for job in self.jobs)

    @property
    def padded_tokens(self) -> int:
        """Longest row times rows: what the device computes."""
        return max(job.tokens for job in self.jobs) * len(self.jobs)

    def halves(self) -> tuple[Batch, Batch]:
        """Two smaller batches, for a device that could not hold this one."""
        middle = len(self.jobs) // 2
        return Batch(self.jobs[:middle]), Batch(self.jobs[middle:])


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large and how padded a batch may be.

    Attributes:
        max_sequences: rows of a batch.
        max_tokens: padded tokens of a batch; a single longer job still goes, alone.
        max_padding: share of padded tokens that may be padding.
        worthwhile_padding_tokens: how many tokens of padding a job may bring beyond that, as long as its company saves
            more; 0 with a `max_padding` of 0 makes groups of equal length.
        worthwhile_tokens: padded tokens up to which company saves anything.
        window_jobs: how far behind the leading job to look for company.
        round_tokens: how much to hand to a compute thread at once, as several batches if need be; where a batch takes
            less than a millisecond, the hop to the thread and back costs as much as the model. More where many wait.
    """

    max_sequences: int = 32
    max_tokens: int = 16_384
    max_padding: float = 0.0
    worthwhile_padding_tokens: float = 0.0
    worthwhile_tokens: int = 0
    window_jobs: int = 256
    round_tokens: int = 0

    def __post_init__(self) -> None:
        if min(self.max_sequences, self.max_tokens, self.window_jobs) < 1:
            raise ValueError("max_sequences, max_tokens and window_jobs must be at least 1")
        if not 0 <= self.max_padding < 1:
            raise ValueError("max_padding must be at least 0 and below 1")


# Padding costs in full on a CPU; a GPU wants large batches above all. What a device was measured to want comes on top.
CPU_LIMITS = BatchLimits()
GPU_LIMITS = BatchLimits(max_sequences=256, max_tokens=65_536, max_padding=0.2, window_jobs=1024)


def is_full(jobs: Sequence[Job], limits: BatchLimits) -> bool:
    """Whether one more job as long as the longest of these would be too much for a batch."""
    rows = len(jobs) + 1
    return rows > limits.max_sequences or rows * max(job.tokens for job in jobs) > limits.max_tokens


def choose_batch(waiting: Sequence[Job], limits: BatchLimits) -> list[Job]:
    """Choose the next batch from the jobs that wait, in their order.

    Args:
        waiting: at least one job; only the first `limits.window_jobs` are looked at.

    Returns:
        The chosen jobs; `waiting[0]` is always the first of them.
    """
    leader = waiting[0]
    if not (limits.max_padding or limits.worthwhile_padding_tokens):
        room = min(limits.max_sequences, limits.max_tokens // leader.tokens) or 1
        return [job for job in waiting[: limits.window_jobs] if job.tokens == leader.tokens][:room]
    return _nearest_in_length(leader, waiting[1 : limits.window_jobs], limits)


def _nearest_in_length(leader: Job, others: Sequence[Job], limits: BatchLimits) -> list[Job]:
    """Grow a batch around its leader, nearest lengths first; ties keep the order of arrival."""
    chosen, longest, tokens = [leader], leader.tokens, leader.tokens
    for job in sorted(others, key=lambda job: abs(job.tokens - leader.tokens)):
        padded = max(longest, job.tokens) * (len(chosen) + 1)
        if len(chosen) == limits.max_sequences or padded > limits.max_tokens:
            break
        brought = padded - longest * len(chosen) - job.tokens
        if 1 - (tokens + job.tokens) / padded <= limits.max_padding or _is_worthwhile(brought, padded, limits):
            chosen.append(job)
            longest, tokens = max(longest, job.tokens), tokens + job.tokens
        elif abs(job.tokens - leader.tokens) >= limits.worthwhile_padding_tokens + longest - leader.tokens:
            break  # whoever is farther off brings no less
    return chosen


def _is_worthwhile(brought_tokens: int, padded_tokens: int, limits: BatchLimits) -> bool:
    """Whether the padding that a job brings is none, or less than what its company saves."""
    if not brought_tokens:
        return True
    return brought_tokens <= limits.worthwhile_padding_tokens and padded_tokens <= limits.worthwhile_tokens
