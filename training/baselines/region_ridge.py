"""Ridge regression on the frequencies of short k-mers, bin by bin around an anchor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.baselines.kmers import Matrix, all_kmers, bin_counts
from training.baselines.regions import Bins
from training.baselines.ridge import Chunks, Ridge, fit_ridge
from training.baselines.weights import KmerWeights
from training.datasets.table import Floats
from training.examples import Codes

ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class BinnedKmers:
    """What is counted: each k-mer of some lengths in each bin.

    Attributes:
        shortest: in bases.
        longest: in bases.
        bins: of the window.
    """

    shortest: int
    longest: int
    bins: Bins

    @property
    def kmers(self) -> tuple[str, ...]:
        """In the order of the features."""
        return tuple(kmer for k in range(self.shortest, self.longest + 1) for kmer in all_kmers(k))

    def counts(self, bases: Codes) -> Matrix:
        """(rows, k-mers * bins) float64, the bins of a k-mer side by side."""
        parts = [self._counts_of_length(bases, k) for k in range(self.shortest, self.longest + 1)]
        return np.hstack(parts)

    def _counts_of_length(self, bases: Codes, k: int) -> Matrix:
        chunks = bin_counts(bases, all_kmers(k), self.bins.of_place, len(self.bins))
        return np.vstack([counts.transpose(0, 2, 1).reshape(len(counts), -1) for _, counts in chunks])


def fit_region_ridge(
    train: Codes,
    targets: Floats,
    valid: Codes,
    valid_targets: Floats,
    features: BinnedKmers,
    penalties: Sequence[float],
    advance: Callable[[], object] = lambda: None,
) -> tuple[KmerWeights, Ridge]:
    """Fit on standardised counts: in one bin, a count and a frequency are the same but for a factor.

    Args:
        train: (rows, length) base codes of windows of one length.
        targets: (rows, targets) float32, all measured.
        valid: of the rows that choose the penalties.
        valid_targets: (valid rows, targets) float32.
        features: what is counted.
        penalties: to choose from.
        advance: is called after each penalty.

    Returns:
        The model as weights of k-mers, and the ridge of the standardised counts.

    Raises:
        DataError: a target was not measured for some row.
    """
    mean, deviation = _scale(train, features)
    chunks = (_standardised(bases, features, mean, deviation) for bases in (train, valid))
    ridge = fit_ridge(next(chunks), targets, next(chunks), valid_targets, penalties, advance)
    per_count = ridge.coefficients / deviation[:, None]  # (features, targets)
    values = per_count.reshape(len(features.kmers), len(features.bins), -1)
    intercepts = ridge.intercepts - mean @ per_count
    return KmerWeights(features.kmers, values, intercepts, features.bins.of_place), ridge


def _standardised(bases: Codes, features: BinnedKmers, mean: Matrix, deviation: Matrix) -> Chunks:
    def chunks() -> Iterator[Floats]:
        for counts in _count_chunks(bases, features):
            yield ((counts - mean) / deviation).astype(np.float32)

    return chunks


def _count_chunks(bases: Codes, features: BinnedKmers) -> Iterator[Matrix]:
    for start in range(0, len(bases), ROWS_AT_ONCE):
        yield features.counts(bases[start : start + ROWS_AT_ONCE])


def _scale(bases: Codes, features: BinnedKmers) -> tuple[Matrix, Matrix]:
    """Mean and standard deviation of each count, (features,) each; 1 for a count that never varies."""
    counts = np.vstack([chunk.astype(np.float32) for chunk in _count_chunks(bases, features)])
    mean = counts.mean(axis=0, dtype=np.float64)
    deviation = counts.std(axis=0, dtype=np.float64)
    return mean, np.where(deviation > 0, deviation, 1.0)
