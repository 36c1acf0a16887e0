"""From sequences to predictions: order kept, each computed once, nobody waits for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from app.batching import Answer, Batch, BatchLimits
from app.bundle import read_bundle
from app.encoding import SequenceEncoder
from app.errors import (
    DeadlineExceeded,
    Draining,
    NonFiniteOutput,
    Overloaded,
    ServiceError,
    UnknownModel,
    Unprocessable,
)
from app.in_flight import InFlight
from app.metrics import Metrics, ModelMetrics
from app.predictor import Predictor, RequestLimits
from app.queue.memory import MemoryQueue
from app.served_models import ServedModel
from tests.toy import write_toy_bundle

LIMITS = BatchLimits()


class Bench:
    """A predictor whose worker is the test itself."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.metrics = Metrics()
        self.models = [self._served(write_toy_bundle(folder, name)) for name in names or ("gc",)]
        limits = RequestLimits(max_sequences=5, max_total_bases=60)
        self.in_flight = InFlight(8, 100, self.metrics)
        self.predictor = Predictor(self.models, limits, self.in_flight, self.metrics)
        self.queue = self.models[0].queue

    def _served(self, folder: Path) -> ServedModel:
        bundle = read_bundle(folder)
        counted = ModelMetrics(self.metrics, bundle.manifest, bundle.sha256)
        encoder = SequenceEncoder(bundle.manifest, bundle.files)
        return ServedModel(bundle.manifest, bundle.sha256, encoder, MemoryQueue(100, counted), counted)

    def ask(self, *sequences: str, seconds: float = 5) -> asyncio.Task[list[float]]:
        async def values() -> list[float]:
            deadline = asyncio.get_running_loop().time() + seconds
            predictions = await self.predictor.predict("gc", sequences, deadline)
            return [values[0] for values in predictions.values]

        return asyncio.create_task(values())

    async def take(self) -> Batch:
        async with asyncio.timeout(2):
            (batch,) = await self.queue.take(LIMITS)
            return batch

    async def answer(self, batch: Batch) -> None:
        """Answer each job with the code of its first base."""
        await self.queue.settle(batch, [Answer(np.float32([job.ids[0]]), 0.0, 0.0) for job in batch.jobs])

    async def fail(self, batch: Batch, error: ServiceError) -> None:
        await self.queue.settle(batch, [error for _ in batch.jobs])

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"basecast_{name}", {"model": "gc", **labels}) or 0.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_the_answer_has_the_order_of_the_request(bench: Bench) -> None:
    asked = bench.ask("A", "TT", "C", "GG")
    await bench.answer(await bench.take())
    await bench.answer(await bench.take())
    assert await asked == [0, 3, 1, 2]


async def test_equal_sequences_of_one_request_are_computed_once(bench: Bench) -> None:
    asked = bench.ask("AC", "ac", "GT", "AC")
    batch = await bench.take()
    assert len(batch.jobs) == 2
    await bench.answer(batch)
    assert await asked == [0, 0, 2, 0]
    assert bench.counted("deduplicated_total") == 2


async def test_equal_sequences_of_two_requests_are_computed_once(bench: Bench) -> None:
    first, second = bench.ask("AC", "GT"), bench.ask("GT")
    batch = await bench.take()
    assert len(batch.jobs) == 2
    await bench.answer(batch)
    assert (await first, await second) == ([0, 2], [2])


async def test_an_answered_sequence_is_computed_anew_the_next_time(bench: Bench) -> None:
    for _ in range(2):
        asked = bench.ask("AC")
        await bench.answer(await bench.take())
        assert await asked == [0]


async def test_one_bad_sequence_refuses_the_request_and_nothing_is_queued(bench: Bench) -> None:
    with pytest.raises(Unprocessable) as caught:
        await bench.ask("AC", "AX", "", "GT")
    assert [(item.pointer, item.code, item.position) for item in caught.value.items] == [
        ("/sequences/1", "invalid_base", 1),
        ("/sequences/2", "empty", None),
    ]
    assert bench.queue.load().jobs == 0
    assert bench.counted("sequences_total", outcome="refused") == 2


