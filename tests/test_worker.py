"""The worker answers each job of each batch, whatever the model does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing

import numpy as np
import pytest

from app.batching import Answer, BatchLimits, Job, Outcome
from app.compute_threads import ComputeThreads
from app.encoding import Ids
from app.engine import Values
from app.errors import DeadlineExceeded, DeviceLost, InferenceFailed, NonFiniteOutput, OutOfMemory
from app.fuse import Fuse
from app.queue.memory import MemoryQueue
from app.watchdog import Speed, Watchdog
from app.worker import Model, Worker
from tests.queue_forms import model_metrics as _metrics

Predict = Callable[[Sequence[Ids]], Values]

FAST = Speed()


class FakeModel:
    """Predicts with a function and remembers the sizes of its batches."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self.batches: list[int] = []
        self.threads: set[str] = set()

    def predict(self, rows: Sequence[Ids]) -> Values:
        self.batches.append(len(rows))
        self.threads.add(threading.current_thread().name)
        return self._predict(rows)


def _first_ids(rows: Sequence[Ids]) -> Values:
    return np.array([[row[0]] for row in rows], dtype=np.float32)


def _after(release: threading.Event) -> Predict:
    """Predicts when it is let."""

    def wait_then_predict(rows: Sequence[Ids]) -> Values:
        release.wait(10)
        return _first_ids(rows)

    return wait_then_predict


@asynccontextmanager
async def _working(
    model: Model,
    threads: int = 1,
    watchdog: Watchdog | None = None,
    speed: Speed = FAST,
    here_seconds: float = 0.0,
    pool: ComputeThreads | None = None,
) -> AsyncIterator[tuple[MemoryQueue, Worker]]:
    queue = MemoryQueue(10_000, _metrics())
    with closing(pool or ComputeThreads(threads, name="device")) as device:
        dog = watchdog or Watchdog(Fuse(), 60)
        worker = Worker(queue, model, BatchLimits(), device, threads, _metrics(), dog, speed, here_seconds=here_seconds)
        worker.start()
        yield queue, worker
        await worker.stop()


async def _outcomes(
    queue: MemoryQueue, values: Sequence[int], seconds: float = 60, *, lone: bool = False
) -> list[Outcome]:
    """Submit one job for each value and wait for all outcomes, in order."""
    now = asyncio.get_running_loop().time()
    jobs = [Job(np.array([value], dtype=np.uint8), now, now + seconds, lone=lone) for value in values]
    outcomes: dict[Job, Outcome] = {}
    done = asyncio.Event()

    def deliver(job: Job, outcome: Outcome) -> None:
        assert job not in outcomes
        outcomes[job] = outcome
        if len(outcomes) == len(jobs):
            done.set()

    await queue.submit(jobs, deliver)
    async with asyncio.timeout(10):
        await done.wait()
    return [outcomes[job] for job in jobs]


def _values(outcomes: Sequence[Outcome]) -> list[float | type]:
    return [float(it.values[0]) if isinstance(it, Answer) else type(it) for it in outcomes]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a compute thread brings it about
            await asyncio.sleep(0.01)


async def test_answers_go_to_the_jobs_they_belong_to() -> None:
    async with _working(FakeModel(_first_ids)) as (queue, _):
        assert _values(await _outcomes(queue, range(100))) == list(range(100))


async def test_prediction_happens_off_the_event_loop() -> None:
    model = FakeModel(_first_ids)
    async with _working(model) as (queue, _):
        await _outcomes(queue, [1])
    assert all(name.startswith("device") for name in model.threads)


async def test_jobs_pile_up_while_the_device_is_busy_and_then_go_together() -> None:
    release = threading.Event()

    model = FakeModel(_after(release))
    async with _working(model) as (queue, _):
        first = asyncio.create_task(_outcomes(queue, [1]))
        await _until(lambda: model.batches == [1])
        second = asyncio.create_task(_outcomes(queue, [2]))  # prepared while the first runs
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(_outcomes(queue, [value])) for value in range(3, 11)]
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.gather(first, second, *rest)
    assert model.batches == [1, 1, 8]


