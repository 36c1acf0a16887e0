"""From sequences to predictions: the only orchestration, used by every route and command that predicts.

sequences → encoded (or refused, and then nothing is queued) → jobs → queue → values → predictions
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from app.batching import Answer, Priority
from app.bundle import Manifest
from app.dosage import Dosages, ModelVariants
from app.encoding import EncodedSequence, SequenceEncoder, SequenceRefused
from app.errors import DeadlineExceeded, Draining, ItemError, ServiceError, UnknownModel, Unprocessable
from app.flights import Flights, Terms
from app.in_flight import InFlight
from app.metrics import Metrics, ModelMetrics
from app.queue import JobQueue

# Below this a request is encoded faster than a thread could be woken for it.
INLINE_BASES = 4096


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One bundle as the API side sees it: how to encode for it, and the queue to its workers.

    Attributes:
        variants: what a model of dosages reads.
    """

    manifest: Manifest
    sha256: str
    encoder: SequenceEncoder
    queue: JobQueue
    metrics: ModelMetrics
    variants: ModelVariants | None = None


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may ask for."""

    max_sequences: int = 4096
    max_total_bases: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Predictions:
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
        self.models = tuple(models)
        self.limits, self._in_flight, self._metrics, self._clock = limits, in_flight, metrics, clock
        self._by_name = {model.manifest.name: model for model in reversed(models)}
        self._by_name |= {model.manifest.versioned_name: model for model in models}
        self._flights = {model.sha256: self._new_flights(model) for model in models}
        self._personal: set[Flights] = set()
        self.draining = False

    def model(self, name: str | None) -> ServedModel:
        """The model of that name, `name@version`, or the only one there is.

        Raises:
            UnknownModel: there is none, or no name was given and there are several.
        """
        if name is None and len(self.models) == 1:
            return self.models[0]
        if name is None:
            raise UnknownModel(f"Several models are loaded; name one of {self._names()}.")
        if name not in self._by_name:
            raise UnknownModel(f"No model of that name or version is loaded; there is {self._names()}.")
        return self._by_name[name]

    def sequence_model(self, name: str | None) -> ServedModel:
        """The same, which must be one that reads sequences.

        Raises:
            UnknownModel: as `model`.
            Unprocessable: it reads genotypes.
        """
        model = self.model(name)
        if not model.manifest.input.reads_sequences:
            detail = "This model reads genotypes and no sequences; ask POST /predict/individual."
            raise Unprocessable(detail, items=[ItemError("/model", "needs_genotypes", detail)])
        return model

    def _names(self) -> str:
        return ", ".join(model.manifest.versioned_name for model in self.models)

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
        with self._in_flight.room(len(sequences), bases):
            terms = Terms(deadline, priority, traceparent)
            return self._record(await self._predict(self._flights[model.sha256], model, sequences, terms))

    async def predict_personal(
        self, model: ServedModel, sequences: Sequence[str], deadline: float, priority: Priority, traceparent: str | None
    ) -> Predictions:
        """Predict for sequences that are somebody's own, as part of a request that was let in.

        They fly alone: no other request boards their flights, nor they another's, so the time that an answer takes does
        not tell whose sequence was asked for before. Their values are not counted.

        Raises:
            ServiceError: they cannot be predicted.
        """
        with self._in_flight.room(len(sequences), sum(map(len, sequences))), self._alone(model) as flights:
            found = await self._predict(flights, model, sequences, Terms(deadline, priority, traceparent))
        model.metrics.sequences("ok", len(sequences))
        return found

    async def predict_dosages(
        self, model: ServedModel, rows: Dosages, deadline: float, priority: Priority, traceparent: str | None
    ) -> list[Answer]:
        """Predict for people's dosages, under the same rules.

        Args:
            rows: (people, variants).

        Raises:
            ServiceError: they cannot be predicted.
        """
        encoded = [EncodedSequence(0, row) for row in rows]
        with self._in_flight.room(len(rows), rows.size), self._alone(model) as flights:
            answers = await self._answers(flights, model, encoded, Terms(deadline, priority, traceparent))
        model.metrics.sequences("ok", len(rows))
        return answers

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
        for flights in (*self._flights.values(), *self._personal):
            flights.abandon(error)

    @contextmanager
    def _alone(self, model: ServedModel) -> Iterator[Flights]:
        flights = self._new_flights(model)
        self._personal.add(flights)
        try:
            yield flights
        finally:
            self._personal.discard(flights)

    def _new_flights(self, model: ServedModel) -> Flights:
        return Flights(model.queue, model.metrics, self._clock)

    async def _predict(
        self, flights: Flights, model: ServedModel, sequences: Sequence[str], terms: Terms
    ) -> Predictions:
        started = self._clock()
        self._refuse_late(model, len(sequences), terms.deadline)
        encoded = _accepted(await _encode(model.encoder, sequences), model)
        tokenize_seconds = self._clock() - started
        self._refuse_late(model, len(sequences), terms.deadline)
        answers = await self._answers(flights, model, encoded, terms)
        return _predictions(model, encoded, answers, tokenize_seconds)

    def _refuse_late(self, model: ServedModel, sequences: int, deadline: float) -> None:
        if deadline <= self._clock():
            model.metrics.sequences("error", sequences)
            raise DeadlineExceeded("The deadline passed before the request was read.")

    async def _answers(
        self, flights: Flights, model: ServedModel, encoded: Sequence[EncodedSequence], terms: Terms
    ) -> list[Answer]:
        try:
            return await flights.answers([row.ids for row in encoded], terms)
        except ServiceError:
            model.metrics.sequences("error", len(encoded))
            raise

    def _check_size(self, sequences: Sequence[str]) -> int:
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
        metrics = predictions.model.metrics
        metrics.sequences("ok", len(predictions.bases))
        for histogram, column in zip(metrics.values, zip(*predictions.values, strict=True), strict=True):
            histogram.observe_all(column)
        return predictions


async def _encode(encoder: SequenceEncoder, sequences: Sequence[str]) -> list[EncodedSequence | SequenceRefused]:
    if sum(map(len, sequences)) <= INLINE_BASES:
        return encoder.encode(sequences)
    return await asyncio.to_thread(encoder.encode, sequences)


def _accepted(encoded: Sequence[EncodedSequence | SequenceRefused], model: ServedModel) -> list[EncodedSequence]:
    refused = [row.at(f"/sequences/{index}") for index, row in enumerate(encoded) if isinstance(row, SequenceRefused)]
    if refused:
        model.metrics.sequences("refused", len(refused))
        detail = f"{len(refused)} of {len(encoded)} sequences are refused; nothing was predicted."
        raise Unprocessable(detail, items=refused)
    return [row for row in encoded if isinstance(row, EncodedSequence)]


def _predictions(
    model: ServedModel, encoded: Sequence[EncodedSequence], answers: Sequence[Answer], tokenize_seconds: float
) -> Predictions:
    seconds = {
        "tokenize": tokenize_seconds,
        "queue": max(answer.queue_seconds for answer in answers),
        "compute": max(answer.compute_seconds for answer in answers),
    }
    values = [answer.values.tolist() for answer in answers]
    return Predictions(model, [row.bases for row in encoded], [row.tokens for row in encoded], values, seconds)


def _refuse(code: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError("/sequences", code, detail)])
