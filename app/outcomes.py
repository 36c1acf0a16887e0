"""What a batch comes to: an answer or an error for each of its jobs."""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

import numpy as np

from app.batching import Answer, Batch, Outcome
from app.engine import Values
from app.errors import InferenceFailed, NonFiniteOutput, OutOfMemory, ServiceError

log = logging.getLogger(__name__)

# Python adds so few faster than it finds its way through NumPy. They are numbers of 32 bits: no sum overflows.
FEW_VALUES = 64


class Run(NamedTuple):
    """What a compute thread made of a batch.

    Attributes:
        outcomes: of its jobs.
        started, ended: when the model was, in seconds of the monotonic clock; both 0 if it was not.
    """

    outcomes: list[Outcome]
    started: float = 0.0
    ended: float = 0.0


Result = Run | Exception  # of a batch


def run_of(batch: Batch, values: Values, started: float, ended: float) -> Run:
    """A batch that a model has predicted; a value that is no number fails its own job only."""
    seconds = ended - started
    if values.size <= FEW_VALUES and math.isfinite(sum(map(sum, values.tolist()))):
        return Run(_answers(batch, values, started, seconds), started, ended)
    finite = np.isfinite(values)  # (rows, targets)
    answers = _answers(batch, values, started, seconds)
    if not finite.all():
        answers = [answer if good.all() else _non_finite() for answer, good in zip(answers, finite, strict=True)]
    return Run(answers, started, ended)


def failure(error: Exception, tokens: int) -> ServiceError:
    """What the caller of a job is told that failed by itself."""
    if isinstance(error, OutOfMemory):
        return error
    log.error("inference failed", exc_info=error, extra={"tokens": tokens})
    return InferenceFailed()


def _answers(batch: Batch, values: Values, started: float, seconds: float) -> list[Outcome]:
    return [Answer(row, started - job.submitted_at, seconds) for job, row in zip(batch.jobs, values, strict=True)]


def _non_finite() -> ServiceError:
    return NonFiniteOutput("The model answered NaN or infinity for this item; the other items are not affected.")