async def test_nan_condemns_its_own_row_only() -> None:
    def nan_for_seven(rows: Sequence[Ids]) -> Values:
        return np.where(_first_ids(rows) == 7, np.nan, _first_ids(rows))

    async with _working(FakeModel(nan_for_seven)) as (queue, _):
        assert _values(await _outcomes(queue, [6, 7, 8])) == [6, NonFiniteOutput, 8]


async def test_large_values_are_no_infinity_though_their_sum_is_one() -> None:
    def largest(rows: Sequence[Ids]) -> Values:
        return np.full((len(rows), 2), np.finfo(np.float32).max)

    async with _working(FakeModel(largest)) as (queue, _):
        (answer,) = await _outcomes(queue, [1])
    assert isinstance(answer, Answer)
    assert np.isfinite(answer.values).all()


async def test_a_poisonous_item_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    def refuse_seven(rows: Sequence[Ids]) -> Values:
        if any(row[0] == 7 for row in rows):
            raise RuntimeError("seven")
        return _first_ids(rows)

    async with _working(FakeModel(refuse_seven)) as (queue, worker):
        assert _values(await _outcomes(queue, [5, 6, 7, 8])) == [5, 6, InferenceFailed, 8]
        assert [record.message for record in caplog.records] == ["inference failed"]
        assert worker.alive


async def test_a_model_that_answers_too_few_rows_fails_its_items_and_the_worker_goes_on() -> None:
    def forget_the_last(rows: Sequence[Ids]) -> Values:
        return _first_ids(rows)[: max(1, len(rows) - 1)]

    async with _working(FakeModel(forget_the_last)) as (queue, worker):
        assert _values(await _outcomes(queue, [1, 2])) == [1, 2]
        assert worker.alive


async def test_a_batch_that_has_expired_before_its_turn_is_not_computed() -> None:
    release = threading.Event()

    model = FakeModel(_after(release))
    async with _working(model) as (queue, _):
        blocking = asyncio.create_task(_outcomes(queue, [1]))
        await asyncio.sleep(0.02)
        hasty = asyncio.create_task(_outcomes(queue, [2], seconds=0.05))
        await asyncio.sleep(0.1)
        release.set()
        assert _values(await blocking) == [1]
        assert _values(await hasty) == [DeadlineExceeded]
    assert model.batches == [1]


async def test_a_batch_too_large_for_memory_is_halved_until_it_fits() -> None:
    def two_at_most(rows: Sequence[Ids]) -> Values:
        if len(rows) > 2:
            raise OutOfMemory
        return _first_ids(rows)

    model = FakeModel(two_at_most)
    async with _working(model) as (queue, _):
        assert _values(await _outcomes(queue, range(8))) == list(range(8))
    assert model.batches == [8, 4, 4, 2, 2, 2, 2]


async def test_after_running_out_of_memory_twice_batches_are_taken_smaller() -> None:
    def two_at_most(rows: Sequence[Ids]) -> Values:
        if len(rows) > 2:
            raise OutOfMemory
        return _first_ids(rows)

    model = FakeModel(two_at_most)
    async with _working(model) as (queue, _):
        for _ in range(6):  # each loop takes once by the limits that held before
            await _outcomes(queue, range(8))
        model.batches.clear()
        assert _values(await _outcomes(queue, range(8))) == list(range(8))
    assert model.batches == [2, 2, 2, 2]


async def test_a_batch_whose_halves_do_not_fit_either_has_run_out_of_memory_once() -> None:
    def two_at_most(rows: Sequence[Ids]) -> Values:
        if len(rows) > 2:
            raise OutOfMemory
        return _first_ids(rows)

    model = FakeModel(two_at_most)
    async with _working(model) as (queue, _):
        await _outcomes(queue, range(8))
        await _outcomes(queue, range(8))
    assert model.batches == 2 * [8, 4, 4, 2, 2, 2, 2]


