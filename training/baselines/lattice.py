"""How well the frequency of a k-mer in each region of a lattice goes with what was measured.

A region's count is the sum of its bins' counts. So one pass over the sequences, which leaves for each k-mer the moments
of its bins, gives the correlations of all regions; within one region, counts and frequencies correlate alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.baselines.kmers import Matrix, bin_counts, by_length
from training.baselines.regions import Bins, Region
from training.examples import Codes

# The smallest sum of squared deviations of a count that varies at all is 1 - 1 / rows.
SMALLEST_SPREAD = 0.25


class Lattice:
    """Scores pairs of a k-mer and a region on some rows.

    Args:
        bases: (rows, length) base codes, at least two rows.
        target: (rows,) float64, not constant.
        bins: of the window.
    """

    def __init__(self, bases: Codes, target: Matrix, bins: Bins) -> None:
        self.bins = bins
        self._bases = bases
        self._target = (target - target.mean()) / np.linalg.norm(target - target.mean())

    def correlations(self, kmers: Sequence[str]) -> dict[str, Matrix]:
        """Pearson correlation of each k-mer's frequency with the target, in all regions.

        Returns:
            k-mer to (bins, bins) float64: at [first, last] the region from one bin to the other; 0 below the diagonal,
            and where the frequency is the same in all rows.
        """
        return {
            kmer: correlation
            for same_length in by_length(kmers)
            for kmer, correlation in zip(same_length, self._correlations(same_length), strict=True)
        }

    def frequencies(self, pairs: Sequence[tuple[str, Region]]) -> Matrix:
        """(rows, pairs) float64: how often the k-mer starts in the region, per base of it."""
        made = np.empty((len(self._bases), len(pairs)))
        for kmers in by_length([kmer for kmer, _ in pairs]):
            column_of = {kmer: column for column, kmer in enumerate(kmers)}
            wanted = [
                (number, region, column_of[kmer]) for number, (kmer, region) in enumerate(pairs) if kmer in column_of
            ]
            for rows, counts in bin_counts(self._bases, kmers, self.bins.of_place, len(self.bins)):
                for number, region, column in wanted:
                    in_region = counts[:, region.first : region.last + 1, column].sum(axis=1)
                    made[rows, number] = in_region / self.bins.bases(region)
        return made

    def _correlations(self, kmers: list[str]) -> Matrix:
        products, spreads = self._moments(kmers)
        # (k-mers, bins + 1) and (k-mers, bins + 1, bins + 1): sums over all bins before an edge.
        products = np.pad(products.cumsum(axis=1), ((0, 0), (1, 0)))
        spreads = np.pad(spreads.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
        covariance = products[:, None, 1:] - products[:, :-1, None]
        ends = np.diagonal(spreads, axis1=1, axis2=2)
        spread = ends[:, None, 1:] + ends[:, :-1, None] - 2 * spreads[:, :-1, 1:]
        varies = np.triu(spread > SMALLEST_SPREAD)
        return np.where(varies, covariance / np.sqrt(np.where(varies, spread, 1.0)), 0.0)

    def _moments(self, kmers: list[str]) -> tuple[Matrix, Matrix]:
        """Of the bins' counts: products with the target (k-mers, bins), centred products (k-mers, bins, bins)."""
        number, bins = len(kmers), len(self.bins)
        total, products, squares = np.zeros((number, bins)), np.zeros((number, bins)), np.zeros((number, bins, bins))
        for rows, counts in bin_counts(self._bases, kmers, self.bins.of_place, bins):
            by_kmer = np.ascontiguousarray(counts.transpose(2, 0, 1))  # (k-mers, rows, bins)
            total += by_kmer.sum(axis=1)
            products += self._target[rows] @ by_kmer
            squares += by_kmer.transpose(0, 2, 1) @ by_kmer
        return products, squares - total[:, :, None] * total[:, None, :] / len(self._bases)
