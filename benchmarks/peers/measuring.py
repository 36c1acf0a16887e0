"""Workloads measured: servers in turn, several rounds, by the pace that the machine has meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import LOAD_CORE, run_module
from benchmarks.peers.asking import check_answers, expected_values, items_of, requests_of
from benchmarks.peers.bare import run_bare
from benchmarks.peers.contestants import Contestant
from benchmarks.peers.figures import Measured, Run, Slice, capacity, finalists, together
from benchmarks.peers.plan import Load, Workload
from benchmarks.peers.processes import Running
from benchmarks.peers.servers import Values
from benchmarks.yardstick import Yardstick, yardstick

Progress = Callable[[str], None]
ATTEMPTS = 2
FINALISTS = 3  # peers in the open loops; what counts there is the best one


@dataclass(frozen=True)
class Course:
    """What stays the same while one workload is measured.

    Attributes:
        expected: the first answers of ONNX Runtime itself.
        python: the interpreter of bare ONNX Runtime, as of the servers.
        cores: of the servers; the load generator has its own, or shares these where they are more than one.
    """

    found: Measured
    expected: Values
    cores: frozenset[int]
    yardstick: Yardstick
    python: Path
    progress: Progress

    @property
    def generator_cores(self) -> list[int]:
        return [LOAD_CORE] if len(self.cores) == 1 else sorted(self.cores)


def measure(
    workload: Workload, contestants: Sequence[Contestant], cores: set[int], python: Path, progress: Progress
) -> Measured:
    """All closed loops in rounds, then the open ones at shares of what the best peer reached.

    Args:
        cores: of the servers.
        python: the interpreter of bare ONNX Runtime.
    """
    tokens = {mixture.name: list(map(len, workload.token_rows(mixture))) for mixture in workload.mixtures()}
    found = Measured(workload, tokens)
    expected = expected_values(workload, workload.loads[0].mixture)
    with yardstick(workload.bundle, workload.yardstick, cores, python) as stick:
        _measure_all(Course(found, expected, frozenset(cores), stick, python, progress), contestants)
        found.paces.extend(stick.paces)
    return found


def _measure_all(course: Course, contestants: Sequence[Contestant]) -> None:
    workload = course.found.workload
    for number in range(workload.rounds):
        _bare(course, number)
        _round(course, contestants, [load for load in workload.loads if load.callers], number)
    final = finalists(course.found, FINALISTS)
    last = [contestant for contestant in contestants if contestant.who in final]
    for number in range(workload.rounds):
        _round(course, last, [load for load in workload.loads if load.share], number)


def _bare(course: Course, number: int) -> None:
    workload = course.found.workload
    course.progress(f"{workload.name}: round {number + 1} of {workload.rounds}, bare ONNX Runtime")
    for mixture in workload.mixtures():
        course.found.bare.setdefault(mixture.name, []).append(
            run_bare(workload, mixture, course.cores, course.yardstick, course.python)
        )


def _round(course: Course, contestants: Sequence[Contestant], loads: Sequence[Load], number: int) -> None:
    """Everybody once; each second round in the other direction, so that none has always the same neighbours."""
    workload = course.found.workload
    due = [load for load in loads if load.rounds is None or number < load.rounds]
    for contestant in contestants if number % 2 == 0 else reversed(contestants):
        possible = [load for load in due if load.size == 1 or contestant.wire.lists]
        takes_part = contestant.rounds is None or number < contestant.rounds
        if possible and takes_part and contestant.who not in course.found.missing:
            kind = "open" if possible[0].share else "closed"
            course.progress(f"{workload.name}: {kind} loops, round {number + 1}, {contestant.who.name}")
            _run_all(course, contestant, possible)


def _run_all(course: Course, contestant: Contestant, loads: Sequence[Load]) -> None:
    """One turn; a server that fails is started once more, and then left out for good."""
    for _ in range(ATTEMPTS):
        try:
            runs = _turn(course, contestant, loads)
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            reason = str(error).partition("\n")[0]
            continue
        for load, run in runs:
            course.found.runs.setdefault((contestant.who, load.name), []).append(run)
        return
    course.found.missing[contestant.who] = reason


def _turn(course: Course, contestant: Contestant, loads: Sequence[Load]) -> list[tuple[Load, Run]]:
    workload, wire = course.found.workload, contestant.wire
    with contestant.start(workload, set(course.cores)) as server:
        check_answers(server.port, wire, items_of(workload, workload.loads[0], wire), course.expected)
        return [(load, run_load(course, server, contestant, load)) for load in loads]


def run_load(course: Course, server: Running, contestant: Contestant, load: Load) -> Run:
    """One load on a server that is alive."""
    requests = requests_of(contestant.wire, items_of(course.found.workload, load, contestant.wire), load.size)
    slices: list[Slice] = []
    before = course.yardstick.pace()
    for seconds, most in load.slices():
        start = sum(len(each.requests) for each in slices) % len(requests)
        given = {
            "port": server.port,
            "requests": [request.decode() for request in (*requests[start:], *requests[:start])],
            "seconds": seconds,
            "cores": course.generator_cores,
            "concurrency": load.callers,
            "rate": load.share * capacity(course.found, load) * before,
            "most": most,
        }
        cpu_seconds = server.cpu_seconds()
        measured = run_module("benchmarks.load", given)
        cpu_seconds = server.cpu_seconds() - cpu_seconds
        after = course.yardstick.pace()
        measured["answered"] = [(start + index) % len(requests) for index in measured["answered"]]
        slices.append(_slice(course, load, measured, cpu_seconds, server.resident_bytes(), (before + after) / 2))
        before = after
    return together(slices)


def _slice(
    course: Course, load: Load, measured: Mapping[str, Any], cpu_seconds: float, resident_bytes: int, pace: float
) -> Slice:
    return Slice(
        requests=tuple(measured["answered"]),
        sequences=len(measured["answered"]) * load.size,
        tokens=sum(course.found.tokens_of(load, request) for request in measured["answered"]),
        seconds=measured["seconds"] * pace,
        latencies_ms=tuple(1000 * latency * pace for latency in measured["latencies"]),
        errors=measured["errors"],
        cpu_seconds=cpu_seconds * pace,
        resident_bytes=resident_bytes,
        generator_busy=measured["generator_busy"],
    )