@pytest.mark.parametrize(
    ("sequences", "code"), [([], "empty"), (["A"] * 6, "too_many"), (["A" * 31, "A" * 30], "too_long")]
)
async def test_the_limits_of_a_request_hold(bench: Bench, sequences: list[str], code: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        await bench.ask(*sequences)
    assert caught.value.problem_code == code


async def test_a_deadline_ends_the_wait_and_the_job(bench: Bench) -> None:
    with pytest.raises(DeadlineExceeded):
        await bench.ask("AC", seconds=0.05)
    assert bench.queue.load().jobs == 0
    assert (bench.counted("expired_total"), bench.counted("cancelled_total")) == (1, 0)


async def test_a_deadline_does_not_end_the_wait_of_others(bench: Bench) -> None:
    hasty, patient = bench.ask("AC", seconds=0.05), bench.ask("AC", seconds=5)
    with pytest.raises(DeadlineExceeded):
        await hasty
    await bench.answer(await bench.take())
    assert await patient == [0]


async def test_who_goes_away_takes_his_job_along(bench: Bench) -> None:
    asked = bench.ask("AC")
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert bench.queue.load().jobs == 0


async def test_who_goes_away_leaves_the_jobs_of_others(bench: Bench) -> None:
    gone, stays = bench.ask("AC"), bench.ask("AC")
    await asyncio.sleep(0)
    gone.cancel()
    await bench.answer(await bench.take())
    assert await stays == [0]


async def test_leaving_takes_no_longer_for_a_sequence_that_stands_in_a_request_a_thousand_times(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.predictor = Predictor(
        bench.models, RequestLimits(), InFlight(100_000, 1_000_000, bench.metrics), bench.metrics
    )
    asked = [bench.ask(*["ACGT"] * 4096, seconds=1) for _ in range(5)]
    started = asyncio.get_running_loop().time()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert asyncio.get_running_loop().time() - started < 4  # a quadratic leave needs a minute
    assert {type(outcome) for outcome in outcomes} == {DeadlineExceeded}
    assert bench.queue.load().jobs == 0


async def test_a_failure_names_its_sequence(bench: Bench) -> None:
    asked = bench.ask("AC", "GTT")
    await bench.answer(await bench.take())
    await bench.fail(await bench.take(), NonFiniteOutput())
    with pytest.raises(NonFiniteOutput) as caught:
        await asked
    assert caught.value.items[0].pointer == "/sequences/1"


async def test_the_only_model_needs_no_name(bench: Bench) -> None:
    assert bench.predictor.model(None) is bench.models[0]
    assert bench.predictor.model("gc@1.0.0") is bench.models[0]


async def test_among_several_models_one_must_be_named(tmp_path: Path) -> None:
    predictor = Bench(tmp_path, "gc", "other").predictor
    with pytest.raises(UnknownModel, match=r"gc@1\.0\.0, other@1\.0\.0"):
        predictor.model(None)
    with pytest.raises(UnknownModel):
        predictor.model("gc@2.0.0")


async def test_a_deadline_that_is_over_already_is_no_overload(bench: Bench) -> None:
    with pytest.raises(DeadlineExceeded):
        await bench.ask("AC", seconds=-1)
    assert bench.counted("sequences_total", outcome="error") == 1


async def test_a_deadline_is_looked_at_before_anything_is_encoded(bench: Bench) -> None:
    with pytest.raises(DeadlineExceeded):  # and not that X is no base
        await bench.ask("X", seconds=-1)


async def test_what_is_too_much_at_once_is_refused_before_anything_is_encoded(bench: Bench) -> None:
    waiting = [bench.ask("ACGT" * 12) for _ in range(2)]  # 96 of 100 bases
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):  # and not that X is no base
        await bench.ask("XXXXX")
    await bench.answer(await bench.take())
    await asyncio.gather(*waiting)


async def test_a_queue_out_of_reach_keeps_nobody_beyond_his_deadline(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.queue, "submit", hang)
    with pytest.raises(DeadlineExceeded):
        async with asyncio.timeout(5):
            await bench.ask("AC", seconds=0.05)


async def test_who_goes_away_from_a_queue_out_of_reach_has_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.queue, "submit", hang)
    gone = bench.ask("AC")
    await asyncio.sleep(0.01)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_each_request_waits_until_its_own_deadline(bench: Bench) -> None:
    long, short, shorter = bench.ask("A", seconds=0.3), bench.ask("A", seconds=0.1), bench.ask("CC", seconds=0.05)
    done, _ = await asyncio.wait((long, short, shorter), timeout=0.07)
    assert done == {shorter}
    done, _ = await asyncio.wait((long, short), timeout=0.07)
    assert done == {short}
    later = bench.ask("A", seconds=5)
    for asked in (shorter, short, long):
        with pytest.raises(DeadlineExceeded):
            await asked
    await bench.answer(await bench.take())
    assert await later == [0]


