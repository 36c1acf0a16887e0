"""`basecast serve --processes`, as an operator starts it, ended by the pid that was started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.live import START_SECONDS, free_port

PROGRAM = [sys.executable, "-c", "from app.cli import main; main()", "serve"]


@dataclass(frozen=True)
class LiveProcesses:
    """A running supervisor, its processes, and what all of them log."""

    supervisor: subprocess.Popen[bytes]
    log: Path
    port: int
    metrics_port: int
    count: int

    @classmethod
    @contextmanager
    def start(cls, models: Path, count: int = 2, **settings: object) -> Iterator[LiveProcesses]:
        """Start them over these models, wait until all serve, and stop them at the end."""
        server = cls.launch(models, count, **settings)
        try:
            server.wait_for("serving")
            yield server
        finally:
            server.stop()

    @classmethod
    def launch(cls, models: Path, count: int = 2, **settings: object) -> LiveProcesses:
        """Start them, in a process group of their own as a terminal would."""
        port, metrics_port = free_port(), free_ports_in_a_row(count)
        given = {"models": models, "port": port, "metrics_port": metrics_port, "processes": count} | settings
        environment = os.environ | {f"BASECAST_{name.upper()}": str(value) for name, value in given.items()}
        handle, log = tempfile.mkstemp(prefix="serve-", suffix=".log")
        process = subprocess.Popen(PROGRAM, env=environment, stdin=subprocess.DEVNULL, stderr=handle, process_group=0)
        os.close(handle)
        return cls(process, Path(log), port, metrics_port, count)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lines(self, event: str) -> list[dict[str, Any]]:
        """What they have logged so far of an event."""
        logged = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in logged if line["event"] == event]

    def wait_for(self, event: str, times: int = 1) -> list[dict[str, Any]]:
        """The lines of this event, as soon as there are so many."""
        until(lambda: len(self.lines(event)) >= times or self.supervisor.poll() is not None)
        assert len(self.lines(event)) >= times, self.log.read_text()
        return self.lines(event)

    def pids(self) -> dict[int, int]:
        """The pid of each process by its number, the latest."""
        return {line["number"]: line["pid"] for line in self.lines("process serving")}

    def counted(self, sample: str) -> list[float]:
        """The value of a sample in /metrics of each process, 0 where it is not there."""
        return [self._counted(self.metrics_port + number, sample) for number in range(self.count)]

    @staticmethod
    def _counted(port: int, sample: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{sample} "))

    def exit_status(self, seconds: float = 60) -> int:
        """Wait for all to end."""
        return self.supervisor.wait(seconds)

    def stop(self) -> None:
        """End them, kindly first."""
        if self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            try:
                self.supervisor.wait(20)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
                self.supervisor.wait()
        self.log.unlink()


def until(holds: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def free_ports_in_a_row(count: int) -> int:
    """The first of so many ports on loopback that nobody listens on."""
    for _ in range(100):
        first = free_port()
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
        return first
    raise RuntimeError("no free ports in a row")
