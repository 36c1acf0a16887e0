"""How much a process works on at once: what comes on top is refused before anything is spent on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

    @contextmanager
    def room(self, sequences: int, bases: int) -> Iterator[None]:
        """Hold room while a request is answered.

        Raises:
            Overloaded: there is none.
        """
        if self._sequences and not self._fits(sequences, bases):
            self._refuse()
        entered = self._clock()
        self._sequences, self._bases = self._sequences + sequences, self._bases + bases
        try:
            yield
        finally:
            self._sequences, self._bases = self._sequences - sequences, self._bases - bases
            self._stay_seconds += SMOOTHING * (self._clock() - entered - self._stay_seconds)

    def _fits(self, sequences: int, bases: int) -> bool:
        return self._sequences + sequences <= self._max_sequences and self._bases + bases <= self._max_bases

    def _refuse(self) -> None:
        self._metrics.shed("in_flight")
        detail = (
            f"{self._sequences} sequences of {self._bases} bases are in flight here; "
            f"the limits are {self._max_sequences} and {self._max_bases}."
        )
        # After as long as a request stays, those that are here now will have gone.
        raise Overloaded(detail, retry_after_ms=retry_after_ms(self._stay_seconds))
