"""What is submitted is done once, in turn, by one of the threads, or not at all."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from app.compute_threads import ComputeThreads


def test_one_thread_does_one_thing_after_the_other() -> None:
    done: list[int] = []
    with closing(ComputeThreads(1)) as threads:
        for number in range(100):
            threads.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == list(range(100))


def test_several_threads_work_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    with closing(ComputeThreads(2, name="device")) as threads:
        names: set[str] = set()
        for _ in range(2):
            threads.submit(lambda: (both.wait(), names.add(threading.current_thread().name)))
    assert names == {"device_0", "device_1"}


def test_what_no_thread_has_begun_can_be_cancelled_once() -> None:
    begun, release, done = threading.Event(), threading.Event(), list[str]()
    with closing(ComputeThreads(1)) as threads:
        first = threads.submit(lambda: (begun.set(), release.wait(10), done.append("first")))
        second = threads.submit(lambda: done.append("second"))
        assert begun.wait(10)
        assert not first.cancel()
        assert second.cancel()
        assert not second.cancel()
        release.set()
    assert done == ["first"]


def test_a_thread_outlives_whatever_is_raised_in_it() -> None:
    done = list[str]()

    def leave() -> None:
        raise SystemExit

    with closing(ComputeThreads(1)) as threads:
        threads.submit(leave)
        threads.submit(lambda: done.append("next"))
    assert done == ["next"]


def test_threads_end_with_their_owner() -> None:
    owner = ComputeThreads(2, name="orphan")
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("orphan")]
    del owner
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert [thread.is_alive() for thread in threads] == [False, False]


def test_threads_that_have_ended_take_nothing() -> None:
    threads = ComputeThreads(1)
    threads.close()
    with pytest.raises(RuntimeError, match="ended"):
        threads.submit(list)


def test_a_process_ends_when_what_was_submitted_is_done() -> None:
    program = (
        "import time; from app.compute_threads import ComputeThreads; threads = ComputeThreads(1)\n"
        "threads.submit(lambda: (time.sleep(0.3), print('done', flush=True)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert (ended.stdout, ended.stderr) == ("done\n", "")
