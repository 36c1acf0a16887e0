"""`python -m benchmarks.redis_queue`: the queue through Redis beside that in the process, as benchmarks/redis.md."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from app.settings import Settings
from benchmarks.measure import LIST, SERVER_CORE, load
from benchmarks.report import machine
from benchmarks.workload import Workload, random_sequences
from tests.callers import calling
from tests.faults.place import LEASE_MS, Place, place, predict, until, world
from tests.fleet import LiveWorker
from tests.live import LiveServer
from tests.redis_server import VERSIONS, RedisServer, binary, running
from tests.toy import write_toy_bundle

PAGE = Path(__file__).with_name("redis.md")
BUNDLE = Path("models/utrseq-decay")
SEQUENCES = 2048
FORMS = ("in the process", "through Redis")
# Callers, and sequences of each request.
LOADS = {"1": (1, 1), "64": (64, 1), f"8 x {LIST}": (8, LIST)}
# The places of the fault tests are in more of a hurry.
AS_SHIPPED = {name: Settings.model_fields[name].default for name in ("lease_ms", "watchdog_ms")}
STUB_SECONDS, STUB_DEADLINE_MS, OVERLOAD = 0.01, 1000, 10


@dataclass
class Figures:
    """Everything that was measured, one number a round.

    Attributes:
        rates: sequences a second, by form and load.
        p50_ms: of the requests, by form and load.
        cpu_ms: processor time of all processes of a form for one sequence, by form and load.
        peak, goodput: answers a second of the stub, when it is just full and at ten times that.
    """

    rates: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    p50_ms: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cpu_ms: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    after_kill: list[float] = field(default_factory=list)
    after_redis: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    goodput: list[float] = field(default_factory=list)
    answered_p99_ms: list[float] = field(default_factory=list)
    expired: list[float] = field(default_factory=list)
    refused_p50_ms: list[float] = field(default_factory=list)
    refused_p99_ms: list[float] = field(default_factory=list)


def main(
    rounds: Annotated[int, typer.Option(help="Rounds in which the two forms take turns.")] = 5,
    seconds: Annotated[float, typer.Option(help="Seconds of each run.")] = 4.0,
    write: Annotated[bool, typer.Option(help="Write benchmarks/redis.md.")] = True,
) -> None:
    """Measure what Redis costs, and how soon all is well again when something has died."""
    figures = Figures()
    with running(binary(VERSIONS[-1])) as redis, tempfile.TemporaryDirectory() as scratch, _on_the_servers_core():
        _measure_both(redis, rounds, seconds, figures)
        write_toy_bundle(Path(scratch))
        _measure_recovery(Path(scratch), redis, rounds, figures)
        _measure_overload(Path(scratch), redis, rounds, seconds, figures)
    text = page(figures, rounds, seconds)
    if write:
        PAGE.write_text(text)
    typer.echo(text)


@contextmanager
def _on_the_servers_core() -> Iterator[None]:
    """Processes that are started meanwhile share the one core that the service has."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _measure_both(redis: RedisServer, rounds: int, seconds: float, figures: Figures) -> None:
    workload = Workload(BUNDLE.name, BUNDLE, "110 bases", random_sequences(SEQUENCES, 110, 110))
    with place(BUNDLE, redis, **AS_SHIPPED) as behind, LiveServer.start(BUNDLE) as here:
        processes: dict[str, tuple[int, list[subprocess.Popen[Any] | None]]] = {
            FORMS[0]: (here.port, [here.process]),
            FORMS[1]: (behind.api.port, [behind.api.process, behind.worker.process, redis.process]),
        }
        for _ in range(rounds):
            for kind, (callers, size) in LOADS.items():
                for form, (port, running) in processes.items():
                    began = _cpu_seconds(running)
                    run = load(workload, port, size, seconds, concurrency=callers)
                    sequences = len(run["latencies"]) * size
                    spent = _cpu_seconds(running) - began
                    figures.rates.setdefault((form, kind), []).append(sequences / run["seconds"])
                    figures.p50_ms.setdefault((form, kind), []).append(1000 * statistics.median(run["latencies"]))
                    figures.cpu_ms.setdefault((form, kind), []).append(1000 * spent / sequences)


