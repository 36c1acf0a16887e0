"""Any number of records through a client: a few chunks in flight, order kept, memory bounded.

A chunk that the service refuses as a whole is halved, a record that it refuses is set aside, and when the service is
busy it is asked again later. Nothing is left out in silence.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from app.client import Client, Prediction
from app.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    ItemError,
    NonFiniteOutput,
    Overloaded,
    ServiceError,
    Unprocessable,
)
from app.records import Record

CHUNK_SEQUENCES = 256
CHUNK_BASES = 512 * 1024
CHUNKS_IN_FLIGHT = 4  # the device never waits for a chunk to be read, tokenised or written

Report = Callable[[str], None]
Answered = TypeVar("Answered")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record without a prediction, and why."""

    record: Record
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chunk; both lists in the order of the input."""

    predicted: list[tuple[Record, Prediction]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def __add__(self, other: Outcome) -> Outcome:
        refused = sorted(self.refused + other.refused, key=lambda refusal: refusal.record.number)
        return Outcome(self.predicted + other.predicted, refused)


@dataclass(frozen=True)
class Patience:
    """How a busy service is asked again.

    Args:
        report: told of each wait.
        attempts: how often in all.
        longest_wait_ms: the most that one wait lasts, whatever the service asks for.
        ended: set when nobody wants the answers any more; ends every wait.
    """

    report: Report
    attempts: int = 10
    longest_wait_ms: int = 30_000
    ended: threading.Event = field(default_factory=threading.Event)

    def ask(self, question: Callable[[], Answered]) -> Answered:
        """Ask until the service is not busy, or the attempts are used up.

        Raises:
            BasecastError: it is, or answers otherwise.
        """
        for attempt in range(1, self.attempts):
            try:
                return question()
            except ServiceError as error:
                if error.status != Overloaded.status or self.ended.is_set():
                    raise
                self.wait(attempt, error)
        return question()

    def wait(self, attempt: int, error: ServiceError) -> None:
        """Wait as long as the service asks for, else a second that doubles each time."""
        asked_ms = error.retry_after_ms or 1000 * 2 ** (attempt - 1)
        wait_ms = min(asked_ms, self.longest_wait_ms)
        self.report(f"{error.detail} Trying again in {wait_ms / 1000:.3g} s ({attempt} of {self.attempts - 1}).")
        self.ended.wait(wait_ms / 1000)


def chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The records in groups that one request can hold; a longer record goes alone."""
    chunk: list[Record] = []
    bases = 0
    for record in records:
        if chunk and (len(chunk) == CHUNK_SEQUENCES or bases + len(record.sequence) > CHUNK_BASES):
            yield chunk
            chunk, bases = [], 0
        chunk.append(record)
        bases += len(record.sequence)
    if chunk:
        yield chunk


def predict_all(client: Client, records: Iterable[Record], patience: Patience) -> Generator[Outcome, None, None]:
    """What becomes of each chunk, in order, as soon as it and all before it are done.

    Raises:
        BasecastError: the client cannot go on; what was in flight is given up.
    """
    pool = ThreadPoolExecutor(CHUNKS_IN_FLIGHT, thread_name_prefix="chunk")
    in_flight: deque[Future[Outcome]] = deque()
    try:
        for chunk in chunks(records):
            in_flight.append(pool.submit(predict_chunk, client, chunk, patience))
            if len(in_flight) == CHUNKS_IN_FLIGHT:
                yield in_flight.popleft().result()
        while in_flight:
            yield in_flight.popleft().result()
    finally:
        patience.ended.set()
        pool.shutdown(wait=False, cancel_futures=True)  # the threads end when the client is closed


def predict_chunk(client: Client, records: Sequence[Record], patience: Patience) -> Outcome:
    """Predict what the model accepts and set aside what it refuses."""
    try:
        predictions = _ask(client, records, patience)
    except (Unprocessable, NonFiniteOutput) as error:
        if at_fault := _at_fault(error.items, len(records)):
            return _without(client, records, at_fault, patience)
        return _smaller(client, records, error, patience)
    except (BodyTooLarge, DeadlineExceeded) as error:
        return _smaller(client, records, error, patience)
    return Outcome(list(zip(records, predictions, strict=True)))


def _ask(client: Client, records: Sequence[Record], patience: Patience) -> list[Prediction]:
    sequences = [record.sequence for record in records]
    return patience.ask(lambda: client.predict(sequences))


def _at_fault(items: Iterable[ItemError], size: int) -> dict[int, ItemError]:
    """Which records the items point at, by index in the chunk."""
    indices = {item.pointer.removeprefix("/sequences/"): item for item in items}
    return {index: indices[str(index)] for index in range(size) if str(index) in indices}


def _without(client: Client, records: Sequence[Record], at_fault: dict[int, ItemError], patience: Patience) -> Outcome:
    refused = Outcome([], [Refusal(records[index], item.code, item.detail) for index, item in at_fault.items()])
    rest = [record for index, record in enumerate(records) if index not in at_fault]
    return refused + predict_chunk(client, rest, patience) if rest else refused


def _smaller(client: Client, records: Sequence[Record], error: ServiceError, patience: Patience) -> Outcome:
    """The same in two halves; a record that is too much even alone is refused, or ends the run if time ran out."""
    if len(records) > 1:
        middle = len(records) // 2
        first = predict_chunk(client, records[:middle], patience)
        return first + predict_chunk(client, records[middle:], patience)
    concerns_record = isinstance(error, BodyTooLarge) or any(item.pointer == "/sequences" for item in error.items)
    if not concerns_record:
        raise error
    return Outcome([], [Refusal(records[0], error.problem_code, error.detail)])
