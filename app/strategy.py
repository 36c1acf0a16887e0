"""How graphs are served on a device: chosen by pure functions from what was measured there, or by the operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from app.batching import CPU_LIMITS, GPU_LIMITS, BatchLimits
from app.bundle import Manifest
from app.watchdog import PATIENCE

# Long beside the hop to a compute thread, short beside what a caller notices.
ROUND_SECONDS = 0.004
# A setting is left as it is unless another one is faster by more than a busy machine lets two equal ones differ.
NOISE = 0.1
# What is saved by company has to be this many times what is paid for padding.
MARGIN = 2.0
# Groups that differ by less than this take equally long a row.
NEARLY = 0.05
# As long as Python lets one thread keep the others waiting anyway (sys.getswitchinterval).
HERE_SECONDS = 0.005
# Half of that lag of the event loop from which on another process is worth it.
ONLY_THREAD_HERE_SECONDS = 0.025
GPU_RUNS = 2  # one prepares a batch while the other's is computed


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the operator has chosen; None leaves the choice to what is measured.

    Attributes:
        intra_op_threads: cores that compute one batch together.
        max_sequences, max_tokens, max_padding: of a batch.
        length_multiple: what the length of a padded batch is rounded up to.
    """

    intra_op_threads: int = 1
    max_sequences: int | None = None
    max_tokens: int | None = None
    max_padding: float | None = None
    length_multiple: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """How fast a graph was when it was loaded.

    Attributes:
        on_cpu: whether a CPU computes it.
        seconds_per_token: of two rows.
        row_seconds: what a row takes in groups of equal rows, by how many they are.
        row_tokens: how long these rows were.
    """

    on_cpu: bool
    seconds_per_token: float
    row_seconds: Mapping[int, float]
    row_tokens: int


@dataclass(frozen=True, slots=True)
class Strategy:
    """How one graph is served.

    Attributes:
        limits: of its batches.
        intra_op_threads: cores that compute one batch together.
        length_multiple: what the length of a padded batch is rounded up to.
    """

    limits: BatchLimits
    intra_op_threads: int = 1
    length_multiple: int = 1


def choose_limits(
    manifest: Manifest, measured: Measured, tuning: Tuning, *, watchdog_seconds: float, tokens_per_position: int = 1
) -> BatchLimits:
    """How batches are formed for a graph on a device.

    On a CPU no batch takes nearly as long as the watchdog allows, none has more rows than pay, and a job is padded only
    where its company saves more; on a GPU the speed of the small golden examples says too little of full batches.
    What the operator has chosen goes before both, but nothing is padded for a graph that has no mask.

    Args:
        tokens_per_position: how many numbers count as tokens of each place that the graph reads.
    """
    limits = CPU_LIMITS if measured.on_cpu else GPU_LIMITS
    limits = replace(limits, round_tokens=int(ROUND_SECONDS / measured.seconds_per_token))
    limits = replace(limits, max_tokens=limits.max_tokens * tokens_per_position)
    if measured.on_cpu:
        within_patience = max(1, int(watchdog_seconds / PATIENCE / measured.seconds_per_token))
        limits = replace(
            limits,
            max_sequences=fastest(measured.row_seconds, limits.max_sequences),
            max_tokens=min(limits.max_tokens, within_patience),
        )
    if measured.on_cpu and tuning.max_padding is None:
        limits = replace(limits, **worthwhile(measured.row_seconds, measured.row_tokens)._asdict())
    limits = replace(limits, **_chosen(tuning))
    masked = manifest.input.encoding == "tokens"  # other graphs have no mask, so nothing may be padded
    return limits if masked else replace(limits, max_padding=0.0, worthwhile_padding_tokens=0.0)


def fastest(seconds: Mapping[int, float], usual: int) -> int:
    """The candidate that takes least; the usual one where it was not measured, or none is clearly faster."""
    if usual not in seconds:
        return usual
    best = min(seconds, key=lambda candidate: seconds[candidate])
    return best if seconds[best] < (1 - NOISE) * seconds[usual] else usual


class Worthwhile(NamedTuple):
    """How much padding company is worth.

    Attributes:
        worthwhile_padding_tokens: that a job may bring.
        worthwhile_tokens: of a batch, up to which company saves anything.
    """

    worthwhile_padding_tokens: float = 0.0
    worthwhile_tokens: int = 0


def worthwhile(seconds: Mapping[int, float], row_tokens: int) -> Worthwhile:
    """How much padding company is worth, where a row clearly takes less in company than alone.

    A group takes as long as its tokens do and, until it is large enough to use the core well, as long as a run does
    beside them. A job that joins another saves that part of a run.

    Args:
        seconds: what a row takes, by the size of its group.
        row_tokens: length of the rows.
    """
    if 1 not in seconds:
        return Worthwhile()
    least = min(seconds.values())
    enough = min(rows for rows, spent in seconds.items() if spent <= (1 + NEARLY) * least)
    if enough == 1 or seconds[enough] >= (1 - NOISE) * seconds[1]:
        return Worthwhile()
    run_seconds = (seconds[1] - seconds[enough]) * enough / (enough - 1)
    token_seconds = max(seconds[1] - run_seconds, 0.0) / row_tokens
    run_tokens = min(run_seconds / token_seconds, row_tokens) if token_seconds else row_tokens
    return Worthwhile(run_tokens / MARGIN, enough * row_tokens)


def concurrent_runs(wanted: int, of_cpu: int, *, on_cpu: bool) -> int:
    """How many batches are computed at once.

    On a GPU each needs memory of its own, and what computes is shared.

    Args:
        wanted: by the operator; 0 leaves it to the device.
        of_cpu: how many it would be on the CPU.
    """
    return of_cpu if on_cpu else wanted or GPU_RUNS


def here_seconds(threads: int, *, on_cpu: bool) -> float:
    """How long a lone caller's batch may take to be computed on the event loop, which answers nobody meanwhile.

    Where there is one compute thread, whoever comes meanwhile would not be computed any sooner; that he is told what is
    wrong with his request, and probes are answered, takes so much longer.

    Args:
        threads: that compute.
    """
    if not on_cpu:
        return 0.0
    return ONLY_THREAD_HERE_SECONDS if threads == 1 else HERE_SECONDS


def _chosen(tuning: Tuning) -> dict[str, Any]:
    given = {name: getattr(tuning, name) for name in ("max_sequences", "max_tokens", "max_padding")}
    return {name: value for name, value in given.items() if value is not None}
