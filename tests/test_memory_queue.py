"""What only the in-process queue promises, and what it does in whatever order things happen."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Sequence

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from app.batching import Batch, BatchLimits, Job
from app.errors import DeadlineExceeded, OutOfMemory, Overloaded
from app.queue.memory import MemoryQueue
from tests.queue_forms import Letterbox, MemoryForm, answer, job, lengths

ROUND = BatchLimits(max_sequences=4, round_tokens=20)


@pytest.fixture
def form() -> MemoryForm:
    return MemoryForm(max_tokens=100, threads=1)


async def test_a_round_leaves_the_rest_for_the_next(form: MemoryForm) -> None:
    await form.queue.submit([job(form, tokens) for tokens in (9, 8, 9, 7, 6)], Letterbox())
    assert lengths(await form.queue.take(ROUND)) == [[9, 9], [8]]
    assert lengths(await form.queue.take(ROUND)) == [[7], [6]]


async def test_a_round_leaves_work_for_the_other_threads() -> None:
    form = MemoryForm(max_tokens=100, threads=2)
    await form.queue.submit([job(form, tokens) for tokens in (1, 2, 3, 4)], Letterbox())
    assert len(await form.queue.take(ROUND)) == 2
    assert len(await form.queue.take(ROUND)) == 1


@pytest.mark.parametrize(
    ("requests", "jobs", "batches"),
    [
        (8, 1, 2),  # a quarter of 40 tokens are 10, the usual round
        (16, 1, 4),  # of 80, 20
        (100, 1, 24),  # of 500, 125: but no more than twelve times the usual one, 120
        (4, 50, 2),  # of each list one job counts
    ],
)
async def test_a_round_grows_with_the_requests_that_wait(requests: int, jobs: int, batches: int) -> None:
    form = MemoryForm(max_tokens=10_000, threads=1)
    for _ in range(requests):
        await form.queue.submit([job(form, tokens=5) for _ in range(jobs)], Letterbox())
    assert lengths(await form.queue.take(BatchLimits(max_sequences=1, round_tokens=10))) == [[5]] * batches


async def test_who_takes_a_round_calls_the_next_if_jobs_are_left(form: MemoryForm) -> None:
    takers = [asyncio.create_task(form.queue.take(ROUND)) for _ in range(3)]
    await asyncio.sleep(0)
    await form.queue.submit([job(form, tokens) for tokens in (9, 8, 9, 7, 6)], Letterbox())
    done, waiting = await asyncio.wait(takers, timeout=0.05)
    assert sorted(lengths(taker.result()) for taker in done) == [[[7], [6]], [[9, 9], [8]]]
    await form.queue.submit([job(form, 5)], Letterbox())
    (last,) = waiting
    assert lengths(await last) == [[5]]


async def test_who_is_called_and_goes_away_calls_another(form: MemoryForm) -> None:
    gone, stays = (asyncio.create_task(form.queue.take(ROUND)) for _ in range(2))
    await asyncio.sleep(0)
    await form.queue.submit([job(form, 9)], Letterbox())
    gone.cancel()
    async with asyncio.timeout(2):
        assert lengths(await stays) == [[9]]
    assert gone.cancelled()


async def test_who_goes_away_before_he_is_called_is_not_called(form: MemoryForm) -> None:
    gone, stays = (asyncio.create_task(form.queue.take(ROUND)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    await form.queue.submit([job(form, 9)], Letterbox())
    async with asyncio.timeout(2):
        assert lengths(await stays) == [[9]]


async def test_what_is_given_back_goes_before_what_came_later(form: MemoryForm) -> None:
    await form.queue.submit([job(form, 1), job(form, 2)], Letterbox())
    first = await form.queue.take(BatchLimits(max_sequences=1))
    await form.queue.release(first)
    assert form.queue.load()[:2] == (2, 3)
    assert await form.queue.take(BatchLimits(max_sequences=1)) == first


async def test_a_single_sequence_waits_for_one_batch_of_a_list() -> None:
    form = MemoryForm(max_tokens=100_000, threads=1)
    await form.queue.submit([job(form, 5) for _ in range(2000)], Letterbox())
    await form.queue.submit([job(form, 8)], Letterbox())
    rounds = [await form.queue.take(BatchLimits(max_sequences=32)) for _ in range(2)]
    assert [lengths(batches) for batches in rounds] == [[[5] * 32], [[8]]]


async def test_a_single_sequence_leads_a_batch_that_a_list_fills_up() -> None:
    form = MemoryForm(max_tokens=100_000, threads=1)
    await form.queue.submit([job(form, 5 + number % 2) for number in range(100)], Letterbox())
    await form.queue.submit([job(form, 6)], Letterbox())
    rounds = [await form.queue.take(BatchLimits(max_sequences=32)) for _ in range(2)]
    assert [lengths(batches) for batches in rounds] == [[[5] * 32], [[6] * 32]]


async def _learn_speed(form: MemoryForm, tokens: int) -> None:
    """One batch under load: so many tokens in a second."""
    await form.queue.submit([job(form, tokens), job(form, 1)], Letterbox())
    for seconds in (1.0, 0.0):
        (batch,) = await form.queue.take(BatchLimits(max_sequences=1))
        await form.queue.settle(batch, [answer(1, compute_seconds=seconds)] if seconds else [OutOfMemory()])


@pytest.mark.parametrize(
    ("own", "wait_seconds"),
    [
        ([10], 1),  # a batch of the list
        ([10] * 10, 10),  # as much of the list as there is of itself
        ([10] * 90, 50),  # all of it
    ],
)
async def test_what_a_request_waits_for_behind_a_list(own: list[int], wait_seconds: float) -> None:
    form = MemoryForm(max_tokens=100_000, threads=1)
    await _learn_speed(form, tokens=10)
    await form.queue.submit([job(form, 10) for _ in range(50)], Letterbox())  # 50 s of work
    seconds = 2 * wait_seconds + len(own) + 0.02
    with pytest.raises(Overloaded, match="outlast the deadline"):
        await form.queue.submit([job(form, tokens, seconds - 0.01) for tokens in own], Letterbox())
    await form.queue.submit([job(form, tokens, seconds + 0.01) for tokens in own], Letterbox())


class Device:
    """Begins what it is given, if it has a mind to."""

    def __init__(self, form: MemoryForm, *, willing: bool = True) -> None:
        self.begun: list[Batch] = []
        self._willing = willing
        form.queue.hand_over(self._begin)

    def _begin(self, it: Job) -> Batch | None:
        if not self._willing:
            return None
        self.begun.append(Batch((it,)))
        return self.begun[-1]


async def _takers(form: MemoryForm, count: int = 1) -> list[asyncio.Task[Sequence[Batch]]]:
    """So many who wait for jobs."""
    takers = [asyncio.create_task(form.queue.take(ROUND)) for _ in range(count)]
    await asyncio.sleep(0)
    return takers


def _left(takers: Sequence[asyncio.Task[Sequence[Batch]]]) -> int:
    """How many still wait."""
    return sum(not taker.done() for taker in takers)


async def test_a_job_that_is_alone_is_handed_over_and_nobody_is_called(form: MemoryForm) -> None:
    device, box, it = Device(form), Letterbox(), job(form)
    takers = await _takers(form)
    form.queue.submit_now([it], box)
    assert [batch.jobs for batch in device.begun] == [(it,)]
    assert form.queue.load().jobs == 0
    form.queue.deliver(device.begun[0], [answer(7)])
    form.queue.note_settled(device.begun[0], [answer(7)])
    assert await box.value(it) == 7
    await asyncio.sleep(0)
    assert _left(takers) == 1
    form.queue.submit_now([job(form)], box)
    assert len(device.begun) == 2  # again
    takers[0].cancel()


async def test_whoever_would_have_taken_it_takes_nothing_until_it_is_settled(form: MemoryForm) -> None:
    device, box = Device(form), Letterbox()
    takers = await _takers(form, 2)
    first, second, third = job(form), job(form), job(form)
    for it in (first, second):
        form.queue.submit_now([it], box)
    await asyncio.sleep(0)
    form.queue.submit_now([third], box)
    await asyncio.sleep(0)
    assert _left(takers) == 1  # as if he had taken the first
    assert form.queue.others_wait()
    await form.queue.settle(device.begun[0], [answer(1)])
    await asyncio.sleep(0)
    assert _left(takers) == 0
    assert [taker.result()[0].jobs for taker in takers] in ([(third,), (second,)], [(second,), (third,)])
    assert len(device.begun) == 1


@pytest.mark.parametrize("case", ["a list", "one waits", "one is in hand", "nobody takes", "unwilling"])
async def test_what_is_not_alone_is_taken(form: MemoryForm, case: str) -> None:
    device, box = Device(form, willing=case != "unwilling"), Letterbox()
    takers = [] if case == "nobody takes" else await _takers(form)
    if case == "one waits":
        takers[0].cancel()
        form.queue.submit_now([job(form)], box)
    if case == "one is in hand":
        form.queue.submit_now([job(form), job(form)], box)
        await asyncio.sleep(0)
        form.queue.cancel([it for batch in takers[0].result() for it in batch.jobs])  # computed for nobody
        takers += await _takers(form)
    form.queue.submit_now([job(form) for _ in range(2 if case == "a list" else 1)], box)
    await asyncio.sleep(0)
    assert device.begun == []
    assert _left(takers) == 0
    assert form.queue.load().jobs == {"nobody takes": 1, "one waits": 2}.get(case, 0)


async def test_a_taker_who_has_gone_is_not_stood_in_for(form: MemoryForm) -> None:
    device, box = Device(form), Letterbox()
    takers = await _takers(form, 2)
    takers[0].cancel()
    await asyncio.sleep(0)
    form.queue.submit_now([job(form)], box)
    form.queue.submit_now([job(form)], box)
    await asyncio.sleep(0)
    assert (len(device.begun), form.queue.load().jobs, _left(takers)) == (1, 1, 1)
    await form.queue.settle(device.begun[0], [answer(1)])
    await asyncio.sleep(0)
    assert _left(takers) == 0


async def test_a_job_whose_deadline_has_passed_is_not_handed_over(form: MemoryForm) -> None:
    device, late = Device(form), job(form, seconds=1)
    takers = await _takers(form)
    await form.pass_seconds(2)
    with pytest.raises(DeadlineExceeded):
        form.queue.submit_now([late], Letterbox())
    assert device.begun == []
    takers[0].cancel()


async def test_what_was_handed_over_and_is_given_back_is_taken(form: MemoryForm) -> None:
    device, it = Device(form), job(form)
    takers = await _takers(form)
    form.queue.submit_now([it], Letterbox())
    await form.queue.release(device.begun)
    await asyncio.sleep(0)
    assert [batch.jobs for batch in takers[0].result()] == [(it,)]


async def test_what_was_handed_over_and_is_cancelled_is_delivered_to_nobody(form: MemoryForm) -> None:
    device, box, it = Device(form), Letterbox(), job(form)
    takers = await _takers(form)
    form.queue.submit_now([it], box)
    form.queue.cancel([it])
    form.queue.submit_now([job(form)], box)  # which waits: the device is not free
    assert len(device.begun) == 1
    await form.queue.settle(device.begun[0], [answer(1)])
    await asyncio.sleep(0)
    assert it not in box.outcomes
    assert _left(takers) == 0


async def test_what_was_cancelled_is_not_given_back(form: MemoryForm) -> None:
    it = job(form)
    await form.queue.submit([it], Letterbox())
    batches = await form.queue.take(ROUND)
    form.queue.cancel([it])
    await form.queue.release(batches)
    assert form.queue.load().jobs == 0


async def test_a_scrape_in_another_thread_never_meets_a_half_changed_queue(form: MemoryForm) -> None:
    stop, loads = threading.Event(), []
    scraper = threading.Thread(target=lambda: [loads.append(form.queue.load()) for _ in iter(stop.is_set, True)])
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        scraper.start()
        for _ in range(20_000):
            it = job(form)
            await form.queue.submit([it], Letterbox())
            form.queue.cancel([it])
    finally:
        stop.set()
        scraper.join()
        sys.setswitchinterval(before)
    assert loads
    assert all(load.jobs in (0, 1) for load in loads)


class QueueMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, each job ends exactly once."""

    batches: Bundle[Sequence[Batch]] = Bundle("batches")
    waiting_jobs: Bundle[Job] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.form = MemoryForm(max_tokens=200, threads=1)
        self.queue, self.clock, self.box = self.form.queue, self.form.clock, Letterbox()
        self.accepted: set[Job] = set()
        self.cancelled: set[Job] = set()
        self.taken: list[Job] = []
        self.runner = asyncio.Runner()

    def teardown(self) -> None:
        self.runner.run(self.queue.close())
        for it in self.accepted - self.cancelled - set(self.taken):
            assert len(self.box.outcomes[it]) == 1
        self.runner.close()

    @rule(
        target=waiting_jobs,
        tokens=st.lists(st.integers(1, 40), min_size=1, max_size=6),
        seconds=st.integers(1, 9),
        bulk=st.booleans(),
    )
    def submit(self, tokens: list[int], seconds: int, bulk: bool) -> MultipleResults[Job]:
        jobs = [job(self.form, each, seconds, "bulk" if bulk else "interactive") for each in tokens]
        with contextlib.suppress(Overloaded):
            self.runner.run(self.queue.submit(jobs, self.box))
            self.accepted.update(jobs)
        return multiple(*jobs)

    @rule(batches=consumes(batches))
    def release(self, batches: Sequence[Batch]) -> None:
        self.runner.run(self.queue.release(batches))
        self.taken = [it for it in self.taken if not any(it in batch.jobs for batch in batches)]

    @rule(it=consumes(waiting_jobs))
    def cancel(self, it: Job) -> None:
        if it in self.accepted and it not in self.box.outcomes:
            self.cancelled.add(it)
        self.queue.cancel([it])

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
            assert all(it.deadline > self.clock.now for it in batch.jobs)
            self.taken += batch.jobs
        return batches

    @rule(batches=consumes(batches))
    def settle(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self.runner.run(self.queue.settle(batch, [answer(0, 1e-6) for _ in batch.jobs]))
            for it in set(batch.jobs) - self.cancelled:
                assert len(self.box.outcomes[it]) == 1

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def nothing_is_delivered_or_taken_twice(self) -> None:
        assert all(len(outcomes) == 1 for outcomes in self.box.outcomes.values())
        assert len(set(self.taken)) == len(self.taken)
        assert not self.cancelled & set(self.box.outcomes)

    def _waiting(self) -> set[Job]:
        return self.accepted - self.cancelled - set(self.taken) - set(self.box.outcomes)

    @invariant()
    def the_load_is_what_waits(self) -> None:
        waiting = self._waiting()
        assert self.queue.load()[:2] == (len(waiting), sum(it.tokens for it in waiting))


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