def _cpu_seconds(processes: Iterable[subprocess.Popen[Any] | None]) -> float:
    """Processor time that these have used so far, in all their threads."""
    folders = [Path(f"/proc/{it.pid}/task") for it in processes if it is not None]
    threads = [thread for folder in folders for thread in folder.iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def _measure_recovery(models: Path, redis: RedisServer, rounds: int, figures: Figures) -> None:
    with world(TOY_ROW_SECONDS=STUB_SECONDS), place(models, redis, namespace="recovery") as it:
        for _ in range(rounds):
            with it.more_workers(namespace="recovery") as doomed, calling([it.api.port], callers=8) as tally:
                until(partial(_is_busy, doomed))
                doomed.process.kill()
                time.sleep(1.5 * LEASE_MS / 1000)
            figures.after_kill.append(max(tally.answer_ms) / 1000)
            redis.stop()
            redis.start()
            figures.after_redis.append(until(lambda: _answers(it)))


def _is_busy(worker: LiveWorker) -> bool:
    return worker.counted("basecast_worker_busy_seconds_total") > 0


def _answers(it: Place) -> bool:
    return predict(it.api, "GGCA", deadline_ms=1000).status_code == 200


def _measure_overload(models: Path, redis: RedisServer, rounds: int, seconds: float, figures: Figures) -> None:
    workload = Workload("stub", models, "40 bases", random_sequences(SEQUENCES, 40, 40))
    settings: dict[str, Any] = {"default_deadline_ms": STUB_DEADLINE_MS, "namespace": "overload"}
    with world(TOY_ROW_SECONDS=STUB_SECONDS), place(models, redis, **settings) as it:
        for _ in range(rounds):
            full = load(workload, it.api.port, 1, seconds, concurrency=16)
            peak = len(full["latencies"]) / full["seconds"]
            over = load(workload, it.api.port, 1, seconds, rate=OVERLOAD * peak)
            figures.peak.append(peak)
            figures.goodput.append(len(over["latencies"]) / over["seconds"])
            figures.answered_p99_ms.append(_percentile_ms(over["latencies"], 0.99))
            figures.expired.append((over["errors"] - len(over["refused"])) / (over["errors"] + len(over["latencies"])))
            figures.refused_p50_ms.append(_percentile_ms(over["refused"], 0.5))
            figures.refused_p99_ms.append(_percentile_ms(over["refused"], 0.99))


def _percentile_ms(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def page(figures: Figures, rounds: int, seconds: float) -> str:
    """The whole page."""
    rows = "".join(_row(figures, kind) for kind in LOADS)
    times = "".join(_times_row(figures, kind) for kind in LOADS)
    one = {form: statistics.median(figures.p50_ms[form, "1"]) for form in FORMS}
    ratio = statistics.median(figures.goodput) / statistics.median(figures.peak)
    return f"""# Benchmark: the queue through Redis beside the queue in the process

Written by `make bench-redis`. {machine()}

Redis {VERSIONS[-1]}, API process, worker and, in the other form, the one process that does all share a core; the load
generator has the other. {rounds} rounds of {seconds:g} s, in which the two forms take turns; medians, and in brackets
smallest to largest.

## What Redis costs: {BUNDLE.name}, 110 bases

| closed loop | sequences/s in the process | through Redis | ratio | p50 in the process, ms | through Redis, ms |
|---|---:|---:|---:|---:|---:|
{rows}
At concurrency 1 Redis adds {one[FORMS[1]] - one[FORMS[0]]:.2f} ms (p50).

Processor time of all processes together. Its ratio is what the throughput's would be on a core that nobody else uses;
where others use it, three processes get more of it than one.

| closed loop | ms a sequence in the process | through Redis | ratio |
|---|---:|---:|---:|
{times}
## When something dies

A lease of {LEASE_MS} ms; a model that takes {1000 * STUB_SECONDS:g} ms a sequence; 8 callers.

| | seconds |
|---|---:|
| slowest answer when one of two workers was killed in a batch | {_spread(figures.after_kill)} |
| from when Redis, killed, was back until the first answer | {_spread(figures.after_redis)} |

## Ten times too much

A model that takes {1000 * STUB_SECONDS:g} ms a sequence, one sequence a request, a deadline of
{STUB_DEADLINE_MS} ms, open loop.

| | |
|---|---:|
| answers/s when just full (16 callers) | {_spread(figures.peak)} |
| answers/s at ten times that | {_spread(figures.goodput)}, {ratio:.2f} of the peak |
| p99 of the answers, ms | {_spread(figures.answered_p99_ms)} |
| let in, and then too late | {_spread([100 * share for share in figures.expired])} % of all requests |
| p50 and p99 of the refusals, ms | {_spread(figures.refused_p50_ms)}, {_spread(figures.refused_p99_ms)} |
"""


def _row(figures: Figures, kind: str) -> str:
    rates = [figures.rates[form, kind] for form in FORMS]
    ratio = statistics.median(rates[1]) / statistics.median(rates[0])
    cells: list[Any] = [kind, *map(_spread, rates), f"{ratio:.2f}"]
    return f"| {' | '.join([*cells, *(_spread(figures.p50_ms[form, kind]) for form in FORMS)])} |\n"


def _times_row(figures: Figures, kind: str) -> str:
    times = [figures.cpu_ms[form, kind] for form in FORMS]
    ratio = statistics.median(times[0]) / statistics.median(times[1])
    return f"| {kind} | {_spread(times[0])} | {_spread(times[1])} | {ratio:.2f} |\n"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.2f} ({min(values):,.2f} to {max(values):,.2f})"


if __name__ == "__main__":
    typer.run(main)
