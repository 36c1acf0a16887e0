"""From sequences to predictions: the only orchestration, used by every route and command that predicts.

    sequences → encoded (or refused, and then nothing is queued) → jobs → queue → values → predictions

Identical sequences in flight are computed once: the first becomes a job, the others wait for its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from app.batching import Answer, Job, Outcome, Priority
from app.bundle import Manifest
from app.dosage import Dosages, ModelVariants
from app.encoding import EncodedSequence, SequenceEncoder, SequenceRefused
from app.errors import DeadlineExceeded, Draining, ItemError, ServiceError, UnknownModel, Unprocessable
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
        self._flights = {model.sha256: Flights(model, clock) for model in models}
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
            flights = self._flights[model.sha256]
            return self._record(await self._predict(flights, model, sequences, deadline, priority, traceparent))

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
            found = await self._predict(flights, model, sequences, deadline, priority, traceparent)
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
            answers = await self._answers(flights, model, encoded, deadline, priority, traceparent)
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
        flights = Flights(model, self._clock)
        self._personal.add(flights)
        try:
            yield flights
        finally:
            self._personal.discard(flights)

    async def _predict(
        self,
        flights: Flights,
        model: ServedModel,
        sequences: Sequence[str],
        deadline: float,
        priority: Priority,
        traceparent: str | None,
    ) -> Predictions:
        started = self._clock()
        self._refuse_late(model, len(sequences), deadline)
        encoded = _accepted(await _encode(model.encoder, sequences), model)
        tokenize_seconds = self._clock() - started
        self._refuse_late(model, len(sequences), deadline)
        answers = await self._answers(flights, model, encoded, deadline, priority, traceparent)
        return _predictions(model, encoded, answers, tokenize_seconds)

    def _refuse_late(self, model: ServedModel, sequences: int, deadline: float) -> None:
        if deadline <= self._clock():
            model.metrics.sequences("error", sequences)
            raise DeadlineExceeded("The deadline passed before the request was read.")

    async def _answers(
        self,
        flights: Flights,
        model: ServedModel,
        encoded: Sequence[EncodedSequence],
        deadline: float,
        priority: Priority,
        traceparent: str | None,
    ) -> list[Answer]:
        try:
            return await flights.answers(encoded, deadline, priority, traceparent)
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


class Waiter:
    """One request that waits for its answers; resolved at once when the last is there or the first fails."""

    __slots__ = ("answers", "deadline", "future", "missing")

    def __init__(self, size: int, deadline: float) -> None:
        self.answers: list[Answer | None] = [None] * size
        self.missing = size
        self.deadline = deadline
        self.future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()

    def receive(self, index: int, outcome: Outcome) -> None:
        """Take the outcome of the sequence at `index`."""
        if self.future.done():
            return
        if isinstance(outcome, ServiceError):
            self.future.set_exception(_located(outcome, index))
            return
        self.answers[index] = outcome
        self.missing -= 1
        if not self.missing:
            self.future.set_result([answer for answer in self.answers if answer is not None])


@dataclass(slots=True, eq=False)
class Flight:
    """One job and everybody who waits for its answer, each with the places of this sequence in his request."""

    key: bytes
    job: Job
    waiters: dict[Waiter, list[int]] = field(default_factory=dict)


class Flights:
    """The jobs of one model in flight: equal inputs share one."""

    def __init__(self, model: ServedModel, clock: Callable[[], float]) -> None:
        self._queue, self._metrics, self._clock = model.queue, model.metrics, clock
        self._by_key: dict[bytes, Flight] = {}
        self._by_job: dict[Job, Flight] = {}
        self._again: set[asyncio.Task[None]] = set()

    async def answers(
        self, encoded: Sequence[EncodedSequence], deadline: float, priority: Priority, traceparent: str | None = None
    ) -> list[Answer]:
        """Board or begin a flight for each input and wait for all of them.

        Raises:
            ServiceError: the first failure, or `DeadlineExceeded`.
        """
        waiter = Waiter(len(encoded), deadline)
        boarded = self._board(encoded, waiter, priority, traceparent)
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):  # a queue out of reach keeps nobody longer
                await self._begin([flight for flight, is_new in boarded if is_new])
                return await waiter.future
        except TimeoutError:
            raise DeadlineExceeded("The deadline passed before the model had answered.") from None
        finally:
            if waiter.missing:
                self._leave(waiter, [flight for flight, _ in boarded])

    def abandon(self, error: ServiceError) -> None:
        """End every flight with this error."""
        for job in list(self._by_job):
            self._deliver(job, error)

    def _board(
        self, encoded: Sequence[EncodedSequence], waiter: Waiter, priority: Priority, traceparent: str | None
    ) -> list[tuple[Flight, bool]]:
        now = self._clock()
        boarded = []
        for index, row in enumerate(encoded):
            # By priority too: who is in a hurry must not wait for a job that gives way.
            key = priority.encode() + row.ids.tobytes()
            flight = self._by_key.get(key)
            is_new = flight is None
            if flight is None:
                flight = Flight(key, Job(row.ids, now, waiter.deadline, priority, traceparent))
                self._by_key[key] = self._by_job[flight.job] = flight
            else:
                self._metrics.deduplicated.inc()
            flight.waiters.setdefault(waiter, []).append(index)
            boarded.append((flight, is_new))
        return boarded

    async def _begin(self, flights: Sequence[Flight]) -> None:
        if not flights:
            return
        try:
            await self._queue.submit([flight.job for flight in flights], self._deliver)
        except ServiceError as error:
            for flight in flights:
                self._deliver(flight.job, error)

    def _deliver(self, job: Job, outcome: Outcome) -> None:
        flight = self._by_job.pop(job, None)
        if flight is None:
            return
        if isinstance(outcome, DeadlineExceeded) and self._fly_again(flight):
            return
        del self._by_key[flight.key]
        for waiter, indexes in flight.waiters.items():
            for index in indexes:
                waiter.receive(index, outcome)

    def _fly_again(self, flight: Flight) -> bool:
        """Whether somebody with a later deadline still waits; then the job is queued once more, for them."""
        deadline = max((waiter.deadline for waiter in flight.waiters), default=0.0)
        if deadline <= max(self._clock(), flight.job.deadline):
            return False
        flight.job = replace(flight.job, submitted_at=self._clock(), deadline=deadline)
        self._by_job[flight.job] = flight
        task = asyncio.get_running_loop().create_task(self._begin([flight]))
        self._again.add(task)
        task.add_done_callback(self._again.discard)
        return True

    def _leave(self, waiter: Waiter, flights: Sequence[Flight]) -> None:
        """Nobody computes for a request that has ended, unless others wait for the same answer."""
        for flight in flights:
            flight.waiters.pop(waiter, None)
        deserted = {flight.job: flight for flight in flights if not flight.waiters}
        for job, flight in deserted.items():
            if self._by_job.pop(job, None) is not None:
                del self._by_key[flight.key]
        self._queue.cancel(list(deserted))


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


def _located(error: ServiceError, index: int) -> ServiceError:
    """The same error, saying which item it befell, where it is one item's."""
    if error.status != 500 or error.items:
        return error
    item = ItemError(f"/sequences/{index}", error.code, error.detail)
    return type(error)(error.detail, items=[item])


def _refuse(code: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError("/sequences", code, detail)])
