"""Many sequences in bounded chunks: nothing lost, nothing doubled, and what fails is pointed at."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chunks import CHUNK_BASES, CHUNK_SEQUENCES, Errand, chunks, predict_in_chunks
from app.errors import DeadlineExceeded, Overloaded, Unprocessable
from app.main import Service, create_service
from app.predictor import RequestLimits
from app.settings import Settings
from tests.toy import write_dosage_bundle, write_slow_bundle
from tests.toy_segments import write_segmented_bundle


def errand(seconds: float = 60) -> Errand:
    return Errand("gc", time.monotonic() + seconds, "bulk", None, lambda index: f"/made/{index}")


@given(st.lists(st.integers(0, CHUNK_BASES + 1), max_size=40))
def test_chunks_hold_everything_in_order_and_no_more_than_they_may(lengths: list[int]) -> None:
    sequences = ["A" * length for length in lengths]
    found = list(chunks(sequences, RequestLimits()))
    assert [sequence for chunk in found for sequence in chunk] == sequences
    assert all(len(chunk) == 1 or sum(map(len, chunk)) <= CHUNK_BASES for chunk in found)


def test_a_chunk_is_full_with_its_number_of_sequences() -> None:
    assert [len(chunk) for chunk in chunks(["A"] * (2 * CHUNK_SEQUENCES + 1), RequestLimits())] == [
        CHUNK_SEQUENCES
    ] * 2 + [1]


def test_a_chunk_is_never_more_than_a_request_may_be() -> None:
    limits = RequestLimits(max_sequences=3, max_total_bases=10)
    assert list(map(len, chunks(["AA"] * 5, limits))) == [3, 2]
    assert list(map(len, chunks(["AAAA"] * 5, limits))) == [2, 2, 1]


async def test_windows_in_segments_come_in_larger_chunks_within_which_what_they_share_is_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.chunks.CHUNK_BASES", 20)  # one window
    service = create_service(Settings(models=write_segmented_bundle(tmp_path), threads=1))
    windows = ["A" * 15 + "AAAAC", "A" * 15 + "AAAGC", "A" * 15 + "AACGC"]
    async with service.running():
        asked = replace(errand(), model="gc-squares", in_segments=True)
        found = await predict_in_chunks(service.predictor, windows, asked)
    assert found.values == [[4 * 1], [4 * 4], [4 * 9]]
    embedded = service.metrics.registry.get_sample_value("basecast_batch_sequences_sum", {"model": "gc-squares"})
    assert embedded == 1 + 3


async def test_values_of_many_chunks_are_in_order(service: Service) -> None:
    sequences = ["G" * (index % 7) + "A" * (7 - index % 7) for index in range(1000)]
    async with service.running():
        found = await predict_in_chunks(service.predictor, sequences, errand())
    assert [round(value * 7) for (value,) in found.values] == [index % 7 for index in range(1000)]
    assert found.tokens == 7000
    assert set(found.seconds) == {"tokenize", "queue", "compute"}


async def test_a_later_chunk_for_which_there_is_no_room_is_asked_for_again(tmp_path: Path) -> None:
    write_slow_bundle(tmp_path)
    crowded = create_service(Settings(models=tmp_path, threads=1, max_sequences=2, max_queue_tokens=10))
    lengths = range(4, 8)  # chunks of 9 and 13 bases; a queue that is empty takes any
    asked = replace(errand(), model="slow")
    async with crowded.running():
        found = await predict_in_chunks(crowded.predictor, ["G" + "A" * (length - 1) for length in lengths], asked)
        assert [round(1 / value) for (value,) in found.values] == list(lengths)
        two = [predict_in_chunks(crowded.predictor, [base * 9, base * 8], asked) for base in "AC"]
        outcomes = await asyncio.gather(*two, return_exceptions=True)
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 1  # nothing of it had been predicted


async def test_nothing_takes_no_time(service: Service) -> None:
    async with service.running():
        found = await predict_in_chunks(service.predictor, [], errand())
    assert (found.values, found.tokens, found.seconds) == ([], 0, {"tokenize": 0, "queue": 0, "compute": 0})


async def test_a_refused_sequence_of_a_later_chunk_is_pointed_at(service: Service) -> None:
    sequences = ["GA"] * CHUNK_SEQUENCES + ["GA", "G!", *["GA"] * 600]
    async with service.running():
        with pytest.raises(Unprocessable) as refused:
            await predict_in_chunks(service.predictor, sequences, errand())
    (item,) = refused.value.items
    assert (item.pointer, item.code, item.position) == (f"/made/{CHUNK_SEQUENCES + 1}", "invalid_base", 1)


async def test_the_deadline_is_that_of_all_chunks(service: Service) -> None:
    async with service.running():
        with pytest.raises(DeadlineExceeded):
            await predict_in_chunks(service.predictor, ["GA"], errand(seconds=-1))


async def test_what_is_wrong_with_the_model_is_pointed_at_there(tmp_path: Path) -> None:
    write_dosage_bundle(tmp_path)
    service = create_service(Settings(models=tmp_path, threads=1))
    async with service.running():
        with pytest.raises(Unprocessable) as refused:
            await predict_in_chunks(service.predictor, ["GA"], replace(errand(), model=None))
    assert [(item.pointer, item.code) for item in refused.value.items] == [("/model", "needs_genotypes")]


async def test_what_was_let_in_ends_while_the_process_drains(service: Service) -> None:
    async with service.running():
        service.predictor.draining = True
        found = await predict_in_chunks(service.predictor, ["GA"], errand())
    assert found.values == [[0.5]]