async def test_a_job_that_is_alone_is_begun_before_anybody_waits_for_it() -> None:
    model = FakeModel(_first_ids)
    async with _working(model) as (queue, _):
        await asyncio.sleep(0)  # the loops wait for jobs
        now = asyncio.get_running_loop().time()
        queue.submit_now([Job(np.array([1], dtype=np.uint8), now, now + 60)], lambda job, outcome: None)
        deadline = time.monotonic() + 5
        while not model.batches and time.monotonic() < deadline:
            time.sleep(0.001)  # noqa: ASYNC251 - the event loop does not turn
        assert model.batches == [1]


async def test_after_a_job_that_was_alone_others_are_taken_as_ever() -> None:
    release = threading.Event()
    model = FakeModel(_after(release))
    async with _working(model) as (queue, _):
        await asyncio.sleep(0)
        alone = asyncio.create_task(_outcomes(queue, [1]))
        await asyncio.sleep(0.02)
        rest = [asyncio.create_task(_outcomes(queue, [value])) for value in range(2, 10)]
        await asyncio.sleep(0.02)
        release.set()
        await asyncio.gather(alone, *rest)
    assert model.batches == [1, 8]  # the loop that did not take the first waits until it is settled


def _here(model: Model, speed: Speed = FAST) -> AbstractAsyncContextManager[tuple[MemoryQueue, Worker]]:
    """A worker that computes on the event loop what takes a tenth of a second at most."""
    return _working(model, speed=speed, here_seconds=0.1)


async def test_a_lone_job_of_a_short_model_is_computed_on_the_event_loop() -> None:
    model = FakeModel(_first_ids)
    async with _here(model) as (queue, _):
        await asyncio.sleep(0)
        for value in range(5):
            assert _values(await _outcomes(queue, [value], lone=True)) == [value]
    assert model.threads == {"MainThread"}


async def test_one_that_is_not_lone_is_computed_in_a_thread() -> None:
    model = FakeModel(_first_ids)
    async with _here(model) as (queue, _):
        await asyncio.sleep(0)
        await _outcomes(queue, [1])
    assert model.threads == {"device_0"}


async def test_one_of_a_long_model_is_computed_in_a_thread() -> None:
    model = FakeModel(_first_ids)
    async with _here(model, Speed(seconds_per_token=0.11)) as (queue, _):
        await asyncio.sleep(0)
        await _outcomes(queue, [1], lone=True)
    assert model.threads == {"device_0"}


async def test_one_that_took_longer_than_it_should_sends_the_next_to_a_thread() -> None:
    naps = iter([0.15, 0, 0])

    def nap(rows: Sequence[Ids]) -> Values:
        time.sleep(next(naps))
        return _first_ids(rows)

    model, threads = FakeModel(nap), []
    async with _here(model) as (queue, _):
        await asyncio.sleep(0)
        for value in range(3):
            await _outcomes(queue, [value], lone=True)
            threads.append(model.threads.copy())
            model.threads.clear()
    assert threads == [{"MainThread"}, {"device_0"}, {"MainThread"}]


async def test_a_lone_job_leaves_the_event_loop_to_whoever_comes_in_the_same_turn() -> None:
    model = FakeModel(_first_ids)
    async with _here(model) as (queue, _):
        await asyncio.sleep(0)
        both = [asyncio.create_task(_outcomes(queue, [value], lone=lone)) for value, lone in ((1, True), (2, False))]
        assert [_values(outcomes) for outcomes in await asyncio.gather(*both)] == [[1], [2]]
    assert model.threads == {"device_0"}


