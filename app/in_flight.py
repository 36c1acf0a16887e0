"""How much a process works on at once: what comes on top is refused before anything is spent on it."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.errors import Overloaded
from app.metrics import Metrics
from app.queue.admission import retry_after_ms

SMOOTHING = 0.1


class InFlight:
    """The requests in flight and the room for more, by sequences and bases; nobody waits for room.

    Args:
        max_sequences, max_bases: in flight at once; a request that is alone may be larger.
        metrics: what to count.
        clock: monotonic seconds.
    """

    def __init__(
        self, max_sequences: int, max_bases: int, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_sequences, self._max_bases = max_sequences, max_bases
        self._metrics, self._clock = metrics, clock
        self._sequences = self._bases = 0
        self._stay_seconds = 0.0

    def room(self, sequences: int, bases: int) -> Room:
        """Room to hold while a request is answered; to enter it raises `Overloaded` where there is none."""
        return Room(self, sequences, bases)

    def enter(self, sequences: int, bases: int) -> float:
        """Take room, and the time.

        Raises:
            Overloaded: there is none.
        """
        if not self.fits(sequences, bases):
            self._refuse()
        self._sequences, self._bases = self._sequences + sequences, self._bases + bases
        return self._clock()

    def leave(self, sequences: int, bases: int, entered: float) -> None:
        """Give room back that was taken at that time."""
        self._sequences, self._bases = self._sequences - sequences, self._bases - bases
        self._stay_seconds += SMOOTHING * (self._clock() - entered - self._stay_seconds)

    def fits(self, sequences: int, bases: int) -> bool:
        """Whether there is room."""
        if not self._sequences:
            return True
        return self._sequences + sequences <= self._max_sequences and self._bases + bases <= self._max_bases

    def _refuse(self) -> None:
        self._metrics.shed("in_flight")
        detail = (
            f"{self._sequences} sequences of {self._bases} bases are in flight here; "
            f"the limits are {self._max_sequences} and {self._max_bases}."
        )
        # After as long as a request stays, those that are here now will have gone.
        raise Overloaded(detail, retry_after_ms=retry_after_ms(self._stay_seconds))


class Room:
    """A context, by hand: one made of a generator costs every request four calls more."""

    __slots__ = ("_bases", "_entered", "_in_flight", "_sequences")

    def __init__(self, in_flight: InFlight, sequences: int, bases: int) -> None:
        self._in_flight, self._sequences, self._bases = in_flight, sequences, bases

    def __enter__(self) -> None:
        self._entered = self._in_flight.enter(self._sequences, self._bases)

    def __exit__(self, *_: object) -> None:
        self._in_flight.leave(self._sequences, self._bases, self._entered)
