"""More sequences than one request to POST /predict may hold: predicted in bounded chunks, a few in flight."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.batching import Priority
from app.errors import ItemError, Overloaded, ServiceError
from app.predictor import Predictions, Predictor, RequestLimits

CHUNK_SEQUENCES = 256
CHUNK_BASES = 512 * 1024
# Windows that are read in segments have most of them in common, and within a chunk each is computed once.
CHUNK_BASES_IN_SEGMENTS = 8 * 1024 * 1024
CHUNKS_IN_FLIGHT = 2  # the next is encoded while the model has one

RETRY_AFTER_MS = 1000  # where it is not said when there will be room

SEQUENCES = "/sequences"
PHASES = ("tokenize", "queue", "compute")


@dataclass(frozen=True, slots=True)
class Errand:
    """What to predict with, for whom and until when.

    Attributes:
        model: `name`, `name@version`, or None for the only one.
        deadline: seconds of the event loop's clock.
        traceparent: the trace that the jobs belong to.
        pointer_of: JSON pointer to what a sequence was made of, by its index; the caller did not send the sequence.
        in_segments: the model reads windows in segments.
    """

    model: str | None
    deadline: float
    priority: Priority
    traceparent: str | None
    pointer_of: Callable[[int], str]
    in_segments: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model said of all sequences, in their order.

    Attributes:
        tokens: read in all.
        seconds: in each phase; the slowest chunk counts, for they overlap.
    """

    values: list[list[float]]
    tokens: int
    seconds: dict[str, float]

    def __add__(self, other: Answers) -> Answers:
        seconds = {phase: self.seconds.get(phase, 0.0) + other.seconds.get(phase, 0.0) for phase in PHASES}
        return Answers(self.values + other.values, self.tokens + other.tokens, seconds)


async def predict_in_chunks(predictor: Predictor, sequences: Iterable[str], errand: Errand) -> Answers:
    """Predict for each sequence; no more than some chunks of them are ever held.

    Raises:
        ServiceError: one of them cannot be predicted; its item points at what it was made of.
    """
    in_flight: deque[asyncio.Task[Predictions]] = deque()
    found: list[Predictions] = []
    sent = 0
    try:
        most_bases = CHUNK_BASES_IN_SEGMENTS if errand.in_segments else CHUNK_BASES
        for chunk in chunks(sequences, predictor.limits, most_bases):
            in_flight.append(asyncio.create_task(_predict(predictor, chunk, errand, sent)))
            sent += len(chunk)
            if len(in_flight) == CHUNKS_IN_FLIGHT:
                found.append(await in_flight[0])
                in_flight.popleft()
        found += [await task for task in in_flight]
    finally:
        for task in in_flight:
            task.cancel()
        await asyncio.gather(*in_flight, return_exceptions=True)
    return _joined(found)


def chunks(sequences: Iterable[str], limits: RequestLimits, most_bases: int = CHUNK_BASES) -> Iterator[list[str]]:
    """The sequences in groups that one request can hold; a longer one goes alone."""
    most, most_bases = min(CHUNK_SEQUENCES, limits.max_sequences), min(most_bases, limits.max_total_bases)
    chunk: list[str] = []
    bases = 0
    for sequence in sequences:
        if chunk and (len(chunk) == most or bases + len(sequence) > most_bases):
            yield chunk
            chunk, bases = [], 0
        chunk.append(sequence)
        bases += len(sequence)
    if chunk:
        yield chunk


async def _predict(predictor: Predictor, chunk: Sequence[str], errand: Errand, sent: int) -> Predictions:
    try:
        return await _patiently(predictor, chunk, errand, sent)
    except ServiceError as error:
        if not error.items:
            raise
        items = [_pointed(item, errand, sent) for item in error.items]
        raise type(error)(error.detail, retry_after_ms=error.retry_after_ms, items=items) from None


async def _patiently(predictor: Predictor, chunk: Sequence[str], errand: Errand, sent: int) -> Predictions:
    """Predict a chunk; when there is no room for one behind the first, ask again as long as there is time.

    The first says whether there is room for a request at all; what the others have cost would be lost.
    """
    while True:
        try:
            return await predictor.predict_part(
                errand.model, chunk, errand.deadline, errand.priority, errand.traceparent
            )
        except Overloaded as error:
            wait_seconds = (error.retry_after_ms or RETRY_AFTER_MS) / 1000
            if not sent or time.monotonic() + wait_seconds >= errand.deadline:
                raise
            await asyncio.sleep(wait_seconds)


def _pointed(item: ItemError, errand: Errand, sent: int) -> ItemError:
    """The same item about what a sequence was made of; one about all sequences of a chunk is the first one's."""
    if not item.pointer.startswith(SEQUENCES):
        return item
    place = item.pointer.removeprefix(f"{SEQUENCES}/")
    return replace(item, pointer=errand.pointer_of(sent + (int(place) if place.isdecimal() else 0)))


def _joined(found: Sequence[Predictions]) -> Answers:
    seconds = {phase: max((each.seconds[phase] for each in found), default=0.0) for phase in PHASES}
    values = [row for each in found for row in each.values]
    return Answers(values, sum(sum(each.tokens) for each in found), seconds)