async def test_a_lone_job_goes_to_a_thread_while_another_model_s_batch_is_computed() -> None:
    """So it waits for its turn, and the event loop can answer those of that batch."""
    model, watchdog = FakeModel(_first_ids), Watchdog(Fuse(), 60)
    busy, release = threading.Event(), threading.Event()
    with closing(ComputeThreads(1, name="device")) as device:

        def another() -> None:
            with watchdog.watching(0.1):
                busy.set()
                release.wait(5)

        device.submit(another)
        busy.wait(5)
        async with _working(model, watchdog=watchdog, here_seconds=1, pool=device) as (queue, _):
            await asyncio.sleep(0)
            asked = asyncio.create_task(_outcomes(queue, [1], lone=True))
            await asyncio.sleep(0.02)
            assert not model.threads
            release.set()
            assert _values(await asked) == [1]
    assert model.threads == {"device_0"}


@pytest.mark.parametrize("lone", [False, True])
async def test_a_job_that_is_alone_and_fails_fails_as_any_other(lone: bool, caplog: pytest.LogCaptureFixture) -> None:
    def refuse_seven(rows: Sequence[Ids]) -> Values:
        if any(row[0] == 7 for row in rows):
            raise RuntimeError("seven")
        return _first_ids(rows)

    async with _here(FakeModel(refuse_seven)) as (queue, worker):
        await asyncio.sleep(0)
        for value, outcome in ((1, 1), (7, InferenceFailed), (7, InferenceFailed), (2, 2), (3, 3)):
            assert _values(await _outcomes(queue, [value], lone=lone)) == [outcome]
        assert [record.message for record in caplog.records] == 2 * ["inference failed"]
        assert worker.alive


@pytest.mark.parametrize("lone", [False, True])
async def test_a_device_that_is_lost_over_a_job_that_is_alone_blows_the_fuse(lone: bool) -> None:
    def lose(rows: Sequence[Ids]) -> Values:
        raise DeviceLost("CUDA failure 700")

    watchdog, blown = Watchdog(Fuse(), 60), asyncio.Event()
    watchdog.fuse.then(blown.set)
    async with _working(FakeModel(lose), watchdog=watchdog, here_seconds=1) as (queue, worker):
        await asyncio.sleep(0)
        asked = asyncio.create_task(_outcomes(queue, [1], lone=lone))
        async with asyncio.timeout(5):
            await blown.wait()
        await asyncio.sleep(0)
        assert not worker.alive
        assert not asked.done()
        asked.cancel()


async def test_draining_waits_for_a_job_that_is_alone_and_begun() -> None:
    release = threading.Event()
    model = FakeModel(_after(release))
    async with _working(model) as (queue, worker):
        await asyncio.sleep(0)
        begun = asyncio.create_task(_outcomes(queue, [1]))
        await _until(lambda: model.batches == [1])
        draining = asyncio.create_task(worker.drain())
        await asyncio.sleep(0.05)
        assert not draining.done()
        release.set()
        await draining
        assert _values(await begun) == [1]


async def test_draining_gives_back_a_job_that_is_alone_and_not_begun() -> None:
    release, device = threading.Event(), ComputeThreads(1, name="device")
    model = FakeModel(_first_ids)
    async with _working(model, pool=device) as (queue, worker):
        device.submit(release.wait)  # another model has the thread
        await asyncio.sleep(0)
        asked = asyncio.create_task(_outcomes(queue, [1]))
        await asyncio.sleep(0.02)
        async with asyncio.timeout(1):
            await worker.drain()
        (batch,) = await queue.take(BatchLimits())
        assert [int(job.ids[0]) for job in batch.jobs] == [1]
        release.set()
        asked.cancel()
    assert model.batches == []


async def test_a_lost_device_blows_the_fuse_and_answers_nobody() -> None:
    def lose(rows: Sequence[Ids]) -> Values:
        raise DeviceLost("CUDA failure 700")

    watchdog, blown = Watchdog(Fuse(), 60), asyncio.Event()
    watchdog.fuse.then(blown.set)
    async with _working(FakeModel(lose), watchdog=watchdog) as (queue, _):
        asked = asyncio.create_task(_outcomes(queue, [1, 2]))
        async with asyncio.timeout(5):
            await blown.wait()
        assert watchdog.fuse.reason == "CUDA failure 700"
        assert not asked.done()
        asked.cancel()


