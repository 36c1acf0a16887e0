"""The only job that waits goes at once, by the rules of those that have company."""

from __future__ import annotations

import numpy as np
import pytest

from app.batching import Answer, Batch, BatchLimits, Job, Priority
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


def test_what_goes_alone_counts_as_a_turn_before_bulk_work_leads() -> None:
    waiting, one = WaitingJobs(), BatchLimits(max_sequences=1)
    for _ in range(3):
        waiting.add([_job()])
        _round(waiting, one)
    waiting.add([_job()])
    waiting.add([_job(priority="bulk")])
    assert _round(waiting, one).batches[0].jobs[0].priority == "bulk"  # the fourth


def test_where_others_wait_elsewhere_the_only_job_here_is_given_up_if_it_would_be_late() -> None:
    pace, it = Pace(1), _job(deadline=NOW + 0.5)
    batch = Batch((_job(),))
    pace.taken([batch], NOW)
    pace.settled(batch, [Answer(np.zeros(1, dtype=np.float32), 0.0, 1.0)], NOW)  # a batch takes a second
    found = []
    for others_elsewhere in (True, False):
        waiting = WaitingJobs()
        waiting.add([it])
        found.append(waiting.take_round(BatchLimits(), 1, NOW, pace, others_elsewhere=others_elsewhere))
    assert found[0] == ([], [it])
    assert [batch.jobs for batch in found[1].batches] == [(it,)]
