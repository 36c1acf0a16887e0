"""The measurements as a page: benchmarks/peers.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.peers.contestants import IN_PROCESS, THROUGH_REDIS
from benchmarks.peers.footprint import Footprint
from benchmarks.peers.measuring import Measured, Run
from benchmarks.peers.plan import Load
from benchmarks.peers.servers import PEERS
from benchmarks.report import machine

RAW = "raw ONNX Runtime"
BATCHING = "batches of 32"
HEAD = (
    "| server | sequences/s | spread | tokens/s | of raw | of the best peer | p50 ms | p95 ms | p99 ms "
    "| CPU s per 1,000 | MB | errors | generator busy |\n"
)
RULE = "|---|" + "---:|" * 12 + "\n"


@dataclass(frozen=True)
class Line:
    """A server under one load, over the rounds."""

    name: str
    sequences_per_second: float
    spread: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_seconds_per_1000: float
    resident_mb: float
    errors: int
    generator_busy: float

    @property
    def is_peer(self) -> bool:
        return self.name not in (IN_PROCESS, THROUGH_REDIS)


def page(
    one_core: Sequence[Measured], two_cores: Sequence[Measured], footprints: Sequence[Footprint], minutes: float
) -> str:
    """The whole page."""
    return f"""# Benchmark: the service beside five others

Written by `make bench-peers` in {minutes:.0f} minutes. {machine()}

The same ONNX model behind each server ({", ".join(_versions())}; [handlers](peers/handlers)); each server's
answers are compared with those of ONNX Runtime before it is measured. The servers take turns, round by round; medians
over the rounds, spread is (largest - smallest) / median, latencies are of all requests of all rounds. Raw is a bare
loop around `session.run` on sequences that are encoded already, in the better of two packings. Lists of 32 are for
servers that take more than one sequence a request. In an open loop requests arrive at random at a share of what the
best peer reached in a closed one, and lateness counts as latency. CPU seconds are those of all the server's processes;
memory counts what several of them share once.

## In short

{_summary(one_core)}
## What it takes to be there

| what is served | ready after s | resident MB | idle CPU |
|---|---:|---:|---:|
{"".join(_footprint(each) for each in footprints)}
# The server on one core, the load generator on the other

{"".join(_section(each) for each in one_core)}
# Both cores shared by server and load generator

{"".join(_section(each) for each in two_cores)}"""


def lines(measured: Measured, load: Load) -> list[Line]:
    """Every server under one load, the fastest first."""
    found = [_line(name, runs) for (name, of_load), runs in measured.runs.items() if of_load == load.name and any(runs)]
    return sorted(found, key=lambda line: -line.sequences_per_second)


def _line(name: str, runs: Sequence[Run]) -> Line:
    rates = [run.sequences_per_second for run in runs]
    middle = statistics.median(rates)
    latencies = sorted(latency for run in runs for latency in run.latencies_ms) or [float("nan")]
    p50, p95, p99 = (latencies[min(len(latencies) - 1, int(len(latencies) * share))] for share in (0.5, 0.95, 0.99))
    return Line(
        name,
        middle,
        (max(rates) - min(rates)) / middle if middle else 0.0,
        p50,
        p95,
        p99,
        statistics.median(run.cpu_seconds_per_1000 for run in runs),
        max(run.resident_bytes for run in runs) / 2**20,
        sum(run.errors for run in runs),
        max(run.generator_busy for run in runs),
    )


def _summary(workloads: Sequence[Measured]) -> str:
    head = (
        "| model and lengths | load | ours/s | of raw | of the best peer in batches | of the best peer "
        "| our p50 ms | the best peer's | our p99 ms | the best peer's |\n|---|---|" + "---:|" * 8 + "\n"
    )
    return head + "".join(_summary_row(measured, load) for measured in workloads for load in measured.workload.loads)


def _summary_row(measured: Measured, load: Load) -> str:
    found = lines(measured, load)
    ours = next((line for line in found if line.name == IN_PROCESS), None)
    peers = [line for line in found if line.is_peer]
    if ours is None or not peers:
        return ""
    batching = [line for line in peers if line.name.endswith(BATCHING)] or peers
    rate = ours.sequences_per_second
    cells = [
        measured.workload.name,
        load.name,
        f"{rate:,.0f}",
        f"{rate / statistics.median(measured.raw_per_second):.2f}",
        f"{rate / max(line.sequences_per_second for line in batching):.2f}",
        f"{rate / peers[0].sequences_per_second:.2f}",
        f"{ours.p50_ms:.2f}",
        f"{min(line.p50_ms for line in peers):.2f}",
        f"{ours.p99_ms:.2f}",
        f"{min(line.p99_ms for line in peers):.2f}",
    ]
    return f"| {' | '.join(cells)} |\n"


def _footprint(each: Footprint) -> str:
    return f"| {each.name} | {each.ready_seconds:.1f} | {each.resident_bytes / 2**20:.0f} | {each.idle_share:.1%} |\n"


def _section(measured: Measured) -> str:
    raw, alone = statistics.median(measured.raw_per_second), statistics.median(measured.raw_p50_ms)
    missing = "".join(f"\nNot measured: {name} ({reason}).\n" for name, reason in measured.missing.items())
    tables = "\n".join(_table(measured, load, raw) for load in measured.workload.loads)
    return f"""## {measured.workload.name}

Raw ONNX Runtime: {raw:,.0f} sequences/s, {alone:.2f} ms for one alone; {measured.mean_tokens:.0f} tokens a sequence.
{missing}
{tables}
"""


def _table(measured: Measured, load: Load, raw: float) -> str:
    found = lines(measured, load)
    best = max((line.sequences_per_second for line in found if line.is_peer), default=float("nan"))
    kind = load.name if load.share else f"closed loop, {load.name} caller{'s' * (load.callers > 1)}"
    return f"### {kind}\n\n{HEAD}{RULE}{''.join(_row(line, measured.mean_tokens, raw, best) for line in found)}"


def _row(line: Line, tokens: float, raw: float, best: float) -> str:
    rate = line.sequences_per_second
    cells = [
        f"**{line.name}**" if not line.is_peer else line.name,
        f"{rate:,.0f}",
        f"{line.spread:.0%}",
        f"{rate * tokens:,.0f}",
        f"{rate / raw:.2f}",
        f"{rate / best:.2f}",
        *(f"{value:.2f}" for value in (line.p50_ms, line.p95_ms, line.p99_ms)),
        f"{line.cpu_seconds_per_1000:.2f}",
        f"{line.resident_mb:.0f}",
        str(line.errors),
        f"{line.generator_busy:.0%}",
    ]
    return f"| {' | '.join(cells)} |\n"


def _versions() -> Iterator[str]:
    for peer in PEERS:
        yield f"{peer.name} {peer.packages[0].partition('==')[2]}"
