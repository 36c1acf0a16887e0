"""Batches get smaller where the device runs out of memory again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from app.batching import Batch, BatchLimits

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0


class MemoryPressure:
    """The limits by which a model's batches are formed.

    One batch that does not fit is bad luck, and halving it is cheaper than small batches for ever; the second within a
    minute says that the limits are wrong for this device.

    Args:
        limits: to begin with.
        clock: monotonic seconds.

    Attributes:
        limits: as they are now; they never grow again.
    """

    def __init__(self, limits: BatchLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._last = float("-inf")

    def exceeded(self, batch: Batch) -> None:
        """The device could not hold this batch."""
        if len(batch.jobs) == 1 or batch.padded_tokens > self.limits.max_tokens:
            return  # it has no company to blame, or was taken before the limits were lowered
        now = self._clock()
        again, self._last = now - self._last < WINDOW_SECONDS, now
        if again:
            lower = max(1, batch.padded_tokens // 2)
            self.limits = replace(self.limits, max_tokens=lower)
            self._last = float("-inf")
            log.warning("batches are made smaller, the device lacks memory", extra={"max_tokens": lower})
