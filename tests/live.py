"""A real server process on loopback, stopped by the pid that was started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_SECONDS = 60
PROGRAM = """
import os
from app.main import create_service
from app.server import serve
from app.settings import load_settings
serve(create_service(load_settings()))
"""


@dataclass(frozen=True)
class LiveServer:
    """A running server."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @contextmanager
    def start(cls, models: Path, *, wait_for: str = "/readyz", **settings: object) -> Iterator[LiveServer]:
        """Start a server over these models, wait for a probe and stop it at the end."""
        server = cls._launch(models, settings)
        try:
            server.wait_for(wait_for)
            yield server
        finally:
            server.stop()

    @classmethod
    def _launch(cls, models: Path, settings: dict[str, object]) -> LiveServer:
        port = free_port()
        given = {"models": models, "port": port, "threads": 1} | settings
        environment = os.environ | {f"BASECAST_{name.upper()}": str(value) for name, value in given.items()}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return cls(process, port)

    def wait_for(self, probe: str) -> None:
        """Return when a probe answers 200."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}{probe}").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the server did not become ready")

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def exit_status(self, seconds: float = 10) -> int:
        """Wait for the process to end."""
        return self.process.wait(seconds)

    def resident_bytes(self) -> int:
        """Its resident memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """End the process, kindly first."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.communicate()


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
