"""One workload, measured: raw and service in turn, several rounds, so that a noisy neighbour disturbs both alike."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workload import Workload

SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 60
HERE = Path(sys.executable)
SERVE = (
    "import os; os.sched_setaffinity(0, {%d}); from app.cli import main; main()" % SERVER_CORE  # noqa: UP031
)
LIST = 32


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        sequences_per_second: median over the rounds; the spread is the largest minus the smallest over the median.
        p50_ms, p95_ms, p99_ms: of all requests of all rounds.
        generator_busy: share of its core that the load generator used, at most.
    """

    kind: str
    sequences_per_second: float
    spread: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    generator_busy: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    rounds: int = 3
    seconds: float = 4.0
    open_seconds: float = 10.0


def measure(workload: Workload, plan: Plan) -> list[Row]:
    """All rows of one workload; the first is raw ONNX Runtime."""
    closed = {"1": (1, 1), "8": (8, 1), "64": (64, 1), f"8 x {LIST}": (8, LIST)}
    raws: list[dict[str, float]] = []
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in closed}
    with _server(workload) as port:
        for _ in range(plan.rounds):
            raws.append(_raw(workload, plan.seconds))
            for kind, (concurrency, size) in closed.items():
                runs[kind].append(load(workload, port, size, plan.seconds, concurrency=concurrency))
        raw = statistics.median(max(run["alone_per_second"], run["packed_per_second"]) for run in raws)
        rows = [_raw_row(raws)]
        rows += [_row(f"closed, {kind}", runs[kind], size, raw) for kind, (_, size) in closed.items()]
        capacity = statistics.median(len(run["latencies"]) / run["seconds"] for run in runs["64"])
        for share in (0.5, 0.8):
            run = load(workload, port, 1, plan.open_seconds, rate=capacity * share)
            rows.append(_row(f"open, {share:.0%} of capacity", [run], 1, raw))
    return rows


def _raw(workload: Workload, seconds: float) -> dict[str, float]:
    given = {"bundle": str(workload.bundle), "sequences": workload.sequences, "seconds": seconds, "core": SERVER_CORE}
    return run_module("benchmarks.raw", given)


def load(
    workload: Workload, port: int, size: int, seconds: float, concurrency: int = 0, rate: float = 0
) -> dict[str, Any]:
    """Run the load generator: so many callers, or requests that arrive at this rate."""
    requests = [request.decode() for request in workload.requests(size)]
    given = {"port": port, "requests": requests, "seconds": seconds, "cores": [LOAD_CORE]}
    return run_module("benchmarks.load", given | {"concurrency": concurrency, "rate": rate})


def run_module(module: str, given: dict[str, Any], python: Path = HERE) -> dict[str, Any]:
    """Run a module as a program that reads JSON and prints JSON."""
    done = subprocess.run([python, "-m", module], input=json.dumps(given), capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _raw_row(raws: list[dict[str, float]]) -> Row:
    rates = [max(run["alone_per_second"], run["packed_per_second"]) for run in raws]
    p50_ms = statistics.median(run["p50_ms"] for run in raws)
    return Row("raw ONNX Runtime", statistics.median(rates), _spread(rates), p50_ms, 0, 0, 0, 0, 1)


def _row(kind: str, runs: list[dict[str, Any]], size: int, raw: float) -> Row:
    rates = [len(run["latencies"]) * size / run["seconds"] for run in runs]
    latencies = sorted(latency for run in runs for latency in run["latencies"])
    p50, p95, p99 = (latencies[min(len(latencies) - 1, int(len(latencies) * share))] for share in (0.5, 0.95, 0.99))
    return Row(
        kind,
        statistics.median(rates),
        _spread(rates),
        p50 * 1000,
        p95 * 1000,
        p99 * 1000,
        sum(run["errors"] for run in runs),
        max(run["generator_busy"] for run in runs),
        statistics.median(rates) / raw,
    )


def _spread(rates: list[float]) -> float:
    return (max(rates) - min(rates)) / statistics.median(rates)


@contextmanager
def _server(workload: Workload) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-c", SERVE, "serve", "--models", str(workload.bundle), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
    try:
        _wait_until_ready(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _environment() -> dict[str, str]:
    # One core means one tokenizer thread too.
    return os.environ | {"TOKENIZERS_PARALLELISM": "false"}


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not become ready")
