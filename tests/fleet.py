"""Worker processes as an operator starts them, each stopped by the pid that was started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.live import START_SECONDS, free_port


@dataclass(frozen=True)
class LiveWorker:
    """A running worker and what it logs."""

    process: subprocess.Popen[bytes]
    log: Path
    metrics_port: int

    @classmethod
    @contextmanager
    def start(cls, models: Path, queue: str, **settings: object) -> Iterator[LiveWorker]:
        """Start a worker over these models, wait until it is ready, and stop it at the end."""
        worker = cls.launch(models, queue, **settings)
        try:
            worker.wait_for("worker ready")
            yield worker
        finally:
            worker.stop()

    @classmethod
    def launch(cls, models: Path, queue: str, **settings: object) -> LiveWorker:
        """Start a worker over these models."""
        port = free_port()
        given = {"models": models, "queue": queue, "threads": 1, "metrics_port": port} | settings
        environment = os.environ | {f"BASECAST_{name.upper()}": str(value) for name, value in given.items()}
        handle, log = tempfile.mkstemp(prefix="worker-", suffix=".log")
        program = [sys.executable, "-c", "from app.cli import main; main()", "worker"]
        process = subprocess.Popen(program, env=environment, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle)
        os.close(handle)
        return cls(process, Path(log), port)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def wait_for(self, event: str) -> dict[str, Any]:
        """The first line of this event, as soon as it is there."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for line in self.lines():
                if line["event"] == event:
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no line {event!r} in {self.log.read_text()}")

    def counted(self, sample: str) -> float:
        """The value of a sample of /metrics, such as `name{label="value"}`."""
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text
        return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{sample} "))

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def exit_status(self, seconds: float = 30) -> int:
        """Wait for the process to end."""
        return self.process.wait(seconds)

    def stop(self) -> None:
        """End the process, kindly first."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.unlink()
