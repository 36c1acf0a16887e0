"""The threads that compute, and the hop to one of them.

`concurrent.futures` does the same with a condition, two locks and a work item for each hop; beside a model that takes a
millisecond that is a tenth of everything else.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue


class Hop:
    """Work for a compute thread, begun or cancelled once.

    Args:
        work: what is to be done; it tells of its end, and of its errors, itself.
    """

    __slots__ = ("_claim", "_work")

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._claim = threading.Lock()  # taken by whoever comes first and never given back

    def cancel(self) -> bool:
        """Whether no thread has begun it, and so none will."""
        return self._claim.acquire(blocking=False)

    def run(self) -> None:
        """Do it, unless it was cancelled."""
        if self._claim.acquire(blocking=False):
            # Whoever waits has been told; the thread has others to serve.
            with suppress(BaseException):
                self._work()


Waiting = SimpleQueue[Hop | None]


class ComputeThreads:
    """Owns threads that do one thing after the other; they end with it, or with the process.

    Args:
        threads: how many.
        name: what theirs begin with.
    """

    def __init__(self, threads: int, name: str = "compute") -> None:
        self._waiting: Waiting = SimpleQueue()
        running = [
            threading.Thread(target=_serve, args=(self._waiting,), name=f"{name}_{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in running:
            thread.start()
        self._end = weakref.finalize(self, _end, self._waiting, running)

    def submit(self, work: Callable[[], object]) -> Hop:
        """Have something done by the next thread that is free."""
        hop = Hop(work)
        self._waiting.put(hop)
        return hop

    def close(self) -> None:
        """Wait until everything is done that was submitted, and end the threads."""
        self._end()


def _serve(waiting: Waiting) -> None:
    while (hop := waiting.get()) is not None:
        hop.run()
        del hop  # what it holds may be large, and the next may be long in coming


def _end(waiting: Waiting, threads: Sequence[threading.Thread]) -> None:
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join()
