"""Usual requests, predicted for without a task that waits: the last of the answers does the rest.

To predict as a task costs a request some twenty coroutines and four turns of the event loop, which is more than all
that it has to do. The rules are the predictor's; what is not usual is left to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from app.batching import Answer
from app.courses import OneGraph, slowest
from app.encoding import EncodedSequence, SequenceRefused
from app.flights import Boarded, Tell, Terms
from app.predictor import INLINE_BASES, Predictions, Predictor
from app.served_models import ServedModel


class Asked(NamedTuple):
    """A request that is read; nothing else has happened yet.

    Attributes:
        bases: of all of the sequences.
        seconds: that it took to encode them.
    """

    model: ServedModel
    course: OneGraph
    encoded: list[EncodedSequence]
    bases: int
    seconds: float


class Journey(NamedTuple):
    """A request on its way; it holds room until it ends.

    Attributes:
        entered: when it took room.
    """

    asked: Asked
    boarded: Boarded
    entered: float


class Express:
    """Predicts for requests that are usual.

    Args:
        predictor: whose rules and models these are.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self.now = predictor, predictor.clock
        self.max_sequences = predictor.limits.max_sequences
        self._max_bases = min(INLINE_BASES, predictor.limits.max_total_bases)

    def read(self, name: str | None, sequences: Sequence[str]) -> Asked | None:
        """Read a request; None if it is not usual, and has to be predicted for as a task.

        Raises:
            ServiceError: there is no such model.
        """
        predictor, started = self._predictor, self.now()
        bases = sum(map(len, sequences))
        if predictor.draining or bases > self._max_bases or not predictor.in_flight.fits(len(sequences), bases):
            return None
        model = predictor.sequence_model(name)
        course = predictor.course_of(model)
        if not isinstance(course, OneGraph) or not course.at_once:
            return None
        encoded = [each for each in course.encode(sequences) if not isinstance(each, SequenceRefused)]
        if len(encoded) < len(sequences):
            return None
        return Asked(model, course, encoded, bases, self.now() - started)

    def begin(self, asked: Asked, deadline: float, tell: Tell, *, lone: bool) -> Journey:
        """Let a request in.

        Args:
            deadline: seconds of the clock.
            lone: nobody else asks.
            tell: told how it ends, later; whoever asks has to `end` the journey then, or when he goes before.

        Raises:
            ServiceError: it is not let in.
        """
        sequences = len(asked.encoded)
        entered = self._predictor.in_flight.enter(sequences, asked.bases)
        try:
            return Journey(asked, asked.course.ask(asked.encoded, Terms(deadline, lone=lone), tell), entered)
        except BaseException:
            self._predictor.in_flight.leave(sequences, asked.bases, entered)
            raise

    def predictions(self, asked: Asked, answers: Sequence[Answer], seconds: dict[str, float]) -> Predictions:
        """The answer to a request.

        Args:
            seconds: in the phases so far; those that followed are added.
        """
        seconds["tokenize"] = asked.seconds
        seconds["queue"], seconds["compute"] = slowest(answers)
        bases, tokens = [each.bases for each in asked.encoded], [len(each.ids) for each in asked.encoded]
        return Predictions(asked.model, bases, tokens, [answer.values.tolist() for answer in answers], seconds)

    def count(self, predictions: Predictions) -> None:
        """Count a request that is answered."""
        predictions.model.metrics.predicted(predictions.tokens, predictions.values)

    def count_failed(self, asked: Asked) -> None:
        """Count a request that could not be answered."""
        asked.model.metrics.sequences("error", len(asked.encoded))

    def end(self, journey: Journey) -> None:
        """Give its room back, and wait for nothing more."""
        asked = journey.asked
        asked.course.leave(journey.boarded)
        self._predictor.in_flight.leave(len(asked.encoded), asked.bases, journey.entered)
