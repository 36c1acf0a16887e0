"""Real processes around a real Redis, and how to ask them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.fleet import LiveWorker
from tests.live import LiveServer
from tests.redis_server import VERSIONS, RedisServer

PYTHON = Path(__file__).parent / "python"
LEASE_MS, WATCHDOG_MS = 1000, 500
REDIS_OPTIONS = ("--enable-debug-command", "local") if VERSIONS[-1] >= "7" else ()


@dataclass(frozen=True)
class Place:
    """One API process and one worker.

    Attributes:
        queue: the URL by which both reach Redis.
    """

    redis: RedisServer
    api: LiveServer
    worker: LiveWorker
    models: Path
    queue: str

    def more_workers(self, **settings: object) -> contextlib.AbstractContextManager[LiveWorker]:
        """One more worker of the same kind."""
        return worker(self.models, self.queue, **settings)


@contextmanager
def place(models: Path, redis: RedisServer, queue: str | None = None, **settings: object) -> Iterator[Place]:
    """An API process and a worker, ready; settings are those of both."""
    queue = queue or redis.url
    with (
        LiveServer.start(models, wait_for="/livez", queue=queue, **settings) as api,
        worker(models, queue, **settings) as it,
    ):
        until(lambda: is_ready(api))
        yield Place(redis, api, it, models, queue)


def worker(models: Path, queue: str, **settings: object) -> contextlib.AbstractContextManager[LiveWorker]:
    """A worker with a short lease, ready."""
    return LiveWorker.start(models, queue, **{"lease_ms": LEASE_MS, "watchdog_ms": WATCHDOG_MS} | settings)


@contextmanager
def world(**variables: object) -> Iterator[None]:
    """What the Python processes that are started meanwhile find, as `python/sitecustomize.py` says."""
    before = dict(os.environ)
    paths = [str(PYTHON), *filter(None, [before.get("PYTHONPATH")])]
    os.environ.update({name: str(value) for name, value in variables.items()} | {"PYTHONPATH": os.pathsep.join(paths)})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def predict(api: LiveServer, *sequences: str, **fields: object) -> httpx.Response:
    """Ask `gc`."""
    document = {"model": "gc", "sequences": sequences, **fields}
    return httpx.post(f"{api.url}/predict", json=document, timeout=60)


def values(response: httpx.Response) -> list[float]:
    """What `gc` answered."""
    assert response.status_code == 200, response.text
    return [round(row["values"]["gc_fraction"], 5) for row in response.json()["predictions"]]


def code(response: httpx.Response) -> str:
    """Why a request was refused."""
    return str(response.json()["code"])


def is_ready(api: LiveServer) -> bool:
    return httpx.get(f"{api.url}/readyz").status_code == 200


def is_alive(api: LiveServer) -> bool:
    return httpx.get(f"{api.url}/livez").status_code == 200


def counted(api: LiveServer, sample: str) -> float:
    """The value of a sample of /metrics, such as `name{label="value"}`."""
    text = httpx.get(f"{api.url}/metrics").text
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{sample} "))


def until(holds: Callable[[], bool], seconds: float = 20) -> float:
    """Wait until something holds; returns how many seconds that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it did not become so"
        time.sleep(0.02)
    return time.monotonic() - began
