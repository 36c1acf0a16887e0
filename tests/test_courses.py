"""A window's course through two graphs: its distinct segments first, then what they make together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app import courses
from app.batching import Answer, Batch, BatchLimits, Outcome
from app.bundle import read_bundle
from app.courses import TwoGraphs, head_chunks
from app.errors import Draining, InferenceFailed, NonFiniteOutput
from app.flights import Flights, Terms
from app.queue.memory import MemoryQueue
from app.window_encoding import EncodedWindow, WindowEncoder
from tests.queue_forms import model_metrics
from tests.toy_segments import write_segmented_bundle

FIRST, SECOND = "AAAAACCCCCAAAAAGGGGG", "AAAAACCCCCTTTTTGGGGG"


class Bench:
    """A course whose workers are the test itself."""

    def __init__(self, folder: Path) -> None:
        bundle = read_bundle(write_segmented_bundle(folder))
        segments = bundle.manifest.input.segments
        assert segments is not None
        encoder = WindowEncoder(bundle.manifest, segments, bundle.files)
        self.embedder, self.head = (MemoryQueue(10_000, model_metrics()) for _ in range(2))
        flights = (Flights(queue, model_metrics(), self.now) for queue in (self.embedder, self.head))
        self.course = TwoGraphs(encoder, *flights)

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    def ask(self, *windows: str) -> asyncio.Task[list[Answer]]:
        encoded = [window for window in self.course.encode(windows) if isinstance(window, EncodedWindow)]
        return asyncio.create_task(self.course.answers(encoded, Terms(self.now() + 5)))

    @staticmethod
    async def settle(queue: MemoryQueue, outcomes: Sequence[Outcome | Sequence[float]]) -> Batch:
        """Answer the jobs that wait, which took a second and waited for two."""
        async with asyncio.timeout(2):
            (batch,) = await queue.take(BatchLimits())
        given = [Answer(np.float32(it), 2.0, 1.0) if isinstance(it, Sequence) else it for it in outcomes]
        await queue.settle(batch, given)
        return batch


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_the_head_reads_each_window_s_embeddings_end_to_end(bench: Bench) -> None:
    asked = bench.ask(FIRST, SECOND)
    embedded = await bench.settle(bench.embedder, [[1, 10], [2, 20], [3, 30], [4, 40]])
    assert [job.ids[1] for job in embedded.jobs] == [4, 5, 6, 7]  # A, C, G and T, each once
    read = await bench.settle(bench.head, [[0.5], [0.25]])
    assert [job.ids.tolist() for job in read.jobs] == [
        [1, 10, 2, 20, 1, 10, 3, 30], [1, 10, 2, 20, 4, 40, 3, 30],
    ]  # fmt: skip
    answers = await asked
    assert [answer.values.tolist() for answer in answers] == [[0.5], [0.25]]
    assert [(answer.queue_seconds, answer.compute_seconds) for answer in answers] == [(4, 2), (4, 2)]


async def test_no_more_than_a_chunk_of_embeddings_waits_for_the_head(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courses, "HEAD_NUMBERS", 8)
    asked = bench.ask(FIRST, SECOND)
    await bench.settle(bench.embedder, [[1, 10], [2, 20], [3, 30], [4, 40]])
    for value in (0.5, 0.25):
        assert len((await bench.settle(bench.head, [[value]])).jobs) == 1
    assert [answer.values.tolist() for answer in await asked] == [[0.5], [0.25]]


@pytest.mark.parametrize(("windows", "numbers", "chunks"), [(5, 8, [2, 2, 1]), (2, 100, [1, 1]), (3, 5, [3])])
def test_windows_are_chunked_by_the_numbers_they_have(
    windows: int, numbers: int, chunks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courses, "HEAD_NUMBERS", 16)
    assert [len(chunk) for chunk in head_chunks(windows, numbers)] == chunks


async def test_what_befalls_a_segment_befalls_its_window(bench: Bench) -> None:
    asked = bench.ask(FIRST, SECOND)
    await bench.settle(bench.embedder, [[1, 1], [1, 1], [1, 1], NonFiniteOutput()])  # the T that only the second has
    with pytest.raises(NonFiniteOutput) as failed:
        await asked
    assert [item.pointer for item in failed.value.items] == ["/sequences/1"]
    assert bench.head.load().jobs == 0


async def test_what_befalls_a_window_at_the_head_is_its_own(bench: Bench) -> None:
    asked = bench.ask(FIRST, SECOND)
    await bench.settle(bench.embedder, [[1, 10], [2, 20], [3, 30], [4, 40]])
    await bench.settle(bench.head, [[1], InferenceFailed()])
    with pytest.raises(InferenceFailed) as failed:
        await asked
    assert [item.pointer for item in failed.value.items] == ["/sequences/1"]


async def test_embeddings_of_several_widths_are_no_embeddings(bench: Bench) -> None:
    asked = bench.ask(FIRST)
    await bench.settle(bench.embedder, [[1, 1], [1, 1], [1, 1, 1]])
    with pytest.raises(InferenceFailed, match="several widths"):
        await asked


async def test_abandoned_it_ends_wherever_it_is(bench: Bench) -> None:
    waits, comes_later = bench.ask(FIRST), bench.ask(SECOND)
    await asyncio.sleep(0)
    bench.course.abandon(Draining())
    for asked in (waits, comes_later):
        with pytest.raises(Draining):
            await asked
    at_the_head = bench.ask(FIRST)
    await bench.settle(bench.embedder, [[1, 1], [1, 1], [1, 1]])
    await asyncio.sleep(0.01)
    bench.course.abandon(Draining())
    with pytest.raises(Draining):
        await at_the_head
