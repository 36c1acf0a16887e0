"""The bars that the service has to pass, answered by what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import sub, truediv

from benchmarks.peers.contestants import IN_PROCESS
from benchmarks.peers.figures import Measured, Run, Who, fullest, is_plain, middle_rate
from benchmarks.peers.footprint import Footprint
from benchmarks.peers.plan import LARGE, MIDDLE, Load
from benchmarks.peers.servers import BATCHES

OF_BATCHING, OF_BEST, OF_RAW, OF_RAW_LARGE = 1.3, 1.05, 0.9, 0.97
ADDED_MS, OF_P99 = 1.0, 0.7
ALONE_MB, ALONE_SECONDS, ALL_MB, ALL_SECONDS, IDLE = 350, 3.0, 600, 6.0, 0.01


@dataclass(frozen=True)
class Answer:
    """One bar.

    Attributes:
        where, what: the cell, and the figure that counts.
        wanted: the bar.
        figures: one a round; the median counts.
        unit: follows the figure.
    """

    where: str
    what: str
    wanted: str
    figures: tuple[float, ...]
    met: bool
    unit: str = ""

    def row(self) -> str:
        """Its line of the table."""
        low, high = min(self.figures), max(self.figures)
        digits = 0 if low >= 100 else 2
        figure = f"{statistics.median(self.figures):.{digits}f}{self.unit} ({low:.{digits}f} to {high:.{digits}f})"
        return f"| {self.where} | {self.what} | {self.wanted} | {figure} | {'met' if self.met else '**missed**'} |\n"


def at_least(where: str, what: str, figures: Sequence[float], bar: float) -> Answer:
    """A bar that the median has to reach."""
    return Answer(where, what, f"at least {bar:g}", tuple(figures), statistics.median(figures) >= bar)


def at_most(where: str, what: str, figures: Sequence[float], bar: float, unit: str = "") -> Answer:
    """A bar that the median may reach, and no more."""
    return Answer(where, what, f"at most {bar:g}{unit}", tuple(figures), statistics.median(figures) <= bar, unit)


def answers(workloads: Sequence[Measured], footprints: Sequence[Sequence[Footprint]]) -> Iterator[Answer]:
    """Every bar for which something was measured.

    Args:
        footprints: of one bundle, and of all of them; each a figure a round.
    """
    yield from of_loads(workloads)
    for rounds, mb, seconds in zip(footprints, (ALONE_MB, ALL_MB), (ALONE_SECONDS, ALL_SECONDS), strict=True):
        yield from _resting(rounds, mb, seconds)


def of_loads(workloads: Sequence[Measured]) -> Iterator[Answer]:
    """The bars that are about loads."""
    for question in (_saturated, _alone, _late):
        for measured in workloads:
            if IN_PROCESS in {who for who, _ in measured.runs}:
                yield from question(measured)


def _saturated(measured: Measured) -> Iterator[Answer]:
    """Mixed lengths, text in, as many callers as there are."""
    mixed = [load for load in measured.workload.loads if is_plain(load) and len(set(map(len, load.mixture.texts))) > 1]
    for load in [load for load in mixed if load.callers == fullest(measured.workload).callers]:
        where = f"{measured.workload.name}, {load.name}"
        others = {who: runs for who, runs in measured.of(load).items() if not who.is_ours}
        batching = {who: runs for who, runs in others.items() if who.form.startswith(BATCHES)}
        ours = measured.of(load)[IN_PROCESS]
        bare = [each.per_second * _mean_tokens(measured, load) for each in measured.bare_of(load)]
        raw = OF_RAW_LARGE if measured.workload.name == LARGE else OF_RAW
        yield at_least(where, "tokens/s, of bare ONNX Runtime's", _ratios(_tokens(ours), bare), raw)
        if measured.workload.name == MIDDLE and batching:
            yield _against(where, "sequences/s, of the best peer's in batches", ours, batching, OF_BATCHING)
            yield _against(where, "sequences/s, of the best peer's in any form", ours, others, OF_BEST)


def _against(where: str, what: str, ours: Sequence[Run], others: dict[Who, list[Run]], bar: float) -> Answer:
    best = max(others, key=lambda who: middle_rate(others[who]))
    return at_least(where, f"{what} ({best.name})", _ratios(_rates(ours), _rates(others[best])), bar)


def _alone(measured: Measured) -> Iterator[Answer]:
    """One caller, whose requests are the same for everybody: each is compared with itself.

    Lengths differ, so the medians of two servers may be of different requests, and then say little of either.
    """
    for load in [load for load in measured.workload.loads if is_plain(load) and load.callers == 1]:
        runs, where = measured.of(load), f"{measured.workload.name}, {load.name}"
        ours = [_answered(run) for run in runs[IN_PROCESS]]
        if added := _medians(sub, ours, [each.alone_ms for each in measured.bare_of(load)]):
            yield at_most(where, "p50 of what a request takes above bare ONNX Runtime", added, ADDED_MS, " ms")
        medians = {who: statistics.median(_p(run, 0.5) for run in each) for who, each in runs.items()}
        if others := {who: p50 for who, p50 in medians.items() if not who.is_ours}:
            lowest = min(others, key=lambda who: others[who])
            if ratios := _medians(truediv, ours, [_answered(run) for run in runs[lowest]]):
                yield at_most(where, f"p50 of what a request takes beside the lowest peer ({lowest.name})", ratios, 1)


def _answered(run: Run) -> Sequence[float]:
    """What each request took; nothing if one had no answer, for those after it would be taken for others."""
    return () if run.errors else run.latencies_ms


def _medians(
    reckon: Callable[[float, float], float], ours: Sequence[Sequence[float]], others: Sequence[Sequence[float]]
) -> list[float]:
    """Of each round, the middle of what comes out for the same requests."""
    rounds = zip(ours, others, strict=False)
    return [statistics.median(map(reckon, mine, other)) for mine, other in rounds if mine and other]


def _late(measured: Measured) -> Iterator[Answer]:
    """The open loop near the best peer's capacity; that peer is the fastest in a closed one."""
    for load in [load for load in measured.workload.loads if load.share == 0.8]:
        runs = measured.of(load)
        closed = measured.of(fullest(measured.workload))
        others = [who for who in runs if not who.is_ours]
        if IN_PROCESS in runs and others:
            best = max(others, key=lambda who: middle_rate(closed[who]))
            ratios = _ratios([_p(run, 0.99) for run in runs[IN_PROCESS]], [_p(run, 0.99) for run in runs[best]])
            where = f"{measured.workload.name}, {load.name}"
            yield at_most(where, f"p99, of the best peer's ({best.name})", ratios, OF_P99)


def _resting(rounds: Sequence[Footprint], mb: float, seconds: float) -> Iterator[Answer]:
    name = rounds[0].name
    yield at_most(name, "resident memory", [each.resident_bytes / 2**20 for each in rounds], mb, " MB")
    yield at_most(name, "start to ready", [each.ready_seconds for each in rounds], seconds, " s")
    yield at_most(name, "CPU while nobody asks", [100 * each.idle_share for each in rounds], 100 * IDLE, " %")


def _mean_tokens(measured: Measured, load: Load) -> float:
    return statistics.mean(measured.tokens[load.mixture.name])


def _rates(runs: Sequence[Run]) -> list[float]:
    return [run.sequences_per_second for run in runs]


def _tokens(runs: Sequence[Run]) -> list[float]:
    return [run.tokens_per_second for run in runs]


def _ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round."""
    return [mine / other for mine, other in zip(ours, others, strict=False)]


def _p(run: Run, share: float) -> float:
    return percentile(run.latencies_ms, share)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; not a number where there are none."""
    ordered = sorted(values) or [float("nan")]
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
