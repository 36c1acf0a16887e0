"""A batch that hangs is noticed by a thread that does nothing else."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from app.fuse import Fuse

LOOKS_PER_LIMIT = 8
# A batch that takes this many times as long as it should will not come back.
PATIENCE = 10


class Speed(NamedTuple):
    """How fast a model was when it was loaded.

    Attributes:
        seconds_per_token: in the small batches of the golden examples; too much for a model of fixed cost.
        longest_seconds: of the longest input by itself, if that was measured.
    """

    seconds_per_token: float = 0.0
    longest_seconds: float = math.inf

    def expected_seconds(self, rows: int, padded_tokens: int) -> float:
        """How long a batch should take."""
        return min(self.seconds_per_token * padded_tokens, self.longest_seconds * rows)


class Watched(NamedTuple):
    """A batch that is computed.

    Attributes:
        thread: native id of the one that computes it.
        due: when it has to be done, in seconds that the process has run.
        starved_before: for how long the thread had waited for a core when it began.
    """

    thread: int
    due: float
    starved_before: float


class Schedstat:
    """What Linux says of one thread's time, in a file that is opened once and read for every batch.

    To open it costs some thirty times as much as to read it, in the worst case a tenth of a millisecond.
    """

    def __init__(self, thread: int) -> None:
        self._file = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def starved_seconds(self) -> float:
        """For how long the thread has been ready and had no core."""
        return int(os.pread(self._file, 64, 0).split()[1]) / 1e9


_own = threading.local()  # closes a thread's file when it ends


def starved_seconds(thread: int) -> float:
    """For how long a thread of this process has been ready and had no core; 0 where nobody says."""
    try:
        if thread != threading.get_native_id():
            return Schedstat(thread).starved_seconds()
        if not hasattr(_own, "schedstat"):
            _own.schedstat = Schedstat(thread)
        seconds: float = _own.schedstat.starved_seconds()
    except (OSError, IndexError, ValueError):
        return 0.0
    return seconds


class Watchdog:
    """Blows the fuse when a batch takes too long.

    Time in which the whole process stood still, because it was stopped or the machine slept, does not count; nor does
    that in which the batch's thread was ready and others had its core.

    Args:
        fuse: what it blows.
        limit_seconds: how long any batch may take.
        clock: monotonic seconds.
        starved: for how many seconds a thread has waited for a core, by its native id.
    """

    def __init__(
        self,
        fuse: Fuse,
        limit_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        starved: Callable[[int], float] = starved_seconds,
    ) -> None:
        self.fuse, self.limit_seconds = fuse, limit_seconds
        self._clock, self._starved = clock, starved
        self._period = limit_seconds / LOOKS_PER_LIMIT
        self._seen_at = clock()
        self._running_seconds = 0.0
        self._watched: dict[Watch, Watched] = {}  # its methods are atomic: compute threads write, another reads
        self._ended = threading.Event()

    def start(self) -> None:
        """Watch, until `stop`."""
        self._ended.clear()
        self._seen_at = self._clock()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        self._ended.set()

    def watching(self, expected_seconds: float) -> Watch:
        """Watch what is done in a context; it may take the limit, or ten times what is expected of it."""
        return Watch(self, expected_seconds)

    def begin(self, watch: Watch, expected_seconds: float) -> None:
        """Watch what this thread does from now on."""
        thread = threading.get_native_id()
        due = self._running_seconds + max(self.limit_seconds, PATIENCE * expected_seconds)
        self._watched[watch] = Watched(thread, due, self._starved(thread))

    def end(self, watch: Watch) -> None:
        """It is done."""
        del self._watched[watch]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is watched."""
        return not self._watched

    def look(self) -> None:
        """Count the time since the last look, and blow the fuse if a batch is overdue."""
        now = self._clock()
        self._running_seconds += min(now - self._seen_at, 2 * self._period)
        self._seen_at = now
        if any(self._is_overdue(it) for it in list(self._watched.values())):
            self.fuse.blow("a batch hangs")

    def _is_overdue(self, it: Watched) -> bool:
        if self._running_seconds < it.due:
            return False  # most looks end here, without reading how the thread fared
        return self._running_seconds >= it.due + self._starved(it.thread) - it.starved_before

    def _watch(self) -> None:
        while not self._ended.wait(self._period):
            self.look()


class Watch:
    """A context, by hand: one made of a generator would cost every batch four calls more."""

    __slots__ = ("_expected_seconds", "_watchdog")

    def __init__(self, watchdog: Watchdog, expected_seconds: float) -> None:
        self._watchdog, self._expected_seconds = watchdog, expected_seconds

    def __enter__(self) -> None:
        self._watchdog.begin(self, self._expected_seconds)

    def __exit__(self, *_: object) -> None:
        self._watchdog.end(self)