async def test_who_goes_away_makes_room(bench: Bench) -> None:
    gone = bench.ask("ACGT" * 15)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    stays = bench.ask("GTAC" * 15)
    await bench.answer(await bench.take())
    assert await stays == [2]


async def test_abandoned_everybody_is_told_at_once_and_nothing_new_is_taken(bench: Bench) -> None:
    computed = bench.ask("AC")
    await bench.take()
    waiting = bench.ask("GT")
    await asyncio.sleep(0)
    bench.predictor.abandon(Draining())
    for asked in (computed, waiting, bench.ask("CC")):
        with pytest.raises(Draining):
            await asked


async def test_who_is_in_a_hurry_does_not_wait_for_an_equal_sequence_that_gives_way(bench: Bench) -> None:
    deadline = asyncio.get_running_loop().time() + 5
    bulk = asyncio.create_task(bench.predictor.predict("gc", ["AC"], deadline, "bulk"))
    await asyncio.sleep(0)
    interactive = bench.ask("AC")
    await asyncio.sleep(0)
    await bench.answer(await bench.take())
    await asyncio.gather(bulk, interactive)
    assert bench.counted("deduplicated_total") == 0


async def test_while_draining_nothing_new_is_taken(bench: Bench) -> None:
    bench.predictor.draining = True
    with pytest.raises(Draining):
        await bench.ask("AC")


async def test_a_long_request_is_encoded_off_the_loop_with_the_same_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.predictor = Predictor(bench.models, RequestLimits(), bench.in_flight, bench.metrics)
    asked = bench.ask(*["ACGT" * 250] * 5)  # 5,000 bases
    await bench.answer(await bench.take())
    assert await asked == [0] * 5


async def test_a_job_that_expires_in_the_queue_is_queued_again_for_those_with_time(bench: Bench) -> None:
    hasty = bench.ask("AC", seconds=5)
    await asyncio.sleep(0)
    patient = bench.ask("AC", seconds=60)
    await asyncio.sleep(0)
    batch = await bench.take()
    await bench.fail(batch, DeadlineExceeded())  # as a queue with a clock of its own would
    again = await bench.take()
    assert again.jobs[0].deadline > batch.jobs[0].deadline
    await bench.answer(again)
    assert (await hasty, await patient) == ([0], [0])


async def test_a_job_that_is_given_up_before_its_deadline_is_not_queued_again_for_the_same_caller(bench: Bench) -> None:
    hasty = bench.ask("AC", seconds=60)
    await asyncio.sleep(0)
    await bench.fail(await bench.take(), DeadlineExceeded())  # its worker saw that it would come too late
    with pytest.raises(DeadlineExceeded):
        await hasty


async def test_every_answered_value_is_counted_for_drift(bench: Bench) -> None:
    asked = bench.ask("AC", "GT")
    await bench.answer(await bench.take())
    await asked
    assert bench.counted("prediction_value_count", target="gc_fraction") == 2
    assert bench.counted("prediction_value_sum", target="gc_fraction") == 2
