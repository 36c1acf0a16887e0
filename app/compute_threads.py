"""The threads that compute, and the hop to one of them.

`concurrent.futures` does the same with a condition, two locks and a work item for each hop, and a future that nobody
here waits for: the work itself tells the event loop.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
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
        """Take it back; whether that came before a thread had begun it, and for the first time."""
        return self._claim.acquire(blocking=False)

    def run(self) -> None:
        """Do it, unless it was cancelled."""
        if self._claim.acquire(blocking=False):
            # Whoever waits has been told; the thread has others to serve.
            with suppress(BaseException):
                self._work()


Waiting = SimpleQueue[Hop | None]


class ComputeThreads:
    """Owns threads that do one thing after the other; a process ends when they have done what was submitted.

    Args:
        threads: how many.
        name: what theirs begin with.
    """

    def __init__(self, threads: int, name: str = "compute") -> None:
        self._waiting: Waiting = SimpleQueue()
        self._threads = [
            threading.Thread(target=_serve, args=(self._waiting,), name=f"{name}_{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()
        self._ending = weakref.finalize(self, _tell, self._waiting, threads)
        self._ending.atexit = False
        _running.update(self._threads)
        _owners.add(self)

    def submit(self, work: Callable[[], object]) -> Hop:
        """Have something done by the next thread that is free.

        Raises:
            RuntimeError: they have ended.
        """
        if not self._ending.alive:
            raise RuntimeError("the compute threads have ended")
        hop = Hop(work)
        self._waiting.put(hop)
        return hop

    def end(self) -> None:
        """Let the threads end when everything is done that was submitted."""
        if self._ending.detach() is not None:  # for the first time
            _tell(self._waiting, len(self._threads))

    def close(self) -> None:
        """The same, and wait for it."""
        self.end()
        for thread in self._threads:
            thread.join()


_owners: weakref.WeakSet[ComputeThreads] = weakref.WeakSet()
_running: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def _serve(waiting: Waiting) -> None:
    while (hop := waiting.get()) is not None:
        hop.run()
        del hop  # what it holds may be large, and the next may be long in coming


def _tell(waiting: Waiting, threads: int) -> None:
    """Waits for nobody: the garbage collector may call it anywhere, even while a lock is held that an end needs."""
    for _ in range(threads):
        waiting.put(None)


@atexit.register
def _end_all() -> None:
    """An interpreter that ends under a thread in ONNX Runtime would crash."""
    for owner in list(_owners):
        owner.end()
    for thread in list(_running):
        thread.join()
