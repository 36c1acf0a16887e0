"""Distinct haplotypes to values: spelled, encoded and predicted a chunk at a time, so that memory stays bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.batching import Priority
from app.errors import ItemError, ServiceError, Unprocessable
from app.genome.haplotypes.distinct import Haplotypes
from app.predictor import Predictor, ServedModel

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
        progress: told how many more distinct haplotypes have their values.
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


async def predict_haplotypes(
    predictor: Predictor, model: ServedModel, haplotypes: Haplotypes, errand: Errand, timing: Timing
) -> list[list[float]]:
    """The values of each distinct haplotype, the reference first.

    Raises:
        ServiceError: one of them cannot be predicted; it is not told which.
    """
    rows = len(haplotypes.distinct)
    values: list[list[float]] = [[] for _ in range(rows)]
    priority: Priority = "interactive" if rows <= INTERACTIVE_SEQUENCES else "bulk"
    gate = asyncio.Semaphore(CHUNKS_IN_FLIGHT)

    async def predict(chunk: range) -> None:
        async with gate:
            texts = await asyncio.to_thread(_spelled, haplotypes, chunk)
            found = await predictor.predict_personal(model, texts, errand.deadline, priority, errand.traceparent)
        values[chunk.start : chunk.stop] = found.values
        timing.tokens += sum(found.tokens)
        for phase, seconds in found.seconds.items():
            setattr(timing, phase, getattr(timing, phase) + seconds)
        errand.progress(len(chunk))

    tasks = [asyncio.create_task(predict(chunk)) for chunk in _chunks(rows, haplotypes.interval.bases)]
    try:
        await asyncio.gather(*tasks)
    except ServiceError as error:
        raise _nobody_s(error) from None
    finally:
        for task in tasks:
            task.cancel()
    return values


def _spelled(haplotypes: Haplotypes, rows: range) -> list[str]:
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
