"""What keeps several processes at work, with processes that do next to nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from app.errors import ProcessFailed, SettingsError
from app.processes import BackOff, Supervisor
from tests.processes import until

QUICK = BackOff(first_seconds=0.05, longest_seconds=0.1)
Serving = Callable[[], None]


def wait_for_sigterm(folder: Path, number: int, serving: Serving) -> None:
    (folder / str(number)).write_text(str(os.getpid()))
    serving()
    signal.pause()


def refuse(number: int, serving: Serving) -> None:
    raise SettingsError(f"number {number} finds nothing to do")


def refuse_unless_first(number: int, serving: Serving) -> None:
    if number > 0:
        refuse(number, serving)
    serving()
    signal.pause()


def exit_before_serving(number: int, serving: Serving) -> None:
    sys.exit(3)


def never_end(folder: Path, number: int, serving: Serving) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serving()
    time.sleep(600)


def count_sigterms(folder: Path, number: int, serving: Serving) -> None:
    """Ends after the second, as hurrying does."""
    signal.signal(signal.SIGTERM, lambda *_: (folder / str(len(list(folder.iterdir())))).touch())
    serving()
    until((folder / "1").exists)


def serve_once(folder: Path, number: int, serving: Serving) -> None:
    """The first life is short, and no other begins."""
    if (folder / "lived").exists():
        raise SettingsError("the folder was lived in")
    (folder / "lived").touch()
    serving()
    sys.exit(0)


def _supervise(
    work: Callable[..., None], count: int, stop_seconds: float = 30, at_work: Serving = lambda: None
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        asyncio.run(Supervisor(work, count, stop_seconds, QUICK).run(at_work))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _signal_myself() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_all_are_at_work_before_it_is_said_and_end_on_sigterm(tmp_path: Path) -> None:
    pids = []

    def at_work() -> None:
        pids.extend(int(file.read_text()) for file in sorted(tmp_path.iterdir()))
        _signal_myself()

    _supervise(partial(wait_for_sigterm, tmp_path), 3, at_work=at_work)
    assert len(set(pids)) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_what_keeps_the_first_from_starting_is_told_once() -> None:
    with pytest.raises(ProcessFailed, match=r"^number 0 finds nothing to do$"):
        _supervise(refuse, 3)


def test_a_later_one_that_never_starts_ends_all() -> None:
    with pytest.raises(ProcessFailed, match=r"^number 1 finds nothing to do$"):
        _supervise(refuse_unless_first, 2)


def test_one_that_ends_without_a_word_is_told_by_its_status() -> None:
    with pytest.raises(ProcessFailed, match=r"^a process did not start: status 3$"):
        _supervise(exit_before_serving, 2)


def test_it_gives_up_when_none_is_at_work_and_none_can_start(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match=r"^the folder was lived in$"):
        _supervise(partial(serve_once, tmp_path), 1)


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match=r"^killed 1 processes that had not ended 0.2 s after SIGTERM$"):
        _supervise(partial(never_end, tmp_path), 1, stop_seconds=0.2, at_work=_signal_myself)


def test_every_signal_is_passed_on(tmp_path: Path) -> None:
    def at_work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=hurry).start()

    def hurry() -> None:
        until((tmp_path / "0").exists)
        _signal_myself()

    _supervise(partial(count_sigterms, tmp_path), 1, at_work=at_work)
    assert (tmp_path / "1").exists()


def test_the_wait_doubles_up_to_its_limit_until_one_lives_long() -> None:
    back_off = BackOff(first_seconds=0.5, longest_seconds=3, forgiven_after_seconds=60)
    waits = [0.0]
    for lived in (0, 1, 59, 59, 59, 60, 0):
        waits.append(back_off.after(waits[-1], lived))
    assert waits == [0, 0.5, 1, 2, 3, 3, 0.5, 1]
