"""Which settings serve a bundle best on this device: candidates are tried beside each other, within a bound of time."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from app.batching import CPU_LIMITS, GPU_LIMITS, BatchLimits, Job, choose_batch
from app.bundle import Bundle
from app.comparison import Candidate, Comparison, Group, Rate, compare, compare_groups, doubted, group_limits
from app.encoding import EncodedSequence, Ids, SequenceEncoder
from app.engine import MEASURE_PADDED, OnnxGraph
from app.errors import OutOfMemory
from app.segmented_engine import open_graphs
from app.strategy import GPU_RUNS, worthwhile
from app.timing import interleaved, timed

Progress = Callable[[str, float], object]  # what is tried, and the share of the time that has passed

ROWS = 64
GPU_COPIES = 64  # of them, for batches to be full
SIZES = (32, 16, 8, 4, 2, 1)
PADDING = (0.05, 0.1, 0.2)
CPU_TOKENS = (512, 1024, 2048, 4096, 8192)
GPU_TOKENS = (16_384, 32_768, 131_072, 262_144)
TOKENS_PER_ROW = 64  # of a budget, at least, so that short rows do not fill a batch with more rows than pay
ROUNDS = 4  # of each candidate that shall have time
SEED = 7


@dataclass(frozen=True)
class Bench:
    """What candidates are tried on.

    Attributes:
        graph: a bundle's first.
        rows: such as it reads, of all lengths.
        row_seconds: of one of the middle length, about; on a GPU in company.
        masked: whether rows of different lengths may share a batch.
    """

    bundle: Bundle
    device: str
    allow_cpu: bool
    graph: OnnxGraph
    rows: Sequence[Ids]
    row_seconds: float
    masked: bool

    @property
    def middle(self) -> Ids:
        return self.rows[len(self.rows) // 2]

    def open(self, intra_op_threads: int) -> OnnxGraph:
        """The same graph, on so many threads."""
        return open_graphs(self.bundle, self.device, threads=intra_op_threads, allow_cpu=self.allow_cpu)[0]

    def affordable(self, seconds: float, candidates: int) -> int:
        """How many rows there is time for in each round of so many candidates: at least one, at most all."""
        return max(1, min(len(self.rows), int(seconds / (ROUNDS + 1) / candidates / self.row_seconds)))


def set_up(bundle: Bundle, device: str, allow_cpu: bool) -> Bench:
    """Open a bundle and make it something to read.

    Raises:
        BundleError: it does not open there, or predicts something else than it promises.
    """
    graph = open_graphs(bundle, device, allow_cpu=allow_cpu)[0]
    copies, company = (1, 1) if graph.on_cpu else (GPU_COPIES, ROWS)
    rows = sorted(_rows(bundle, graph) * copies, key=len)
    group = [rows[len(rows) // 2]] * company
    seconds = min(timed(lambda: graph.predict(group), time.perf_counter) for _ in range(ROUNDS)) / company
    return Bench(bundle, device, allow_cpu, graph, rows, seconds, bundle.manifest.input.encoding == "tokens")


def tried(bench: Bench, seconds: float, progress: Progress) -> Iterator[Comparison]:
    """All comparisons that make sense for a bundle on its device, each in its part of the time."""
    varied = bench.masked and len({len(row) for row in bench.rows}) > 1
    if bench.graph.on_cpu:
        trials = [try_threads, try_groups, *([try_padding] if varied else [])]
    else:
        trials = [try_runs, try_budgets, *([try_padding, try_multiples] if varied else [])]
    for number, trial in enumerate(trials):
        part = partial(_in_part, progress, number, len(trials))
        yield trial(bench, seconds / len(trials), part)


def try_threads(bench: Bench, seconds: float, progress: Progress) -> Comparison:
    """On a CPU: many batches at once on a core each, or few on several."""
    cores = len(os.sched_getaffinity(0))
    pairs = [(cores // intra, intra) for intra in _divisors(cores)]
    candidates = [
        Candidate(f"{runs} at once, cores of each: {intra}", (("threads", runs), ("intra_op_threads", intra)))
        for runs, intra in pairs
    ]
    title = "batches at once, rows a second of the machine"
    began, cpu_began = time.perf_counter(), time.process_time()
    compared = _try_at_once(bench, seconds, partial(progress, title), title, list(zip(candidates, pairs, strict=True)))
    possible = (time.perf_counter() - began) * cores
    return doubted(compared, (time.process_time() - cpu_began) / possible)


def try_runs(bench: Bench, seconds: float, progress: Progress) -> Comparison:
    """On a GPU: how many batches at once."""
    pairs = [(runs, 1) for runs in (GPU_RUNS, 1, 2 * GPU_RUNS)]
    candidates = [Candidate(f"{runs} at once", (("threads", runs),)) for runs, _ in pairs]
    title = "batches at once, rows a second"
    return _try_at_once(bench, seconds, partial(progress, title), title, list(zip(candidates, pairs, strict=True)))


def try_groups(bench: Bench, seconds: float, progress: Progress) -> Comparison:
    """On a CPU: groups of equal rows, of which size at which length."""
    title = "groups of equal length, rows a second of a core"
    rows = {len(row): row for row in (bench.rows[0], bench.middle, bench.rows[-1])}
    affordable = seconds / (ROUNDS + 1) / len(rows) / len(SIZES) / bench.row_seconds
    sizes = [size for size in SIZES if size <= max(affordable, 2)]
    runs = {
        Group(tokens, size): partial(_predict_all, bench.graph, [[row] * size] * (sizes[0] // size))
        for tokens, row in rows.items()
        for size in sizes
    }
    found = interleaved(runs, seconds, time.thread_time, partial(progress, title))
    rates = {group: Rate.of(sizes[0], spent) for group, spent in found.items()}
    usual = (CPU_LIMITS.max_sequences, CPU_LIMITS.max_tokens)
    return compare_groups(title, rates, usual, (*CPU_TOKENS, CPU_LIMITS.max_tokens))


def try_padding(bench: Bench, seconds: float, progress: Progress) -> Comparison:
    """Rows of different lengths in one batch, as the queue would form it."""
    usual = CPU_LIMITS if bench.graph.on_cpu else GPU_LIMITS
    shares = [usual.max_padding, *(share for share in (0.0, *PADDING) if share != usual.max_padding)]
    candidates = [
        (Candidate(f"at most {share:.0%} padding", _max_padding(share)), replace(usual, max_padding=share))
        for share in shares
    ]
    if bench.graph.on_cpu and bench.masked:
        seconds_by_rows = bench.graph.row_seconds(MEASURE_PADDED)
        measured = worthwhile(seconds_by_rows, len(bench.graph.example_row()))
        as_served = replace(usual, **measured._asdict())
        candidates.insert(0, (Candidate("as much padding as company is worth", _max_padding(0.0)), as_served))
    return _try_limits(bench, seconds, progress, "padding, rows a second", candidates)


def _max_padding(share: float) -> tuple[tuple[str, float], ...]:
    return (("max_padding", share),)


def try_budgets(bench: Bench, seconds: float, progress: Progress) -> Comparison:
    """On a GPU: how many rows and tokens a batch may have; what does not fit is no candidate."""
    usual = GPU_LIMITS
    while not _fits(bench, usual.max_tokens):
        usual = replace(usual, max_tokens=usual.max_tokens // 2)
    budgets = [tokens for tokens in GPU_TOKENS if tokens < usual.max_tokens or _fits(bench, tokens)]
    limits = [usual, *(replace(usual, max_tokens=it, max_sequences=it // TOKENS_PER_ROW) for it in budgets)]
    candidates = [Candidate(*group_limits(it.max_sequences, it.max_tokens)) for it in limits]
    title = "rows and tokens of a batch, rows a second"
    return _try_limits(bench, seconds, progress, title, list(zip(candidates, limits, strict=True)))


def try_multiples(bench: Bench, seconds: float, progress: Progress) -> Comparison:
    """On a GPU: what lengths are rounded up to."""
    multiples = [bench.graph.length_multiple, 1, 64]
    candidates = [Candidate(f"multiples of {it}", (("length_multiple", it),)) for it in multiples]
    graphs = [
        open_graphs(bench.bundle, bench.device, allow_cpu=bench.allow_cpu, length_multiple=it)[0] for it in multiples
    ]
    batches = _packed(bench.rows, GPU_LIMITS)
    runs = {it.label: partial(_predict_all, graph, batches) for it, graph in zip(candidates, graphs, strict=True)}
    title = "lengths rounded up, rows a second"
    found = interleaved(runs, seconds, time.perf_counter, partial(progress, title))
    return compare(title, candidates, {label: Rate.of(len(bench.rows), spent) for label, spent in found.items()})


def _try_at_once(
    bench: Bench,
    seconds: float,
    progress: Callable[[float], object],
    title: str,
    candidates: Sequence[tuple[Candidate, tuple[int, int]]],
) -> Comparison:
    """Candidates of (batches at once, cores of each)."""
    most = max(runs for _, (runs, _) in candidates)
    count = most * -(-bench.affordable(seconds, len(candidates)) // most)
    with ExitStack() as pools:
        runs = {}
        for candidate, (at_once, cores) in candidates:
            pool = pools.enter_context(ThreadPoolExecutor(at_once))
            graph = bench.graph if cores == 1 else bench.open(cores)
            shares = [[[bench.middle]] * (count // at_once)] * at_once
            runs[candidate.label] = partial(_predict_at_once, pool, graph, shares)
        found = interleaved(runs, seconds, time.perf_counter, progress)
    rates = {label: Rate.of(count, spent) for label, spent in found.items()}
    return compare(title, [candidate for candidate, _ in candidates], rates)


def _try_limits(
    bench: Bench, seconds: float, progress: Progress, title: str, candidates: Sequence[tuple[Candidate, BatchLimits]]
) -> Comparison:
    count = bench.affordable(seconds, len(candidates))
    rows = random.Random(SEED).sample(list(bench.rows), count)  # noqa: S311 - no secret
    padded = [(it, limits if bench.masked else replace(limits, max_padding=0.0)) for it, limits in candidates]
    runs = {it.label: partial(_predict_all, bench.graph, _packed(rows, limits)) for it, limits in padded}
    clock = time.thread_time if bench.graph.on_cpu else time.perf_counter
    found = interleaved(runs, seconds, clock, partial(progress, title))
    rates = {label: Rate.of(count, spent) for label, spent in found.items()}
    return compare(title, [candidate for candidate, _ in candidates], rates)


def _predict_all(graph: OnnxGraph, batches: Sequence[Sequence[Ids]]) -> None:
    for batch in batches:
        graph.predict(batch)


def _predict_at_once(pool: ThreadPoolExecutor, graph: OnnxGraph, shares: Sequence[Sequence[Sequence[Ids]]]) -> None:
    """Each thread one share of the batches."""
    list(pool.map(partial(_predict_all, graph), shares))


def _packed(rows: Sequence[Ids], limits: BatchLimits) -> list[list[Ids]]:
    """Batches as the queue forms them when all of these wait."""
    waiting = [Job(row, 0.0, 0.0) for row in rows]
    batches = []
    while waiting:
        chosen = choose_batch(waiting, limits)
        batches.append([job.ids for job in chosen])
        waiting = [job for job in waiting if job not in chosen]
    return batches


def _fits(bench: Bench, tokens: int) -> bool:
    """Whether the longest rows fit into memory, as many as may be in a batch; a single one is always worth a try."""
    rows = tokens // len(bench.rows[-1])
    try:
        if rows > 1:
            bench.graph.predict([bench.rows[-1]] * rows)
    except OutOfMemory:
        bench.graph.rebuild()
        return False
    return True


def _rows(bundle: Bundle, graph: OnnxGraph) -> list[Ids]:
    """Random DNA of all lengths that a model accepts; an example again and again where it reads something else."""
    rules = bundle.manifest.input
    if not rules.reads_sequences or rules.segments is not None:
        return [graph.example_row()] * ROWS
    chance = random.Random(SEED)  # noqa: S311 - no secret
    step = (rules.max_bases - rules.min_bases) / (ROWS - 1)
    lengths = [round(rules.min_bases + step * place) for place in range(ROWS)]
    encoded = SequenceEncoder(bundle.manifest, bundle.files).encode(
        ["".join(chance.choices("ACGT", k=length)) for length in lengths]
    )
    rows = [row.ids for row in encoded if isinstance(row, EncodedSequence)]
    return rows or [graph.example_row()] * ROWS


def _in_part(progress: Progress, number: int, parts: int, title: str, share: float) -> None:
    """Tell the share of one part of all as a share of the whole."""
    progress(title, (number + share) / parts)


def _divisors(cores: int) -> list[int]:
    """1, 2, 4 and so on, and all, as far as that many cores each use them all."""
    powers = [2**power for power in range(cores.bit_length())]
    return [it for it in dict.fromkeys((*powers, cores)) if cores % it == 0]
