"""A batch that hangs ends the process; a slow one, or a process that stood still, does not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from app.fuse import Fuse
from app.watchdog import Watchdog, starved_seconds
from tests.queue_forms import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watchdog(clock: Clock) -> Watchdog:
    return Watchdog(Fuse(), 1.6, clock)


def _pass(watchdog: Watchdog, clock: Clock, seconds: float) -> None:
    """Let time pass as it does while the process runs: with a look every 0.2 s."""
    for _ in range(round(seconds / 0.2)):
        clock.now += 0.2
        watchdog.look()


def test_a_batch_within_the_limit_is_fine(watchdog: Watchdog, clock: Clock) -> None:
    with watchdog.watching(0.0):
        _pass(watchdog, clock, 1.4)
    _pass(watchdog, clock, 10)
    assert watchdog.fuse.reason is None


def test_a_batch_over_the_limit_blows_the_fuse(watchdog: Watchdog, clock: Clock) -> None:
    with watchdog.watching(0.0):
        _pass(watchdog, clock, 2)
    assert watchdog.fuse.reason == "a batch hangs"


def test_a_batch_that_should_take_long_may_take_ten_times_as_long(watchdog: Watchdog, clock: Clock) -> None:
    with watchdog.watching(0.5):
        _pass(watchdog, clock, 4.8)
        assert watchdog.fuse.reason is None
        _pass(watchdog, clock, 0.4)
        assert watchdog.fuse.reason == "a batch hangs"


def test_one_batch_that_hangs_is_enough(watchdog: Watchdog, clock: Clock) -> None:
    with watchdog.watching(0.0):
        for _ in range(10):
            with watchdog.watching(0.0):
                _pass(watchdog, clock, 0.2)
    assert watchdog.fuse.reason == "a batch hangs"


def test_time_in_which_the_process_stood_still_does_not_count(watchdog: Watchdog, clock: Clock) -> None:
    with watchdog.watching(0.0):
        _pass(watchdog, clock, 0.2)
        clock.now += 3600
        watchdog.look()  # counts as 0.4 s
        _pass(watchdog, clock, 0.8)
    assert watchdog.fuse.reason is None


def test_time_in_which_others_had_the_core_does_not_count(clock: Clock) -> None:
    waited = [7.0]
    watchdog = Watchdog(Fuse(), 1.6, clock, lambda _: waited[0])
    with watchdog.watching(0.0):
        for _ in range(20):  # three quarters of 4 s
            waited[0] += 0.15
            _pass(watchdog, clock, 0.2)
        assert watchdog.fuse.reason is None
        _pass(watchdog, clock, 0.8)
        assert watchdog.fuse.reason == "a batch hangs"


def test_a_thread_that_shares_its_core_starves_half_of_the_time() -> None:
    cores, before = os.sched_getaffinity(0), starved_seconds(threading.get_native_id())
    os.sched_setaffinity(0, {min(cores)})  # which the rival inherits
    try:
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as rival:
            began = time.monotonic()
            while time.monotonic() < began + 0.5:
                pass
            rival.kill()
    finally:
        os.sched_setaffinity(0, cores)
    assert starved_seconds(threading.get_native_id()) > before + 0.05


def test_of_a_thread_that_is_not_there_nothing_is_known() -> None:
    assert starved_seconds(2**30) == 0


def test_a_thread_that_has_ended_leaves_no_file_open() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - nothing is made of the names
    threads = [threading.Thread(target=lambda: starved_seconds(threading.get_native_id())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_a_batch_that_raises_is_not_watched_any_longer(watchdog: Watchdog, clock: Clock) -> None:
    with pytest.raises(RuntimeError), watchdog.watching(0.0):
        raise RuntimeError
    _pass(watchdog, clock, 10)
    assert watchdog.fuse.reason is None


def test_a_thread_looks_by_itself() -> None:
    watchdog, blown = Watchdog(Fuse(), 0.1), threading.Event()
    watchdog.fuse.then(blown.set)
    watchdog.start()
    with watchdog.watching(0.0):
        assert blown.wait(5)
    watchdog.stop()


def test_a_fuse_blows_once_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    fuse, blown = Fuse(), []
    fuse.then(lambda: blown.append(time.monotonic()))
    fuse.blow("the first reason")
    fuse.blow("the second")
    assert (fuse.reason, len(blown)) == ("the first reason", 1)
    assert [record.__dict__["reason"] for record in caplog.records] == ["the first reason"]


def test_a_fuse_that_has_blown_acts_as_soon_as_it_is_told_how() -> None:
    fuse, blown = Fuse(), []
    fuse.blow("a reason")
    fuse.then(lambda: blown.append(fuse.reason))
    assert blown == ["a reason"]
