"""What was measured, and who is best by it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.peers.bare import Bare
from benchmarks.peers.plan import Load, Workload

OUR_NAME = "Basecast"


@dataclass(frozen=True)
class Who:
    """A server in one form.

    Attributes:
        server, form: their names; ours have no form.
    """

    server: str
    form: str = ""

    @property
    def name(self) -> str:
        return f"{self.server}, {self.form}" if self.form else self.server

    @property
    def is_ours(self) -> bool:
        return self.server.startswith(OUR_NAME)


@dataclass(frozen=True)
class Run:
    """One load on one server, once.

    Attributes:
        tokens_per_second: of the sequences that were answered.
        cpu_seconds_per_1000: of all the server's processes, for a thousand sequences.
        generator_busy: share of a core that the load generator used.
    """

    sequences_per_second: float
    tokens_per_second: float
    latencies_ms: tuple[float, ...]
    errors: int
    cpu_seconds_per_1000: float
    resident_bytes: int
    generator_busy: float


@dataclass(frozen=True)
class Slice:
    """A part of a run, between two readings of the machine's pace, in whose terms times are.

    Attributes:
        requests: which ones were answered.
        cpu_seconds: of all the server's processes.
    """

    requests: tuple[int, ...]
    sequences: int
    tokens: int
    seconds: float
    latencies_ms: tuple[float, ...]
    errors: int
    cpu_seconds: float
    resident_bytes: int
    generator_busy: float


def together(slices: Sequence[Slice]) -> Run:
    """The run that these are the parts of."""
    seconds, sequences = sum(each.seconds for each in slices), sum(each.sequences for each in slices)
    return Run(
        sequences / seconds,
        sum(each.tokens for each in slices) / seconds,
        tuple(latency for each in slices for latency in each.latencies_ms),
        sum(each.errors for each in slices),
        1000 * sum(each.cpu_seconds for each in slices) / max(sequences, 1),
        max(each.resident_bytes for each in slices),
        max(each.generator_busy for each in slices),
    )


@dataclass
class Measured:
    """A workload's figures.

    Attributes:
        tokens: of each sequence, by mixture.
        bare: ONNX Runtime by itself, one a round, by mixture; by the load's name where it was asked for that one.
        runs: one a round, by server and the load's name.
        missing: servers that could not be measured, and why.
        paces: of the machine, 1 for as fast as at the start.
    """

    workload: Workload
    tokens: dict[str, list[int]]
    bare: dict[str, list[Bare]] = field(default_factory=dict)
    runs: dict[tuple[Who, str], list[Run]] = field(default_factory=dict)
    missing: dict[Who, str] = field(default_factory=dict)
    paces: list[float] = field(default_factory=list)

    def of(self, load: Load) -> dict[Who, list[Run]]:
        """The runs of one load."""
        return {who: runs for (who, name), runs in self.runs.items() if name == load.name}

    def bare_of(self, load: Load) -> list[Bare]:
        """Bare ONNX Runtime with a load's sequences."""
        return self.bare[load.name if load.name in self.bare else load.mixture.name]

    def tokens_of(self, load: Load, request: int) -> int:
        """Tokens of a load's request."""
        start = request * load.size
        return sum(self.tokens[load.mixture.name][start : start + load.size])


def middle_rate(runs: Sequence[Run]) -> float:
    """Sequences a second, the median of the rounds."""
    return statistics.median(run.sequences_per_second for run in runs)


def capacity(found: Measured, load: Load) -> float:
    """Sequences a second that the best peer reaches with an open load's mixture, text in, one a request; 0 if none."""
    alike = [each for each in found.workload.loads if is_plain(each) and each.mixture == load.mixture]
    return max(
        (middle_rate(runs) for each in alike for who, runs in found.of(each).items() if not who.is_ours), default=0
    )


def fullest(workload: Workload) -> Load:
    """The load with the most callers, text in, one sequence a request."""
    return max(filter(is_plain, workload.loads), key=lambda load: load.callers)


def is_plain(load: Load) -> bool:
    """A closed loop, text in, one sequence a request."""
    return bool(load.callers) and load.size == 1 and load.form == "text"


def finalists(found: Measured, peers: int) -> set[Who]:
    """Ours, and the form that is fastest where the most callers ask, of so many of the fastest peers.

    Empty where no peer was measured.
    """
    runs = found.of(fullest(found.workload))
    ranked = sorted(runs, key=lambda who: -middle_rate(runs[who]))
    best: dict[str, Who] = {}
    for who in ranked:
        if not who.is_ours:
            best.setdefault(who.server, who)
    return {*list(best.values())[:peers], *(who for who in runs if who.is_ours)} if best else set()
