"""Ridge regression on k-mer counts: no order, no context, and hard to beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from training.datasets.table import Floats
from training.errors import DataError
from training.examples import Codes, N, as_codes

LONGEST_KMER = 6
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
# 2,000 rows of 5,460 counts are 44 MB.
ROWS_AT_ONCE = 2000

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KmerRidge:
    """A fitted model.

    Attributes:
        coefficients: (k-mers, targets).
        intercepts: (targets,).
        penalties: (targets,), chosen on the validation rows.
    """

    coefficients: Matrix
    intercepts: Matrix
    penalties: Matrix

    def predict(self, sequences: Sequence[str]) -> Floats:
        """(sequences, targets) float32."""
        answers = [counts @ self.coefficients + self.intercepts for counts in _chunks(sequences)]
        return np.vstack(answers).astype(np.float32)


def fit_kmer_ridge(
    sequences: Sequence[str],
    targets: Floats,
    valid_sequences: Sequence[str],
    valid_targets: Floats,
    penalties: Sequence[float] = PENALTIES,
) -> KmerRidge:
    """Fit by the normal equations and choose each target's penalty by its squared error on the validation rows.

    Args:
        sequences: to learn from.
        targets: (sequences, targets) float32, all measured; every row counts the same.
        valid_sequences: to choose the penalties.
        valid_targets: (valid sequences, targets) float32.
        penalties: to choose from.

    Raises:
        DataError: a target was not measured for some row.
    """
    if np.isnan(targets).any() or np.isnan(valid_targets).any():
        raise DataError("the k-mer ridge needs every target of every row")
    candidates = list(_solutions(sequences, targets.astype(np.float64), penalties))
    errors = [np.mean((candidate.predict(valid_sequences) - valid_targets) ** 2, axis=0) for candidate in candidates]
    chosen = np.argmin(errors, axis=0)  # (targets,)
    columns = range(targets.shape[1])
    return KmerRidge(
        np.stack([candidates[chosen[column]].coefficients[:, column] for column in columns], axis=1),
        np.array([candidates[chosen[column]].intercepts[column] for column in columns]),
        np.array([candidates[chosen[column]].penalties[column] for column in columns]),
    )


def kmer_counts(bases: Codes) -> Floats:
    """Count all k-mers of 1 to 6 bases.

    Args:
        bases: (rows, length) base codes; a k-mer with an N in it is not counted.

    Returns:
        (rows, 4 + 16 + ... + 4096) float32; within one k in alphabetical order.
    """
    return np.hstack([_counts_of_length(bases, k) for k in range(1, LONGEST_KMER + 1)])


def _counts_of_length(bases: Codes, k: int) -> Floats:
    rows, places = bases.shape[0], max(0, bases.shape[1] - k + 1)
    number = np.zeros((rows, places), dtype=np.int64)
    known = np.ones((rows, places), dtype=np.bool_)
    for offset in range(k):
        base = bases[:, offset : offset + places]
        number = number * 4 + base
        known &= base != N
    flat = (number + np.arange(rows)[:, None] * 4**k)[known]
    return np.bincount(flat, minlength=rows * 4**k).reshape(rows, 4**k).astype(np.float32)


def _chunks(sequences: Sequence[str]) -> Iterator[Floats]:
    for start in range(0, len(sequences), ROWS_AT_ONCE):
        yield kmer_counts(as_codes(sequences[start : start + ROWS_AT_ONCE])[0])


def _solutions(sequences: Sequence[str], targets: Matrix, penalties: Sequence[float]) -> Iterator[KmerRidge]:
    """One model per penalty; counts and targets are centred, so that the intercept is not penalised."""
    gram, cross, count_mean = _moments(sequences, targets)
    target_mean = targets.mean(axis=0)
    for penalty in penalties:
        factor = cho_factor(gram + penalty * np.eye(len(gram)), check_finite=False)
        coefficients = cho_solve(factor, cross, check_finite=False)
        intercepts = target_mean - count_mean @ coefficients
        yield KmerRidge(coefficients, intercepts, np.full(targets.shape[1], penalty))


def _moments(sequences: Sequence[str], targets: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Centred gram matrix (k-mers, k-mers), centred products with the targets (k-mers, targets), mean counts."""
    kmers = sum(4**k for k in range(1, LONGEST_KMER + 1))
    gram, cross, total = np.zeros((kmers, kmers)), np.zeros((kmers, targets.shape[1])), np.zeros(kmers)
    start = 0
    for counts in _chunks(sequences):
        # Counts are small whole numbers, so single precision is exact here and twice as fast.
        gram += counts.T @ counts
        cross += counts.T @ targets[start : start + len(counts)]
        total += counts.sum(axis=0)
        start += len(counts)
    mean = total / len(sequences)
    gram -= len(sequences) * np.outer(mean, mean)
    cross -= np.outer(total, targets.mean(axis=0))
    return gram, cross, mean
