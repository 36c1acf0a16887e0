"""What 8 bits change, and whether an answer depends on its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.encoding import Ids
from training.datasets.table import Floats
from training.errors import ExportRefused
from training.feeder import Feeder
from training.parity import parity_batch, parity_shapes
from training.quantisation.running import CpuGraph


@dataclass(frozen=True)
class Difference:
    """Between two sets of answers, in standard deviations of a target.

    Attributes:
        largest: of any answer.
        rms: root of the mean square, of the target where it is largest.
    """

    largest: float
    rms: float


def difference(answers: Floats, expected: Floats, spread: Floats) -> Difference:
    """Compare (rows, targets) with as many; `spread` holds the standard deviation of each target.

    Raises:
        ExportRefused: an answer is no finite number.
    """
    apart = (answers.astype(np.float64) - expected) / spread
    if not np.isfinite(apart).all():
        raise ExportRefused("in 8 bits the graph answers something that is no finite number; keep it in fp32")
    return Difference(float(np.abs(apart).max()), float(np.sqrt((apart**2).mean(axis=0)).max()))


def batch_difference(graph: CpuGraph, feeder: Feeder, spread: Floats, tolerance: float) -> float:
    """Largest difference, in standard deviations of a target, between rows alone and in batches of many shapes.

    Raises:
        ExportRefused: it is more than the tolerance, so that what else is asked for would change an answer.
    """
    batches = [parity_batch(feeder, rows, length) for rows, length in parity_shapes(feeder) if rows > 1]
    worst = max(_of_batch(graph, batch, spread) for batch in batches)
    if not worst <= tolerance:  # also true for NaN
        raise ExportRefused(
            f"a row alone and in a batch differ by {worst:.3g} standard deviations (allowed: {tolerance:g}); "
            "keep the bundle in fp32"
        )
    return worst


def _of_batch(graph: CpuGraph, batch: Sequence[Ids], spread: Floats) -> float:
    return float(np.max(np.abs(graph.together(batch) - graph.alone(batch)) / spread))
