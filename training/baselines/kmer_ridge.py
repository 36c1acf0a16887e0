"""Ridge regression on k-mer counts: no order, no context, and hard to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.baselines.kmers import all_kmers, kmer_numbers
from training.baselines.ridge import Chunks, Ridge, fit_ridge, predict_ridge
from training.baselines.weights import KmerWeights
from training.datasets.table import Floats
from training.examples import Codes, as_codes

LONGEST_KMER = 6
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
# 2,000 rows of 5,460 counts are 44 MB.
ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class KmerRidge(Ridge):
    """A fitted model of the counts of all k-mers.

    Attributes:
        longest_kmer: counted, in bases.
    """

    longest_kmer: int

    def predict(self, sequences: Sequence[str]) -> Floats:
        """(sequences, targets) float32."""
        return predict_ridge(self, count_chunks(as_codes(sequences)[0], self.longest_kmer))

    def weights(self) -> KmerWeights:
        """The model as weights of k-mers."""
        kmers = tuple(kmer for k in range(1, self.longest_kmer + 1) for kmer in all_kmers(k))
        return KmerWeights(kmers, self.coefficients[:, None], self.intercepts, np.zeros(0, dtype=np.int64))


def fit_kmer_ridge(
    sequences: Sequence[str],
    targets: Floats,
    valid_sequences: Sequence[str],
    valid_targets: Floats,
    penalties: Sequence[float] = PENALTIES,
    longest_kmer: int | None = None,
    advance: Callable[[], object] = lambda: None,
) -> KmerRidge:
    """Fit by the normal equations and choose each target's penalty by its squared error on the validation rows.

    Args:
        sequences: to learn from.
        targets: (sequences, targets) float32, all measured; every row counts the same.
        valid_sequences: to choose the penalties.
        valid_targets: (valid sequences, targets) float32.
        penalties: to choose from.
        longest_kmer: in bases; None: `LONGEST_KMER`.
        advance: is called after each penalty.

    Raises:
        DataError: a target was not measured for some row.
    """
    longest = longest_kmer or LONGEST_KMER
    train, valid = (count_chunks(as_codes(texts)[0], longest) for texts in (sequences, valid_sequences))
    ridge = fit_ridge(train, targets, valid, valid_targets, penalties, advance)
    return KmerRidge(**vars(ridge), longest_kmer=longest)


def count_chunks(bases: Codes, longest_kmer: int) -> Chunks:
    """Makes the counts of some rows at a time.

    Args:
        bases: (rows, length) base codes, N after a row's end.
        longest_kmer: in bases.
    """

    def chunks() -> Iterator[Floats]:
        for start in range(0, len(bases), ROWS_AT_ONCE):
            yield kmer_counts(bases[start : start + ROWS_AT_ONCE], longest_kmer)

    return chunks


def kmer_counts(bases: Codes, longest_kmer: int) -> Floats:
    """Count all k-mers of 1 to so many bases.

    Args:
        bases: (rows, length) base codes; a k-mer with an N in it is not counted.
        longest_kmer: in bases.

    Returns:
        (rows, 4 + 16 + ...) float32; within one k in alphabetical order.
    """
    return np.hstack([_counts_of_length(bases, k) for k in range(1, longest_kmer + 1)])


def _counts_of_length(bases: Codes, k: int) -> Floats:
    rows, columns = len(bases), 4**k + 1  # the last column: k-mers that hold an N
    cells = kmer_numbers(bases, k) + np.arange(rows)[:, None] * columns
    counts = np.bincount(cells.ravel(), minlength=rows * columns).reshape(rows, columns)
    return counts[:, :-1].astype(np.float32)
