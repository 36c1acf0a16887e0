"""Distinct haplotypes to values: spelled, encoded and predicted a chunk at a time, so that memory stays bounded.

Of a model with segments the distinct ones are embedded first; what is held of them all is their embeddings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from app.batching import Priority
from app.courses import Embeddings, head_chunks, slowest
from app.errors import ItemError, ServiceError, Unprocessable
from app.genome.haplotypes.carriers import Carriers
from app.genome.haplotypes.distinct import Haplotypes
from app.genome.haplotypes.segments import Segments
from app.predictor import Predictor
from app.served_models import ServedModel

CHUNK_SEQUENCES = 256
CHUNK_BASES = 512 * 1024
CHUNKS_IN_FLIGHT = 2  # the next is spelled and encoded while the model has one
# More than this gives way to callers who wait for a single sequence.
INTERACTIVE_SEQUENCES = 64

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Errand:
    """For whom and until when.

    Attributes:
        deadline: seconds of the event loop's clock.
        traceparent: the trace that the jobs belong to.
        progress: told how many more distinct haplotypes have their values, or distinct segments their embeddings.
    """

    deadline: float
    traceparent: str | None = None
    progress: Progress = lambda _: None


@dataclass(slots=True)
class Timing:
    """Seconds in each phase, the chunks' added up, and tokens read."""

    tokenize: float = 0.0
    queue: float = 0.0
    compute: float = 0.0
    tokens: int = 0

    def add(self, seconds: Mapping[str, float], tokens: int = 0) -> None:
        """Add a chunk's."""
        self.tokens += tokens
        for phase, spent in seconds.items():
            setattr(self, phase, getattr(self, phase) + spent)


async def predict_distinct(
    predictor: Predictor, model: ServedModel, haplotypes: Carriers, errand: Errand, timing: Timing
) -> list[list[float]]:
    """The values of each distinct haplotype, the reference first.

    Raises:
        ServiceError: one of them cannot be predicted; it is not told which.
    """
    asked = _Asked(predictor, model, errand, timing)
    try:
        if isinstance(haplotypes, Segments):
            return await _predict_segments(asked, haplotypes)
        assert isinstance(haplotypes, Haplotypes)  # noqa: S101 - there are no others
        return await _predict_whole(asked, haplotypes)
    except ServiceError as error:
        raise _nobody_s(error) from None


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whom to ask, for whom, and where the time goes."""

    predictor: Predictor
    model: ServedModel
    errand: Errand
    timing: Timing

    def terms(self, rows: int) -> tuple[float, Priority, str | None]:
        """Deadline, priority and trace of one chunk of so many rows in all."""
        priority: Priority = "interactive" if rows <= INTERACTIVE_SEQUENCES else "bulk"
        return self.errand.deadline, priority, self.errand.traceparent


async def _predict_whole(asked: _Asked, haplotypes: Haplotypes) -> list[list[float]]:
    values: list[list[float]] = [[] for _ in range(haplotypes.rows)]

    async def predict(chunk: range) -> None:
        texts = await asyncio.to_thread(_spelled, haplotypes, chunk)
        found = await asked.predictor.predict_personal(asked.model, texts, *asked.terms(haplotypes.rows))
        values[chunk.start : chunk.stop] = found.values
        asked.timing.add(found.seconds, sum(found.tokens))

    await _in_flight(_chunks(haplotypes.rows, haplotypes.interval.bases), predict, asked.errand)
    return values


async def _predict_segments(asked: _Asked, segments: Segments) -> list[list[float]]:
    """Embed each distinct segment once, then predict from the embeddings that make each distinct haplotype."""
    embeddings = await _embed(asked, segments)
    values: list[list[float]] = [[] for _ in range(segments.rows)]

    async def predict(chunk: range) -> None:
        rows = embeddings[segments.segments_of[chunk.start : chunk.stop]].reshape(len(chunk), -1)
        answers = await asked.predictor.predict_rows(asked.model, rows, *asked.terms(segments.rows))
        values[chunk.start : chunk.stop] = [answer.values.tolist() for answer in answers]
        queue, compute = slowest(answers)
        asked.timing.add({"queue": queue, "compute": compute})

    numbers = segments.segments_of.shape[1] * embeddings.shape[1]
    await _in_flight(head_chunks(segments.rows, numbers), predict, asked.errand)
    return values


async def _embed(asked: _Asked, segments: Segments) -> Embeddings:
    """(distinct segments, width) what the embedder makes of each."""
    distinct = len(segments.distinct)
    parts: dict[int, Embeddings] = {}

    async def embed(chunk: range) -> None:
        texts = await asyncio.to_thread(_spelled, segments, chunk)
        found = await asked.predictor.embed_personal(asked.model, texts, *asked.terms(distinct))
        parts[chunk.start] = found.embeddings
        asked.timing.add(found.seconds, found.tokens)

    await _in_flight(_chunks(distinct, segments.distinct_bases // distinct), embed, asked.errand)
    return np.concatenate([parts[start] for start in sorted(parts)])


async def _in_flight(chunks: Iterable[range], predict: Callable[[range], Awaitable[None]], errand: Errand) -> None:
    """Predict all chunks, some at a time.

    Raises:
        ServiceError: the first failure; the rest is given up.
    """
    gate = asyncio.Semaphore(CHUNKS_IN_FLIGHT)

    async def one(chunk: range) -> None:
        async with gate:
            await predict(chunk)
        errand.progress(len(chunk))

    tasks = [asyncio.create_task(one(chunk)) for chunk in chunks]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _spelled(haplotypes: Haplotypes | Segments, rows: range) -> list[str]:
    return [haplotypes.sequence(row).decode("ascii") for row in rows]


def _chunks(rows: int, bases: int) -> Iterator[range]:
    step = min(CHUNK_SEQUENCES, max(CHUNK_BASES // max(bases, 1), 1))
    return (range(start, min(start + step, rows)) for start in range(0, rows, step))


def _nobody_s(error: ServiceError) -> ServiceError:
    """The same error without the sequence that it befell, which would be a person's."""
    if not error.items:
        return error
    if isinstance(error, Unprocessable):
        detail = f"The model does not read a sequence of this region. {error.items[0].detail}"
        return Unprocessable(detail, items=[ItemError("/region", error.problem_code, detail)])
    return type(error)(error.detail, retry_after_ms=error.retry_after_ms)
