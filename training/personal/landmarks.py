"""What the head knows of each gene's window beforehand: its reference, and how people differ from it.

One changed base hardly moves the embedding of a kilobase. So each segment is compared with the reference's segment at
the same place, and its difference is put in standard deviations of the people who were learnt from. These numbers are
constants of the head's graph; they hold no expression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.datasets.table import Floats
from training.errors import DataError
from training.personal.cutting import Rows

GATE_SHARE = 0.1
SAME_WINDOW_SHARE = 0.25
STILL_SHARE = 1e-3
ROUNDING = 1e-7


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Constants of the head; `read` of them is as long as the longest gene's.

    Attributes:
        references: (genes, segments, width) embeddings of the reference.
        read: (genes, read) the segments in which learnt people differ, in order; filled up with 0.
        counts: (genes,) how many they are.
        means: (genes, read, width) mean difference of the learnt people's haplotypes to the reference.
        scales: (genes, read, width) 1 / standard deviation, by the root of the width; 0 for a channel that is still.
        gate: the largest difference of any channel up to which a segment counts as the reference's own: what is left
            of another machine's rounding.
        same_window: a mean squared distance up to which a window is taken for a gene's.
    """

    references: Floats
    read: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    means: Floats
    scales: Floats
    gate: float
    same_window: float


def landmarks_of(embeddings: Floats, rows: Rows, reference_rows: Rows) -> Landmarks:
    """Measure the constants.

    Args:
        embeddings: (sequences, width) of the distinct segments.
        rows: (genes, people, 2, segments), of the people who are learnt from, and of nobody else.
        reference_rows: (genes, segments).

    Raises:
        DataError: in some gene's window nobody differs from the reference.
    """
    varying = [
        np.flatnonzero((own != reference).any((0, 1))) for own, reference in zip(rows, reference_rows, strict=True)
    ]
    counts = np.array([len(places) for places in varying])
    if not counts.all():
        raise DataError(
            "in some gene's window nobody differs from the reference: there is nothing to learn from people"
        )
    shape = (len(rows), counts.max(), embeddings.shape[1])
    read = np.zeros(shape[:2], dtype=np.int64)
    means, scales, smallest = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.inf
    for gene, places in enumerate(varying):
        difference = embeddings[rows[gene][:, :, places]] - embeddings[reference_rows[gene, places]]
        largest = np.abs(difference).max(axis=-1)
        smallest = min(smallest, float(largest[largest > 0].min()))
        flat = difference.reshape(-1, *difference.shape[2:]).astype(np.float64)
        read[gene, : len(places)] = places
        means[gene, : len(places)] = flat.mean(axis=0)
        scales[gene, : len(places)] = _inverse(flat.std(axis=0))
    references = embeddings[reference_rows]
    return Landmarks(references, read, counts, means, scales, GATE_SHARE * smallest, _same_window(references))


def _inverse(deviation: npt.NDArray[np.float64]) -> Floats:
    """A channel that hardly moves beside the segment's others is left alone."""
    floor = np.maximum(STILL_SHARE * deviation.max(axis=-1, keepdims=True), ROUNDING)
    moving = deviation > floor
    return np.where(moving, 1 / (np.where(moving, deviation, 1) * np.sqrt(deviation.shape[-1])), 0).astype(np.float32)


def _same_window(references: Floats) -> float:
    """A share of the least distance between two genes' references; people are far closer to their own."""
    flat = references.reshape(len(references), -1).astype(np.float64)
    apart = [((one - other) ** 2).mean() for at, one in enumerate(flat) for other in flat[:at]]
    return float(SAME_WINDOW_SHARE * min(apart, default=float((flat**2).mean())))
