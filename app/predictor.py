"""From sequences to predictions: the only orchestration, used by every route and command that predicts.

    sequences → encoded (or refused, and then nothing is queued) → the course through the model's graphs → predictions

What is somebody's own takes a course of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from app.batching import Answer, Priority
from app.courses import Course, OneGraph, Read, TwoGraphs, slowest, stacked
from app.encoding import SequenceEncoder, SequenceRefused
from app.errors import DeadlineExceeded, Draining, ItemError, ServiceError, Unprocessable
from app.flights import Flights, Terms
from app.in_flight import InFlight
from app.metrics import Metrics
from app.served_models import ServedModel, ServedModels
from app.window_encoding import WindowEncoder

# Below this a request is encoded faster than a thread could be woken for it.
INLINE_BASES = 4096

Rows = npt.NDArray[np.float32]
TokenIds = npt.NDArray[np.int64]
Asked = TypeVar("Asked", bound=Sized)  # a sequence, or its token ids
Encode = Callable[[Sequence[Asked]], list[Read | SequenceRefused]]


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may ask for."""

    max_sequences: int = 4096
    max_total_bases: int = 16 * 1024 * 1024


class Predictions(NamedTuple):
    """The answer to one request, in its order.

    Attributes:
        bases, tokens: length of each sequence, as sent and as read by the model.
        values: for each sequence its targets' values, in their units.
        seconds: time in the phases tokenize, queue and compute; the slowest sequence counts.
    """

    model: ServedModel
    bases: list[int]
    tokens: list[int]
    values: list[list[float]]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Embeddings of segments.

    Attributes:
        embeddings: (segments, width).
        tokens: read in all.
        seconds: as of predictions.
    """

    embeddings: Rows
    tokens: int
    seconds: Mapping[str, float]


class Predictor:
    """Predicts for the models that are loaded.

    Args:
        models: in order of preference; of several versions of one name the first is the default.
        limits: what one request may ask for.
        in_flight: what all of them together may.
        metrics: what to count.
        clock: monotonic seconds, the event loop's.
    """

    def __init__(
        self,
        models: Sequence[ServedModel],
        limits: RequestLimits,
        in_flight: InFlight,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._served = ServedModels(models)
        self.limits, self.in_flight, self._metrics, self.clock = limits, in_flight, metrics, clock
        self._courses = {model.sha256: self._new_course(model) for model in models}
        self._personal: set[OneGraph | TwoGraphs] = set()
        self.draining = False

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """All of them, in order of preference."""
        return self._served.all

    def model(self, name: str | None) -> ServedModel:
        """The model of that name, `name@version`, or the only one there is.

        Raises:
            UnknownModel: there is none, or no name was given and there are several.
        """
        return self._served.model(name)

    def sequence_model(self, name: str | None) -> ServedModel:
        """The same, which must be one that reads sequences.

        Raises:
            UnknownModel: as `model`.
            Unprocessable: it reads genotypes.
        """
        return self._served.sequence_model(name)

    async def predict(
        self,
        name: str | None,
        sequences: Sequence[str],
        deadline: float,
        priority: Priority = "interactive",
        traceparent: str | None = None,
    ) -> Predictions:
        """Predict for each sequence.

        Args:
            name: of the model, with or without `@version`.
            deadline: seconds of the clock, after which nobody wants the answer.
            traceparent: the trace that the jobs belong to.

        Raises:
            ServiceError: the request as a whole cannot be answered.
        """
        self.refuse_while_draining()
        return await self.predict_part(name, sequences, deadline, priority, traceparent)

    async def predict_part(
        self, name: str | None, sequences: Sequence[str], deadline: float, priority: Priority, traceparent: str | None
    ) -> Predictions:
        """Predict for some of the sequences of a request that was let in, which ends even while the process drains.

        Raises:
            ServiceError: they cannot be predicted.
        """
        model = self.sequence_model(name)
        bases = self._check_size(sequences)
        with self.in_flight.room(len(sequences), bases):
            terms = Terms(deadline, priority, traceparent)
            course = self.course_of(model)
            return self._record(await self._predict(course, model, sequences, terms, course.encode))

    async def predict_ids(
        self,
        model: ServedModel,
        rows: Sequence[TokenIds],
        deadline: float,
        priority: Priority = "interactive",
        traceparent: str | None = None,
    ) -> Predictions:
        """Predict for sequences that the caller has encoded; a token counts as a base.

        Args:
            model: one that reads token ids.
            rows: of each sequence (length,) with special tokens, without padding.

        Raises:
            ServiceError: the request as a whole cannot be answered.
        """
        self.refuse_while_draining()
        course = self.course_of(model)
        assert isinstance(model.encoder, SequenceEncoder)  # noqa: S101 - it reads token ids
        with self.in_flight.room(len(rows), self._check_size(rows)):
            terms = Terms(deadline, priority, traceparent)
            return self._record(await self._predict(course, model, rows, terms, model.encoder.check_ids))

    async def predict_personal(
        self, model: ServedModel, sequences: Sequence[str], deadline: float, priority: Priority, traceparent: str | None
    ) -> Predictions:
        """Predict for sequences that are somebody's own, as part of a request that was let in.

        They fly alone: no other request boards their flights, nor they another's, so the time that an answer takes does
        not tell whose sequence was asked for before. Their values are not counted.

        Raises:
            ServiceError: they cannot be predicted.
        """
        with self.in_flight.room(len(sequences), sum(map(len, sequences))), self._alone(model) as course:
            terms = Terms(deadline, priority, traceparent)
            found = await self._predict(course, model, sequences, terms, course.encode)
        model.metrics.sequences("ok", len(sequences))
        return found

    async def predict_rows(
        self, model: ServedModel, rows: Rows, deadline: float, priority: Priority, traceparent: str | None
    ) -> list[Answer]:
        """Predict for what is known of people, under the same rules.

        Args:
            rows: (people, variants) dosages, or (windows, segments * width) embeddings of somebody's windows.

        Raises:
            ServiceError: they cannot be predicted.
        """
        terms = Terms(deadline, priority, traceparent)
        with self.in_flight.room(len(rows), rows.size), self._alone(model) as course:
            answers = await _counted(model, len(rows), course.predict(rows, terms))
        model.metrics.sequences("ok", len(rows))
        return answers

    async def embed_personal(
        self, model: ServedModel, segments: Sequence[str], deadline: float, priority: Priority, traceparent: str | None
    ) -> Embedded:
        """Embed segments of somebody's windows, under the same rules; `predict_rows` predicts from the embeddings.

        Raises:
            ServiceError: one of them cannot be embedded.
        """
        terms = Terms(deadline, priority, traceparent)
        with self.in_flight.room(len(segments), sum(map(len, segments))), self._alone(model) as course:
            assert isinstance(course, TwoGraphs)  # noqa: S101 - asked for models with segments only
            encoded, seconds = await self._encoded(model, segments, terms, course.encode_segments)
            answers = await _counted(model, len(segments), course.embed(encoded, terms))
        return Embedded(stacked(answers), sum(each.tokens for each in encoded), _seconds(answers, seconds))

    def course_of(self, model: ServedModel) -> OneGraph | TwoGraphs:
        """The course that requests for a model share."""
        return self._courses[model.sha256]

    def refuse_while_draining(self) -> None:
        """Refuse what has not begun.

        Raises:
            Draining: the process is about to stop.
        """
        if self.draining:
            self._metrics.shed("draining")
            raise Draining(retry_after_ms=1000)

    def abandon(self, error: ServiceError) -> None:
        """Answer everybody who waits with this error, and take nothing new."""
        self.draining = True
        for course in (*self._courses.values(), *self._personal):
            course.abandon(error)

    @contextmanager
    def _alone(self, model: ServedModel) -> Iterator[OneGraph | TwoGraphs]:
        course = self._new_course(model)
        self._personal.add(course)
        try:
            yield course
        finally:
            self._personal.discard(course)
            course.close()

    def _new_course(self, model: ServedModel) -> OneGraph | TwoGraphs:
        first, *head = (Flights(queue, model.metrics, self.clock) for queue in model.queues)
        if isinstance(model.encoder, WindowEncoder):
            return TwoGraphs(model.encoder, first, *head)
        return OneGraph(model.encoder, first)

    async def _predict(
        self,
        course: Course[Any],
        model: ServedModel,
        sequences: Sequence[Asked],
        terms: Terms,
        encode: Encode[Asked, Any],
    ) -> Predictions:
        encoded, seconds = await self._encoded(model, sequences, terms, encode)
        answers = await _counted(model, len(sequences), course.answers(encoded, terms))
        values = [answer.values.tolist() for answer in answers]
        bases, tokens = [row.bases for row in encoded], [row.tokens for row in encoded]
        return Predictions(model, bases, tokens, values, _seconds(answers, seconds))

    async def _encoded(
        self, model: ServedModel, sequences: Sequence[Asked], terms: Terms, encode: Encode[Asked, Read]
    ) -> tuple[list[Read], float]:
        """All of the sequences, and how long that took."""
        started = self.clock()
        self._refuse_late(model, len(sequences), terms.deadline)
        inline = sum(map(len, sequences)) <= INLINE_BASES
        read = encode(sequences) if inline else await asyncio.to_thread(encode, sequences)
        encoded = _accepted(read, model)
        self._refuse_late(model, len(sequences), terms.deadline)
        return encoded, self.clock() - started

    def _refuse_late(self, model: ServedModel, sequences: int, deadline: float) -> None:
        if deadline <= self.clock():
            model.metrics.sequences("error", sequences)
            raise DeadlineExceeded("The deadline passed before the request was read.")

    def _check_size(self, sequences: Sequence[Sized]) -> int:
        """How many bases there are in all."""
        if not sequences:
            raise _refuse("empty", "The list of sequences is empty; send at least one.")
        if len(sequences) > self.limits.max_sequences:
            limit = self.limits.max_sequences
            raise _refuse("too_many", f"{len(sequences)} sequences; one request takes at most {limit}. Send several.")
        bases = sum(map(len, sequences))
        if bases > self.limits.max_total_bases:
            limit = self.limits.max_total_bases
            raise _refuse("too_long", f"{bases} bases in all; one request takes at most {limit}. Send several.")
        return bases

    def _record(self, predictions: Predictions) -> Predictions:
        predictions.model.metrics.predicted(predictions.tokens, predictions.values)
        return predictions


def _accepted(encoded: Sequence[Read | SequenceRefused], model: ServedModel) -> list[Read]:
    refused = [row.at(f"/sequences/{index}") for index, row in enumerate(encoded) if isinstance(row, SequenceRefused)]
    if refused:
        model.metrics.sequences("refused", len(refused))
        detail = f"{len(refused)} of {len(encoded)} sequences are refused; nothing was predicted."
        raise Unprocessable(detail, items=refused)
    return [row for row in encoded if not isinstance(row, SequenceRefused)]


async def _counted(model: ServedModel, sequences: int, answers: Awaitable[list[Answer]]) -> list[Answer]:
    """The answers; if they do not come, the sequences count as failed."""
    try:
        return await answers
    except ServiceError:
        model.metrics.sequences("error", sequences)
        raise


def _seconds(answers: Sequence[Answer], tokenize: float) -> dict[str, float]:
    queue, compute = slowest(answers)
    return {"tokenize": tokenize, "queue": queue, "compute": compute}


def _refuse(code: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError("/sequences", code, detail)])
