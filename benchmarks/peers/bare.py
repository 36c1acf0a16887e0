"""Bare ONNX Runtime on the servers' cores: the bar for all of them."""

from __future__ import annotations

import statistics
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import run_module
from benchmarks.peers.plan import Mixture, Workload
from benchmarks.yardstick import Yardstick


@dataclass(frozen=True)
class Bare:
    """A mixture, computed without a server, once.

    Attributes:
        per_second: sequences, in the better packing: one by one, or in groups of equal length.
        alone_ms: what each sequence takes by itself, in the mixture's order; empty where nobody asked.
    """

    per_second: float
    alone_ms: tuple[float, ...]


def run_bare(workload: Workload, mixture: Mixture, cores: Collection[int], yardstick: Yardstick, python: Path) -> Bare:
    """All sequences of a mixture, on each of these cores at once, in terms of the yardstick's pace."""
    given = {
        "bundle": str(workload.bundle),
        "sequences": mixture.texts,
        "passes": mixture.passes,
        "yardstick": workload.yardstick,
        "yardstick_per_second": yardstick.sequences_per_second,
    }
    with ThreadPoolExecutor(len(cores)) as pool:
        found = list(pool.map(lambda core: run_module("benchmarks.raw", given | {"core": core}, python), sorted(cores)))
    rate = max(sum(each[packing] for each in found) for packing in ("alone_per_second", "packed_per_second"))
    alone = tuple(statistics.median(times) for times in zip(*(each["alone_ms"] for each in found), strict=True))
    return Bare(rate, alone)
