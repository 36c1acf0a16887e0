"""The processes of the scene: an API process, two workers and an exporter around a Redis."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

from app.bundle import read_bundle
from tests.debian import require
from tests.fleet import LiveWorker
from tests.live import LiveServer, free_port
from tests.monitoring.facts import Facts
from tests.monitoring.places import REPOSITORY
from tests.redis_server import RedisServer, binaries, running

COHORT = REPOSITORY / "examples" / "cohort"
MAX_QUEUE_TOKENS = 2000
MAX_MEMORY_BYTES = 64 * 1024 * 1024


class Stage:
    """The processes, and the faults that befall them."""

    def __init__(self, stack: ExitStack, models: Path, facts: Facts) -> None:
        self._codes = facts.codes
        self.redis: RedisServer = stack.enter_context(running(next(iter(binaries().values()))))
        with self.redis.client() as client:
            client.config_set("maxmemory", MAX_MEMORY_BYTES)
        people = {"reference": COHORT / "reference.fa.gz", "cohorts": f'{{"example": "{COHORT}/cohort.vcf.gz"}}'}
        settings = {"queue": self.redis.url, "log_level": "error"}
        fallen: dict[str, object] = {"device": "cuda:0", "allow_cpu": "true"}
        self.api = LiveServer._launch(models, settings | people | {"max_queue_tokens": MAX_QUEUE_TOKENS})
        stack.callback(self.api.stop)
        self.workers = [LiveWorker.launch(models, **settings | more) for more in ({}, fallen)]
        for worker in self.workers:
            stack.callback(worker.stop)
        self.exporter_port = free_port()
        stack.enter_context(_exporter(self.redis, self.exporter_port))
        self.http = stack.enter_context(httpx.Client(base_url=self.api.url, timeout=60))
        self.digest = read_bundle(models / "gc").sha256

    def targets(self) -> dict[str, list[str]]:
        """Addresses for Prometheus."""
        return {
            "basecast-api": [f"127.0.0.1:{self.api.port}"],
            "basecast-worker": [f"127.0.0.1:{worker.metrics_port}" for worker in self.workers],
            "basecast-redis": [f"127.0.0.1:{self.exporter_port}"],
        }

    def predict(self, sequences: list[str], model: str = "gc", **fields: object) -> httpx.Response:
        """One request."""
        return self.ask("/predict", {"model": model, "sequences": sequences, **fields})

    def ask(self, route: str, document: dict[str, object], seconds: float = 60) -> httpx.Response:
        """One request to a route; a caller who waits no longer is counted as 499, as the service does."""
        try:
            answer = self.http.post(route, json=document, timeout=seconds)
        except httpx.ReadTimeout:
            self._codes[route, 499] += 1
            raise
        self._codes[route, answer.status_code] += 1
        return answer


def resident_bytes(worker: LiveWorker) -> int:
    """Its resident memory now."""
    pages = Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _exporter(redis: RedisServer, port: int) -> Iterator[None]:
    address = f"-redis.addr=unix://{redis.socket}"
    command = [require("prometheus-redis-exporter"), address, f"-web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def until(holds: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            if holds():
                return
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.05)
