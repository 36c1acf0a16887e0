"""Groups of related sequences, so that a split can keep each on one side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SHARED_BASES = 20


def homology_groups(sequences: Sequence[str], shared_bases: int = SHARED_BASES) -> npt.NDArray[np.int64]:
    """Number the groups of sequences that are connected by a shared stretch.

    Two sequences are in one group when they share a stretch, or when a chain of such pairs joins them.

    Args:
        sequences: upper-case bases.
        shared_bases: length of the stretch; a shorter sequence is its own only stretch.

    Returns:
        (sequences,) int64 group numbers from 0.
    """
    stretch_of: dict[str, int] = {}
    rows, stretches = [], []
    for row, sequence in enumerate(sequences):
        for start in range(max(1, len(sequence) - shared_bases + 1)):
            rows.append(row)
            stretches.append(stretch_of.setdefault(sequence[start : start + shared_bases], len(stretch_of)))
    # A graph of sequences and stretches side by side: its components, read off the sequences, are the groups.
    nodes = len(sequences) + len(stretch_of)
    edges = (np.ones(len(rows), dtype=np.int8), (np.array(rows), np.array(stretches) + len(sequences)))
    _, component = connected_components(coo_array(edges, shape=(nodes, nodes)), directed=False)
    _, groups = np.unique(component[: len(sequences)], return_inverse=True)
    return groups.astype(np.int64)
