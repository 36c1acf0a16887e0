"""Each gene's window as the head learns from it: distinct haplotypes' standardised differences, and who has which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.datasets.table import Floats
from training.personal.cutting import Rows
from training.personal.landmarks import Landmarks


@dataclass(frozen=True, eq=False)
class GeneWindow:
    """One gene's window.

    Attributes:
        read: (read,) the segments that are read.
        content: (1, read, width) the reference's embeddings there.
        differences: (haplotypes, read, width) of the distinct haplotypes, standardised.
        haplotype_of: (people, 2) which of them each person has.
    """

    read: Tensor
    content: Tensor
    differences: Tensor
    haplotype_of: Tensor


def gene_window(embeddings: Floats, rows: Rows, landmarks: Landmarks, gene: int) -> GeneWindow:
    """Lay out one gene's window for everybody.

    Args:
        embeddings: (sequences, width) of the distinct segments.
        rows: (people, 2, segments) of this gene.
        landmarks: of the people who are learnt from.
        gene: its index there.
    """
    count = int(landmarks.counts[gene])
    read = landmarks.read[gene, :count]
    flat = rows[:, :, read].reshape(-1, count)
    distinct, haplotype_of = np.unique(flat, axis=0, return_inverse=True)
    raw = embeddings[distinct] - landmarks.references[gene, read]
    differs = np.abs(raw).max(axis=-1, keepdims=True) > landmarks.gate
    standardised = (raw * differs - landmarks.means[gene, :count]) * landmarks.scales[gene, :count]
    return GeneWindow(
        read=torch.from_numpy(read),
        content=torch.from_numpy(landmarks.references[gene, read])[None],
        differences=torch.from_numpy(standardised.astype(np.float32)),
        haplotype_of=torch.from_numpy(haplotype_of.reshape(len(rows), 2)),
    )
