"""Processes that do the same work side by side: watched, started again when they die, and stopped together."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

from app.errors import BasecastError, ProcessFailed

log = logging.getLogger(__name__)

# What a process does, given its number and what it calls once it works; it ends on SIGTERM, and hurries on the second.
Work = Callable[[int, Callable[[], None]], None]

SPAWN = multiprocessing.get_context("spawn")  # a fork would inherit the locks that other threads hold


@dataclass(frozen=True)
class BackOff:
    """How long to wait before a process is started again: twice as long each time, until one lives long."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    forgiven_after_seconds: float = 60.0

    def after(self, last_seconds: float, lived_seconds: float) -> float:
        """The wait after a process that lived so long, which itself was started after `last_seconds`."""
        if lived_seconds >= self.forgiven_after_seconds or not last_seconds:
            return self.first_seconds
        return min(2 * last_seconds, self.longest_seconds)


BACK_OFF = BackOff()


class Supervisor:
    """Keeps so many processes at work.

    The first is started alone, so that what keeps all of them from starting is told once. On SIGTERM or SIGINT each
    gets SIGTERM, on the next signal again.

    Args:
        work: what each does; an importable function, or a partial of one.
        count: how many.
        stop_seconds: how long they may take to end before they are killed.
        back_off: how long to wait before a process is started again.
    """

    def __init__(self, work: Work, count: int, stop_seconds: float, back_off: BackOff = BACK_OFF) -> None:
        self._work, self._count, self._stop_seconds, self._back_off = work, count, stop_seconds, back_off
        self._processes: dict[int, WorkProcess] = {}
        self._at_work: set[int] = set()
        self._proven: set[int] = set()  # have been at work
        self._stopping, self._first_decided = asyncio.Event(), asyncio.Event()
        self._failure = ""

    async def run(self, at_work: Callable[[], None]) -> None:
        """Keep them at work until SIGTERM or SIGINT; returns when all have ended.

        Args:
            at_work: called once, when all are at work.

        Raises:
            ProcessFailed: one did not start, or did not stop.
        """
        for stop in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(stop, self._stop)
        try:
            async with asyncio.TaskGroup() as keeping:
                for number in range(self._count):
                    keeping.create_task(self._keep(number, at_work))
        finally:
            self._kill()
        if self._failure:
            raise ProcessFailed(self._failure)

    async def _keep(self, number: int, at_work: Callable[[], None]) -> None:
        """Start a process whenever there is none, until all stop."""
        if number > 0:
            await self._first_decided.wait()
        pause = 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            process = self._processes[number] = WorkProcess(self._work, number)
            reason = await self._accompany(process, at_work)
            del self._processes[number]
            if not self._stopping.is_set():
                pause = self._back_off.after(pause, time.monotonic() - began)
                fields = {"number": number, "pid": process.pid, "reason": reason, "again_in_seconds": pause}
                log.warning("a process ended", extra=fields)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)

    async def _accompany(self, process: WorkProcess, at_work: Callable[[], None]) -> str:
        """From start to end; returns why it ended."""
        fault = await process.started()
        if fault:
            if process.number not in self._proven or not self._at_work:
                self._give_up(fault)
            await process.ended()
            return fault
        self._welcome(process.number, at_work)
        status = await process.ended()
        self._at_work.discard(process.number)
        return status

    def _welcome(self, number: int, at_work: Callable[[], None]) -> None:
        all_before = len(self._proven) == self._count
        self._at_work.add(number)
        self._proven.add(number)
        self._first_decided.set()
        if len(self._proven) == self._count and not all_before:
            at_work()

    def _give_up(self, fault: str) -> None:
        if not self._stopping.is_set():
            self._failure = fault
            self._stop()

    def _stop(self) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            self._first_decided.set()
            asyncio.get_running_loop().call_later(self._stop_seconds, self._lose_patience)
        for process in self._processes.values():
            process.terminate()

    def _lose_patience(self) -> None:
        self._failure = (
            f"killed {len(self._processes)} processes that had not ended {self._stop_seconds:g} s after SIGTERM"
        )
        self._kill()

    def _kill(self) -> None:
        for process in self._processes.values():
            process.kill()


class WorkProcess:
    """One of the processes, started.

    Args:
        work: what it does.
        number: which of them it is.

    Attributes:
        pid: its process id.
    """

    def __init__(self, work: Work, number: int) -> None:
        self.number = number
        self._said, its_end = SPAWN.Pipe(duplex=False)
        self._process = SPAWN.Process(target=_work, args=(work, number, its_end))
        with its_end, _interrupt_blocked():
            self._process.start()
        self.pid = self._process.pid

    async def started(self) -> str:
        """Wait until it works; returns why it does not, or nothing."""
        await _readable(self._said.fileno())
        with self._said:
            try:
                return str(self._said.recv())
            except EOFError:
                return f"a process did not start: {await self.ended()}"

    async def ended(self) -> str:
        """Wait until it has ended; returns how."""
        await _readable(self._process.sentinel)
        self._process.join()
        status = self._process.exitcode or 0
        return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it."""
        self._process.kill()


def _work(work: Work, number: int, said: Connection) -> None:
    """What a process does: the work, while there is somebody who watches it."""
    os.setpgrp()  # Ctrl-C is for the supervisor, which passes it on once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_stop_without_supervisor, daemon=True).start()
    try:
        work(number, partial(said.send, ""))
    except BasecastError as error:
        said.send(str(error))
        sys.exit(1)


def _stop_without_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None  # noqa: S101 - for the type checker
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _interrupt_blocked() -> Iterator[None]:
    """No Ctrl-C reaches a process that is started meanwhile, before it has seen to that itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def _readable(file_number: int) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(file_number, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(file_number)
