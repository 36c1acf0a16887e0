"""The only job that waits goes at once, by the rules of those that have company."""

from __future__ import annotations

import numpy as np
import pytest

from app.batching import BatchLimits, Job, Priority
from app.queue.pace import Pace
from app.queue.waiting import Round, WaitingJobs

NOW = 100.0


def _job(tokens: int = 4, deadline: float = NOW + 1, priority: Priority = "interactive") -> Job:
    return Job(np.zeros(tokens, dtype=np.uint16), NOW, deadline, priority)


def _round(waiting: WaitingJobs, limits: BatchLimits, *, others_elsewhere: bool = False) -> Round:
    return waiting.take_round(limits, 1, NOW, Pace(1), others_elsewhere=others_elsewhere)


@pytest.mark.parametrize("priority", ["interactive", "bulk"])
@pytest.mark.parametrize("others_elsewhere", [False, True])
def test_the_only_job_is_a_batch_and_waits_no_more(priority: Priority, others_elsewhere: bool) -> None:
    waiting, job = WaitingJobs(), _job(priority=priority)
    waiting.add([job])
    ((batch,), late) = _round(waiting, BatchLimits(), others_elsewhere=others_elsewhere)
    assert (batch.jobs, batch.others_wait, late) == ((job,), False, [])
    assert (len(waiting), waiting.tokens) == (0, 0)


def test_a_job_that_fills_a_batch_alone_is_as_large_as_under_load() -> None:
    waiting = WaitingJobs()
    waiting.add([_job(tokens=6)])
    ((batch,), _) = _round(waiting, BatchLimits(max_tokens=10))
    assert batch.others_wait


def test_the_only_job_is_not_computed_when_its_deadline_is_here() -> None:
    waiting, job = WaitingJobs(), _job(deadline=NOW)
    waiting.add([job])
    assert _round(waiting, BatchLimits()) == ([], [job])


def test_a_job_that_goes_alone_has_its_turn_like_others() -> None:
    waiting, one = WaitingJobs(), BatchLimits(max_sequences=1)
    leaders = []
    for _ in range(2):
        waiting.add([_job()])
        leaders += _round(waiting, one).batches
    waiting.add([_job()])
    waiting.add([_job(priority="bulk")])
    leaders += _round(waiting, one).batches + _round(waiting, one).batches
    assert [batch.jobs[0].priority for batch in leaders] == ["interactive", "interactive", "interactive", "bulk"]
