"""The course that sequences take through a bundle's graphs: encoded, put into the queue, answered.

    OneGraph    sequence → model → values
    TwoGraphs   window → segments → embedder → embeddings → head → values

Identical inputs in flight are computed once, segments and all, by whoever shares a course.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from app.batching import Answer
from app.encoding import EncodedSequence, Ids, SequenceEncoder, SequenceRefused
from app.errors import InferenceFailed, ServiceError
from app.flights import Boarded, Flights, Tell, Terms
from app.window_encoding import EncodedWindow, WindowEncoder

# Of the embeddings that wait for a head at once: 2 MiB.
HEAD_NUMBERS = 512 * 1024

Embeddings = npt.NDArray[np.float32]


class Encoded(Protocol):
    """A sequence as a model reads it."""

    @property
    def bases(self) -> int: ...

    @property
    def tokens(self) -> int: ...


Read = TypeVar("Read", bound=Encoded)


class Course(Protocol[Read]):
    """What a request needs of a model."""

    def encode(self, sequences: Sequence[str]) -> list[Read | SequenceRefused]:
        """Encode each sequence, or say why it is refused; safe to call in a thread."""

    async def answers(self, encoded: Sequence[Read], terms: Terms) -> list[Answer]:
        """Wait for the values of each.

        Raises:
            ServiceError: the first failure; one item's own has a pointer to it.
        """

    def abandon(self, error: ServiceError) -> None:
        """End everything that waits with this error."""

    def close(self) -> None:
        """Nobody will ask any more."""


class OneGraph:
    """A course through one graph."""

    def __init__(self, encoder: SequenceEncoder, flights: Flights) -> None:
        self._encoder, self._flights = encoder, flights

    def encode(self, sequences: Sequence[str]) -> list[EncodedSequence | SequenceRefused]:
        return self._encoder.encode(sequences)

    def answers(self, encoded: Sequence[EncodedSequence], terms: Terms) -> Coroutine[Any, Any, list[Answer]]:
        return self._flights.answers([each.ids for each in encoded], terms)

    @property
    def at_once(self) -> bool:
        """Whether `ask` is possible."""
        return self._flights.at_once

    def ask(self, encoded: Sequence[EncodedSequence], terms: Terms, tell: Tell) -> Boarded:
        """The same without a task that waits.

        Args:
            tell: told how it ends, later; whoever asks has to `leave` then, or when he goes before.

        Raises:
            ServiceError: the jobs are not taken.
        """
        return self._flights.ask([each.ids for each in encoded], terms, tell)

    def leave(self, boarded: Boarded) -> None:
        """Whoever has asked waits no longer."""
        self._flights.leave(boarded)

    async def predict(self, rows: npt.NDArray[np.float32], terms: Terms) -> list[Answer]:
        """Wait for the values of each row of dosages.

        Raises:
            ServiceError: the first failure.
        """
        return await self._flights.answers(list(rows), terms)

    def abandon(self, error: ServiceError) -> None:
        self._flights.abandon(error)

    def close(self) -> None:
        self._flights.close()


class TwoGraphs:
    """A course through an embedder and a head."""

    def __init__(self, encoder: WindowEncoder, embedder: Flights, head: Flights) -> None:
        self._encoder, self._embedder, self._head = encoder, embedder, head

    def encode(self, sequences: Sequence[str]) -> list[EncodedWindow | SequenceRefused]:
        return self._encoder.encode(sequences)

    def encode_segments(self, segments: Sequence[str]) -> list[EncodedSequence | SequenceRefused]:
        """Encode segments of windows that are asked for one by one."""
        return self._encoder.encode_segments(segments)

    async def answers(self, encoded: Sequence[EncodedWindow], terms: Terms) -> list[Answer]:
        segments = _DistinctSegments(encoded)
        embedded = await self._embedder.answers(segments.ids, terms, segments.first_windows)
        embeddings = stacked(embedded)
        answers: list[Answer] = []
        for chunk in head_chunks(len(encoded), segments.rows.shape[1] * embeddings.shape[1]):
            rows = embeddings[segments.rows[chunk.start : chunk.stop]].reshape(len(chunk), -1)
            answers += await self._head.answers(list(rows), terms, chunk)
        queue, compute = slowest(embedded)
        return [Answer(it.values, it.queue_seconds + queue, it.compute_seconds + compute) for it in answers]

    async def embed(self, segments: Sequence[EncodedSequence], terms: Terms) -> list[Answer]:
        """Wait for the embedding of each segment.

        Raises:
            ServiceError: the first failure.
        """
        return await self._embedder.answers([each.ids for each in segments], terms)

    async def predict(self, embeddings: Embeddings, terms: Terms) -> list[Answer]:
        """Wait for the values of each window.

        Args:
            embeddings: (windows, segments * width), of at most `HEAD_NUMBERS` in all.

        Raises:
            ServiceError: the first failure.
        """
        return await self._head.answers(list(embeddings), terms)

    def abandon(self, error: ServiceError) -> None:
        self._embedder.abandon(error)
        self._head.abandon(error)

    def close(self) -> None:
        self._embedder.close()
        self._head.close()


class _DistinctSegments:
    """The distinct segments of some windows.

    Attributes:
        ids: of each.
        first_windows: the first window that each is in.
        rows: (windows, segments) which of them a window is made of.
    """

    def __init__(self, windows: Sequence[EncodedWindow]) -> None:
        row_of: dict[bytes, int] = {}
        self.ids: list[Ids] = []
        self.first_windows: list[int] = []
        for place, window in enumerate(windows):
            for ids in window.segments:
                if row_of.setdefault(ids.tobytes(), len(row_of)) == len(self.ids):
                    self.ids.append(ids)
                    self.first_windows.append(place)
        self.rows = np.array([[row_of[ids.tobytes()] for ids in window.segments] for window in windows])


def head_chunks(windows: int, numbers: int) -> Iterator[range]:
    """Windows in groups whose embeddings may wait for a head at once.

    Args:
        numbers: that the embeddings of a window have.
    """
    step = max(HEAD_NUMBERS // numbers, 1)
    return (range(start, min(start + step, windows)) for start in range(0, windows, step))


def stacked(answers: Sequence[Answer]) -> Embeddings:
    """(answers, width) embeddings.

    Raises:
        InferenceFailed: they are not of one width.
    """
    if len({len(answer.values) for answer in answers}) > 1:
        raise InferenceFailed("The embedder answers in several widths.")
    return np.stack([answer.values for answer in answers])


def slowest(answers: Sequence[Answer]) -> tuple[float, float]:
    """The longest time in the queue, and in computing."""
    return max(each.queue_seconds for each in answers), max(each.compute_seconds for each in answers)