async def test_a_batch_that_hangs_blows_the_fuse() -> None:
    release, blown = threading.Event(), threading.Event()
    watchdog = Watchdog(Fuse(), 0.2)
    watchdog.fuse.then(blown.set)
    watchdog.start()
    async with _working(FakeModel(_after(release)), watchdog=watchdog) as (queue, _):
        asked = asyncio.create_task(_outcomes(queue, [1]))
        assert await asyncio.to_thread(blown.wait, 5)
        release.set()
        await asked
    watchdog.stop()


async def test_draining_settles_what_is_computed_and_gives_back_what_is_not_begun() -> None:
    release = threading.Event()
    model = FakeModel(_after(release))
    async with _working(model) as (queue, worker):
        begun = asyncio.create_task(_outcomes(queue, [1]))
        await _until(lambda: model.batches == [1])
        held = asyncio.create_task(_outcomes(queue, [2]))  # taken, and waits for the thread
        await asyncio.sleep(0.05)
        waits = asyncio.create_task(_outcomes(queue, [3]))
        await asyncio.sleep(0.05)
        draining = asyncio.create_task(worker.drain())
        await asyncio.sleep(0.05)
        assert not draining.done()
        release.set()
        await draining
        assert _values(await begun) == [1]
        assert (held.done(), waits.done(), model.batches) == (False, False, [1])
        batches = await queue.take(BatchLimits())
        assert [int(job.ids[0]) for batch in batches for job in batch.jobs] == [2, 3]
        for task in (held, waits):
            task.cancel()


async def test_stopped_it_begins_nothing_more() -> None:
    release = threading.Event()
    model = FakeModel(_after(release))
    async with _working(model) as (queue, worker):
        asked = [asyncio.create_task(_outcomes(queue, [1]))]
        await _until(lambda: model.batches == [1])
        asked.append(asyncio.create_task(_outcomes(queue, [2])))  # taken, and waits for the thread
        await asyncio.sleep(0.05)
        await worker.stop()
        release.set()
        for task in asked:
            task.cancel()
    assert model.batches == [1]


async def test_a_panic_in_the_thread_ends_the_loop_that_waits_for_it() -> None:
    class Panic(BaseException):
        """What a library of another language raises."""

    def panics(rows: Sequence[Ids]) -> Values:
        raise Panic

    async with _working(FakeModel(panics)) as (queue, worker):
        asked = asyncio.create_task(_outcomes(queue, [1]))
        await _until(lambda: not worker.alive)
        asked.cancel()


async def test_an_idle_worker_drains_at_once() -> None:
    async with _working(FakeModel(_first_ids), threads=2) as (_, worker):
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await worker.drain()
        assert not worker.alive


async def test_an_item_too_large_by_itself_is_told_so() -> None:
    def nothing_fits(rows: Sequence[Ids]) -> Values:
        raise OutOfMemory

    async with _working(FakeModel(nothing_fits)) as (queue, _):
        assert _values(await _outcomes(queue, [1, 2])) == [OutOfMemory, OutOfMemory]


async def test_a_worker_is_alive_between_start_and_stop() -> None:
    async with _working(FakeModel(_first_ids)) as (_, worker):
        assert worker.alive
    assert not worker.alive


@pytest.mark.parametrize("threads", [1, 2, 4])
async def test_several_threads_answer_each_job_once(threads: int) -> None:
    async with _working(FakeModel(_first_ids), threads) as (queue, _):
        answers = await asyncio.gather(*(_outcomes(queue, range(50)) for _ in range(4)))
    assert all(_values(outcomes) == list(range(50)) for outcomes in answers)
