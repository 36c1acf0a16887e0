"""Between which values activations lie, over rows that the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.encoding import Ids
from training.feeder import Feeder, batches_of_one_length
from training.quantisation.running import CpuGraph
from training.quantisation.static import MEASURES, Range, activations, with_ranges_measured


def measure_ranges(graph: bytes, feeder: Feeder, rows: Sequence[Ids]) -> dict[str, Range]:
    """The range of everything that a constant matrix is multiplied with.

    Args:
        graph: in single precision.
        feeder: makes its inputs.
        rows: encoded training rows; they are not padded, since what stands in padding counts for nothing.
    """
    names = activations(graph)
    watched = CpuGraph(with_ranges_measured(graph, names), feeder)
    batches = [[rows[row] for row in batch] for batch in batches_of_one_length(rows)]
    seen = np.array([watched.answers(batch) for batch in batches]).reshape(len(batches), len(names), len(MEASURES))
    smallest, largest = seen[:, :, 0].min(axis=0), seen[:, :, 1].max(axis=0)
    rms = np.sqrt(np.average(seen[:, :, 2], axis=0, weights=[len(batch) for batch in batches]))
    ranges = zip(smallest.tolist(), largest.tolist(), rms.tolist(), strict=True)
    return {name: Range(*measured) for name, measured in zip(names, ranges, strict=True)}
