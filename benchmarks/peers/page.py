"""The measurements as a page: benchmarks/peers.md."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.peers.bars import answers, percentile
from benchmarks.peers.figures import Measured, Run, Who, middle_rate
from benchmarks.peers.footprint import Footprint
from benchmarks.peers.plan import Load
from benchmarks.peers.servers import PEERS
from benchmarks.report import machine

RAW = "bare ONNX Runtime"
HEAD = (
    "| server | sequences/s | spread | tokens/s | of bare | of the best peer | p50 ms | p95 ms | p99 ms "
    "| CPU s per 1,000 | MB | errors | generator busy |\n"
)
RULE = "|---|" + "---:|" * 12 + "\n"


@dataclass(frozen=True)
class Part:
    """Workloads that were measured in the same way.

    Attributes:
        where: which cores servers and load generator had.
    """

    where: str
    workloads: Sequence[Measured]


@dataclass(frozen=True)
class Setting:
    """How the page came about.

    Attributes:
        python: the servers' interpreter, in words.
    """

    python: str
    minutes: float


def page(
    parts: Sequence[Part], footprints: tuple[Sequence[Footprint], Sequence[Footprint]], setting: Setting, picture: str
) -> str:
    """The whole page; the bars are about its first part."""
    rows = "".join(answer.row() for answer in answers(parts[0].workloads, footprints))
    versions = ", ".join(f"{peer.name} {peer.packages[0].partition('==')[2]}" for peer in PEERS)
    measured = "; ".join(each.workload.name for part in parts for each in part.workloads)
    paces = [pace for part in parts for each in part.workloads for pace in each.paces]
    low, high = min(paces, default=1), max(paces, default=1)
    return f"""# Benchmark: the service beside five others

Written by `make bench-peers` in {setting.minutes:.0f} minutes. {machine()} Measured: {measured}.

| where | what | bar | median (smallest to largest round) | |
|---|---|---|---:|---|
{rows}
![Throughput of each server as a share of bare ONNX Runtime's]({picture})

**What is compared.** The same ONNX model behind each server ({versions}; [handlers](peers/handlers)), with the same
releases of ONNX Runtime and tokenizers; answers are compared with those of ONNX Runtime before each run. Each peer is
measured in batches of up to 32 with 5 ms of waiting, and without batches (`single`); on two cores with two models
side by side, and with one of two threads. What a peer documents as fast is set: LitServe's `fast_queue`, Ray Serve's
`RAY_SERVE_THROUGHPUT_OPTIMIZED`, a stage for tokenising in front of mosec's batches and none without them, BentoML's
adaptive batching, and PyTriton's requests as one BYTES value, since Triton does not batch tensors of different
lengths. No tokenizer remembers texts, as ours never does: the same come over and over here, and in use hardly ever.

**Which Python.** {setting.python}

**How.** Servers take turns, round by round, each second round in the other direction, and are started anew for each
turn. Everybody is sent the same sequences in the same order, and tokens/s counts the tokens of those that were
answered. Bare is a loop around `session.run` over the same sequences, encoded already, warm, with our session's
options, on the servers' cores, in every round, in the better of two packings: one by one, and groups of equal length.
Neighbours on this machine made it between {low:.2f} and {high:.2f} times as fast as at the start, for seconds at a
time. So a few sequences are computed by bare ONNX Runtime on the servers' cores before and after every two seconds of a
run, and twice a second among the bare ones, and all times are put in terms of the pace at the start; an open loop asks
at its share by the pace of the moment. Figures are medians over the rounds, spread is (largest - smallest) / median,
latencies are of all requests of all rounds. With one caller everybody answers the same requests, and each is compared
with itself. In an open loop
requests arrive at random at a share of what the best peer reached in a closed one, lateness counts as latency, and the
three fastest peers are there in their fastest form; the largest model has the two fastest. Ray Serve takes part in the
first round only, since its start takes a core twenty seconds. CPU seconds are those of all the server's processes.
Memory of a server of one process is all that is resident; of several, each one's share of what they have in common. The
generator is not the bottleneck where it is busy for less than its whole core. Lists of 32 are for servers that take
more than one sequence a request; ours has no requests of token ids and gets text there.

{"".join(_part(part) for part in parts)}"""


def _part(part: Part) -> str:
    return f"# {part.where}\n\n" + "".join(_section(each) for each in part.workloads)


def _section(measured: Measured) -> str:
    missing = "".join(f"Not measured: {who.name} ({reason}).\n\n" for who, reason in measured.missing.items())
    tables = "\n".join(load_table(measured, load) for load in measured.workload.loads)
    return f"## {measured.workload.name}\n\n{missing}{tables}\n"


def load_table(measured: Measured, load: Load) -> str:
    """Everybody's figures under one load."""
    runs = measured.of(load)
    bare = measured.bare_of(load)
    rate = statistics.median(each.per_second for each in bare)
    best = max((middle_rate(each) for who, each in runs.items() if not who.is_ours), default=float("nan"))
    tokens = statistics.mean(measured.tokens[load.mixture.name])
    ranked = sorted(runs, key=lambda who: -middle_rate(runs[who]))
    alone = [percentile(each.alone_ms[: load.most], 0.5) for each in bare if each.alone_ms]
    p50 = f"{statistics.median(alone):.2f}" if alone else ""
    first = f"| {RAW} | {rate:,.0f} | | {rate * tokens:,.0f} | 1.00 | | {p50} | | | | | | |\n"
    rounds = len(next(iter(runs.values()), []))
    title = f"### {load.name}, {rounds} round{'s' * (rounds != 1)}"
    return f"{title}\n\n{HEAD}{RULE}{first}{''.join(_row(who, runs[who], rate * tokens, best) for who in ranked)}"


def _row(who: Who, runs: Sequence[Run], bare: float, best: float) -> str:
    rates = [run.sequences_per_second for run in runs]
    middle = middle_rate(runs)
    tokens = statistics.median(run.tokens_per_second for run in runs)
    latencies = [latency for run in runs for latency in run.latencies_ms]
    cells = [
        f"**{who.name}**" if who.is_ours else who.name,
        f"{middle:,.0f}",
        f"{(max(rates) - min(rates)) / middle:.0%}" if middle else "",
        f"{tokens:,.0f}",
        f"{tokens / bare:.2f}",
        f"{middle / best:.2f}",
        *(f"{percentile(latencies, share):.2f}" for share in (0.5, 0.95, 0.99)),
        f"{statistics.median(run.cpu_seconds_per_1000 for run in runs):.2f}",
        f"{max(run.resident_bytes for run in runs) / 2**20:.0f}",
        str(sum(run.errors for run in runs)),
        f"{max(run.generator_busy for run in runs):.0%}",
    ]
    return f"| {' | '.join(cells)} |\n"
