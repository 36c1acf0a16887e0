"""What every form of the queue promises."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from app.batching import Answer, Batch, BatchLimits, Job, Outcome, Priority
from app.bundle import Manifest
from app.errors import DeadlineExceeded, Draining, Overloaded
from app.metrics import Metrics, ModelMetrics
from app.queue.memory import MemoryQueue
from tests.toy import gc_manifest

LIMITS = BatchLimits(max_sequences=4)
ROUND = BatchLimits(max_sequences=4, round_tokens=20)
ONE = BatchLimits(max_sequences=1)


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Letterbox:
    """Keeps what is delivered."""

    def __init__(self) -> None:
        self.outcomes: dict[Job, list[Outcome]] = {}

    def __call__(self, job: Job, outcome: Outcome) -> None:
        self.outcomes.setdefault(job, []).append(outcome)


def _metrics() -> ModelMetrics:
    manifest = Manifest.model_validate(gc_manifest("gc") | {"files": {"model.onnx": "0" * 64}})
    return ModelMetrics(Metrics(), manifest, "0" * 64)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> MemoryQueue:
    return MemoryQueue(max_tokens=100, metrics=_metrics(), clock=clock)


def _job(clock: Clock, tokens: int = 5, seconds: float = 10, priority: Priority = "interactive") -> Job:
    return Job(np.zeros(tokens, dtype=np.uint8), clock.now, clock.now + seconds, priority)


def _answer(value: float, compute_seconds: float = 0.1) -> Answer:
    return Answer(np.array([value], dtype=np.float32), 0.0, compute_seconds)


async def _take(queue: MemoryQueue, limits: BatchLimits = LIMITS) -> Batch:
    (batch,) = await queue.take(limits)
    return batch


async def test_a_job_is_taken_settled_and_delivered_once(queue: MemoryQueue, clock: Clock) -> None:
    job, box = _job(clock), Letterbox()
    await queue.submit([job], box)
    batch = await _take(queue)
    assert batch.jobs == (job,)
    await queue.settle(batch, [_answer(3)])
    assert box.outcomes == {job: [_answer(3)]}


async def test_taking_waits_until_there_is_something(queue: MemoryQueue, clock: Clock) -> None:
    taking = asyncio.create_task(_take(queue))
    await asyncio.sleep(0)
    assert not taking.done()
    job = _job(clock)
    await queue.submit([job], Letterbox())
    assert (await taking).jobs == (job,)


async def test_a_round_is_several_batches_until_it_is_worth_the_hop(queue: MemoryQueue, clock: Clock) -> None:
    await queue.submit([_job(clock, tokens) for tokens in (9, 8, 9, 7, 6)], Letterbox())
    # 18 tokens of nines are less than 20, 8 more are enough
    assert [[job.tokens for job in batch.jobs] for batch in await queue.take(ROUND)] == [[9, 9], [8]]
    assert [[job.tokens for job in batch.jobs] for batch in await queue.take(ROUND)] == [[7], [6]]


async def test_a_round_leaves_work_for_the_other_threads(clock: Clock) -> None:
    queue = MemoryQueue(max_tokens=100, metrics=_metrics(), threads=2, clock=clock)
    await queue.submit([_job(clock, tokens) for tokens in (1, 2, 3, 4)], Letterbox())
    assert len(await queue.take(ROUND)) == 2
    assert len(await queue.take(ROUND)) == 1


async def test_two_takers_never_get_the_same_job(queue: MemoryQueue, clock: Clock) -> None:
    takers = [asyncio.create_task(_take(queue, ONE)) for _ in range(2)]
    await asyncio.sleep(0)
    jobs = [_job(clock), _job(clock)]
    await queue.submit(jobs, Letterbox())
    taken = [job for batch in await asyncio.gather(*takers) for job in batch.jobs]
    assert sorted(map(id, taken)) == sorted(map(id, jobs))


async def test_an_expired_job_is_delivered_as_such_and_never_taken(queue: MemoryQueue, clock: Clock) -> None:
    late, good, box = _job(clock, seconds=1), _job(clock), Letterbox()
    await queue.submit([late, good], box)
    clock.now += 2
    assert (await _take(queue)).jobs == (good,)
    assert isinstance(box.outcomes[late][0], DeadlineExceeded)


async def test_a_cancelled_job_is_neither_taken_nor_delivered(queue: MemoryQueue, clock: Clock) -> None:
    gone, good, box = _job(clock), _job(clock), Letterbox()
    await queue.submit([gone, good], box)
    queue.cancel([gone])
    assert (await _take(queue)).jobs == (good,)
    assert gone not in box.outcomes


async def test_a_job_cancelled_while_it_is_computed_is_not_delivered(queue: MemoryQueue, clock: Clock) -> None:
    job, box = _job(clock), Letterbox()
    await queue.submit([job], box)
    batch = await _take(queue)
    queue.cancel([job])
    await queue.settle(batch, [_answer(1)])
    assert box.outcomes == {}


async def test_a_full_queue_turns_away_and_says_when_to_return(queue: MemoryQueue, clock: Clock) -> None:
    await queue.submit([_job(clock, tokens=90)], Letterbox())
    with pytest.raises(Overloaded, match="limit is 100") as caught:
        await queue.submit([_job(clock, tokens=20)], Letterbox())
    assert 1000 <= (caught.value.retry_after_ms or 0) <= 30_000
    assert queue.load().jobs == 1


async def test_those_who_were_turned_away_together_do_not_come_back_together(queue: MemoryQueue, clock: Clock) -> None:
    await queue.submit([_job(clock, tokens=90)], Letterbox())
    waits = set()
    for _ in range(50):
        with pytest.raises(Overloaded) as caught:
            await queue.submit([_job(clock, tokens=20)], Letterbox())
        waits.add(caught.value.retry_after_ms)
    assert len(waits) > 10


async def test_a_scrape_in_another_thread_never_meets_a_half_changed_queue(queue: MemoryQueue, clock: Clock) -> None:
    stop, loads = threading.Event(), []
    scraper = threading.Thread(target=lambda: [loads.append(queue.load()) for _ in iter(stop.is_set, True)])
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        scraper.start()
        for _ in range(20_000):
            job = _job(clock)
            await queue.submit([job], Letterbox())
            queue.cancel([job])
    finally:
        stop.set()
        scraper.join()
        sys.setswitchinterval(before)
    assert loads
    assert all(load.jobs in (0, 1) for load in loads)


async def test_an_empty_queue_takes_a_request_of_any_size(queue: MemoryQueue, clock: Clock) -> None:
    await queue.submit([_job(clock, tokens=101)], Letterbox())
    assert queue.load().tokens == 101


async def _learn_speed(queue: MemoryQueue, clock: Clock) -> None:
    """One batch under load: ten tokens in a second."""
    first = _job(clock, tokens=10)
    await queue.submit([first, _job(clock, tokens=11)], Letterbox())
    await queue.settle(await _take(queue), [_answer(1, compute_seconds=1)])
    await queue.settle(await _take(queue), [_answer(1, compute_seconds=1)])


async def test_a_request_that_would_wait_past_its_deadline_is_turned_away(queue: MemoryQueue, clock: Clock) -> None:
    await _learn_speed(queue, clock)
    await queue.submit([_job(clock, tokens=50)], Letterbox())  # 5 s of work
    with pytest.raises(Overloaded, match="outlast the deadline"):
        await queue.submit([_job(clock, tokens=1, seconds=4)], Letterbox())
    await queue.submit([_job(clock, tokens=1, seconds=6)], Letterbox())


async def test_the_wait_is_shared_by_the_compute_threads(clock: Clock) -> None:
    queue = MemoryQueue(max_tokens=100, metrics=_metrics(), threads=2, clock=clock)
    await _learn_speed(queue, clock)
    await queue.submit([_job(clock, tokens=50)], Letterbox())  # 5 s of work, but 2.5 s of waiting
    await queue.submit([_job(clock, tokens=1, seconds=4)], Letterbox())


async def test_the_speed_of_lone_sequences_says_nothing_of_full_batches(queue: MemoryQueue, clock: Clock) -> None:
    await queue.submit([_job(clock, tokens=1)], Letterbox())
    await queue.settle(await _take(queue), [_answer(1, compute_seconds=5)])
    await queue.submit([_job(clock, tokens=50)], Letterbox())
    await queue.submit([_job(clock, tokens=1, seconds=4)], Letterbox())


async def test_interactive_work_goes_first_and_bulk_leads_every_fourth_batch(queue: MemoryQueue, clock: Clock) -> None:
    bulk = [_job(clock, priority="bulk") for _ in range(8)]
    interactive = [_job(clock) for _ in range(8)]
    await queue.submit([*bulk, *interactive], Letterbox())
    order = [(await _take(queue, ONE)).jobs[0].priority for _ in range(8)]
    assert order.count("bulk") == 2
    assert order[0] == "interactive"


async def test_bulk_work_goes_at_once_when_nothing_else_waits(queue: MemoryQueue, clock: Clock) -> None:
    job = _job(clock, priority="bulk")
    await queue.submit([job], Letterbox())
    assert (await _take(queue, ONE)).jobs == (job,)


async def test_the_load_tells_jobs_tokens_and_age(queue: MemoryQueue, clock: Clock) -> None:
    assert queue.load() == (0, 0, 0.0)
    await queue.submit([_job(clock, tokens=5)], Letterbox())
    clock.now += 3
    await queue.submit([_job(clock, tokens=7)], Letterbox())
    assert queue.load() == (2, 12, 3.0)


async def test_a_closed_queue_refuses_new_jobs_and_answers_those_that_wait(queue: MemoryQueue, clock: Clock) -> None:
    job, box = _job(clock), Letterbox()
    await queue.submit([job], box)
    await queue.close()
    assert isinstance(box.outcomes[job][0], Draining)
    with pytest.raises(Draining):
        await queue.submit([_job(clock)], box)


async def test_ping_returns(queue: MemoryQueue) -> None:
    await queue.ping()


class QueueMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, each job ends exactly once."""

    batches: Bundle[Sequence[Batch]] = Bundle("batches")
    waiting_jobs: Bundle[Job] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.box = Clock(), Letterbox()
        self.queue = MemoryQueue(max_tokens=200, metrics=_metrics(), clock=self.clock)
        self.accepted: set[Job] = set()
        self.cancelled: set[Job] = set()
        self.taken: list[Job] = []
        self.runner = asyncio.Runner()

    def teardown(self) -> None:
        self.runner.run(self.queue.close())
        for job in self.accepted - self.cancelled - set(self.taken):
            assert len(self.box.outcomes[job]) == 1
        self.runner.close()

    @rule(target=waiting_jobs, tokens=st.integers(1, 40), seconds=st.integers(1, 9), bulk=st.booleans())
    def submit(self, tokens: int, seconds: int, bulk: bool) -> Job:
        job = _job(self.clock, tokens, seconds, "bulk" if bulk else "interactive")
        try:
            self.runner.run(self.queue.submit([job], self.box))
            self.accepted.add(job)
        except Overloaded:
            pass
        return job

    @rule(job=consumes(waiting_jobs))
    def cancel(self, job: Job) -> None:
        if job in self.accepted and job not in self.box.outcomes:
            self.cancelled.add(job)
        self.queue.cancel([job])

    @rule(
        target=batches,
        rows=st.integers(1, 4),
        padding=st.sampled_from([0.0, 0.5]),
        round_tokens=st.sampled_from([0, 30]),
    )
    def take(self, rows: int, padding: float, round_tokens: int) -> Sequence[Batch]:
        limits = BatchLimits(max_sequences=rows, max_padding=padding, window_jobs=8, round_tokens=round_tokens)
        batches = self.runner.run(_take_now(self.queue, limits))
        for batch in batches:
            assert all(job.deadline > self.clock.now for job in batch.jobs)
            self.taken += batch.jobs
        return batches

    @rule(batches=consumes(batches))
    def settle(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self.runner.run(self.queue.settle(batch, [_answer(0, 1e-6) for _ in batch.jobs]))
            for job in set(batch.jobs) - self.cancelled:
                assert len(self.box.outcomes[job]) == 1

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def nothing_is_delivered_or_taken_twice(self) -> None:
        assert all(len(outcomes) == 1 for outcomes in self.box.outcomes.values())
        assert len(set(self.taken)) == len(self.taken)
        assert not self.cancelled & set(self.box.outcomes)

    @invariant()
    def the_load_is_what_waits(self) -> None:
        waiting = self.accepted - self.cancelled - set(self.taken) - set(self.box.outcomes)
        assert self.queue.load()[:2] == (len(waiting), sum(job.tokens for job in waiting))


async def _take_now(queue: MemoryQueue, limits: BatchLimits) -> Sequence[Batch]:
    """The next round, or none when nothing waits."""
    taking = asyncio.create_task(queue.take(limits))
    await asyncio.sleep(0)
    if taking.done():
        return taking.result()
    taking.cancel()
    return []


QueueMachine.TestCase.settings = hypothesis_settings(max_examples=60, stateful_step_count=30, deadline=None)
TestQueueMachine = QueueMachine.TestCase
