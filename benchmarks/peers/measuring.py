"""Workloads measured: contestants in turn, several rounds, so that a noisy neighbour disturbs all alike."""

from __future__ import annotations

import json
import statistics
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime

from benchmarks.measure import LOAD_CORE, SERVER_CORE, run_module
from benchmarks.peers.contestants import Contestant, request_body
from benchmarks.peers.plan import Load, Workload
from benchmarks.peers.processes import Running
from benchmarks.peers.servers import Item, Values

CHECKED = 8
TOLERANCE = 1e-4  # of padding and of seven digits
OPEN_SECONDS = 6.0

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """One load on one server, once.

    Attributes:
        cpu_seconds_per_1000: of all the server's processes, for a thousand sequences.
        generator_busy: share of its core that the load generator used.
    """

    sequences_per_second: float
    latencies_ms: tuple[float, ...]
    errors: int
    cpu_seconds_per_1000: float
    resident_bytes: int
    generator_busy: float


@dataclass(frozen=True)
class Measured:
    """A workload's figures.

    Attributes:
        mean_tokens: of a sequence.
        raw_per_second, raw_p50_ms: bare ONNX Runtime, a figure a round.
        runs: by contestant and load.
        missing: contestants that could not be measured, and why.
    """

    workload: Workload
    mean_tokens: float
    raw_per_second: list[float]
    raw_p50_ms: list[float]
    runs: dict[tuple[str, str], list[Run]]
    missing: dict[str, str]


def measure(workload: Workload, contestants: Sequence[Contestant], cores: set[int], progress: Progress) -> Measured:
    """All closed loops in rounds, then the open ones at shares of what the best peer reached."""
    rows = workload.token_rows()
    found = Measured(workload, statistics.mean(map(len, rows)), [], [], {}, {})
    expected = _expected(workload, rows[:CHECKED])
    closed = [load for load in workload.loads if load.callers]
    for number in range(workload.rounds):
        _raw(workload, found)
        for contestant in contestants:
            progress(f"{workload.name}: round {number + 1} of {workload.rounds}, {contestant.name}")
            _run_all(contestant, closed, cores, expected, found, 0.0)
    opened = [load for load in workload.loads if load.share]
    capacity = best_peer(found, contestants, closed)
    if opened and capacity:
        for contestant in contestants:
            progress(f"{workload.name}: open loops, {contestant.name}")
            _run_all(contestant, opened, cores, expected, found, capacity)
    return found


def best_peer(found: Measured, contestants: Sequence[Contestant], loads: Sequence[Load]) -> float:
    """Sequences a second of the best of the others, over loads of single sequences."""
    reached = (
        statistics.median(run.sequences_per_second for run in runs)
        for contestant in contestants
        if not contestant.is_ours
        for load in loads
        if load.size == 1 and (runs := found.runs.get((contestant.name, load.name)))
    )
    return max(reached, default=0.0)


def _raw(workload: Workload, found: Measured) -> None:
    texts = list(workload.texts)
    given = {"bundle": str(workload.bundle), "sequences": texts, "seconds": workload.seconds * 2, "core": SERVER_CORE}
    measured = run_module("benchmarks.raw", given)
    found.raw_per_second.append(max(measured["alone_per_second"], measured["packed_per_second"]))
    found.raw_p50_ms.append(measured["p50_ms"])


def _run_all(
    contestant: Contestant,
    loads: Sequence[Load],
    cores: set[int],
    expected: Values,
    found: Measured,
    capacity: float,
) -> None:
    workload = found.workload
    possible = [load for load in loads if load.size == 1 or contestant.wire.lists]
    if contestant.name in found.missing or not possible:
        return
    try:
        with contestant.start(workload, cores) as server:
            items = _items(workload, contestant)
            _check(server.port, contestant, items, expected)
            for load in possible:
                runs = found.runs.setdefault((contestant.name, load.name), [])
                runs.append(_run(server, contestant, items, load, workload.seconds, capacity))
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        found.missing[contestant.name] = str(error).partition("\n")[0]


def _items(workload: Workload, contestant: Contestant) -> list[Item]:
    return [{"sequence": text} for text in workload.texts] if contestant.is_ours else workload.items()


def _run(
    server: Running, contestant: Contestant, items: Sequence[Item], load: Load, seconds: float, capacity: float
) -> Run:
    given = {
        "port": server.port,
        "requests": [request.decode() for request in _requests(contestant, items, load.size)],
        "seconds": OPEN_SECONDS if load.share else seconds,
        "core": LOAD_CORE,
        "concurrency": load.callers,
        "rate": load.share * capacity,
    }
    cpu = server.cpu_seconds()
    measured = run_module("benchmarks.load", given)
    sequences = len(measured["latencies"]) * load.size
    return Run(
        sequences / measured["seconds"],
        tuple(1000 * latency for latency in measured["latencies"]),
        measured["errors"],
        1000 * (server.cpu_seconds() - cpu) / max(sequences, 1),
        server.resident_bytes(),
        measured["generator_busy"],
    )


def _requests(contestant: Contestant, items: Sequence[Item], size: int) -> list[bytes]:
    starts = range(0, len(items) - size + 1, size)
    return [_request(contestant, items[start : start + size]) for start in starts]


def _request(contestant: Contestant, items: Sequence[Item]) -> bytes:
    body = request_body(contestant.wire, items)
    fields = (
        f"POST {contestant.wire.path} HTTP/1.1",
        "host: bench",
        "content-type: application/json",
        f"content-length: {len(body)}",
    )
    return "\r\n".join((*fields, "", "")).encode() + body


def _expected(workload: Workload, rows: Sequence[Sequence[int]]) -> Values:
    session = onnxruntime.InferenceSession(workload.graph, providers=["CPUExecutionProvider"])
    inputs = [np.array([row], dtype=np.int64) for row in rows]
    return [session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0].tolist() for ids in inputs]


def _check(port: int, contestant: Contestant, items: Sequence[Item], expected: Values) -> None:
    """Compare a server's answers with those of ONNX Runtime.

    Raises:
        RuntimeError: one of them differs.
    """
    for item, row in zip(items, expected, strict=False):
        body = request_body(contestant.wire, [item])
        url = f"http://127.0.0.1:{port}{contestant.wire.path}"
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            answer = contestant.wire.read(json.load(reply))[0]
        if any(abs(one - other) > TOLERANCE * max(1.0, abs(other)) for one, other in zip(answer, row, strict=True)):
            raise RuntimeError("its answers differ from those of ONNX Runtime")
