"""The baseline is ridge regression, nothing else."""

import numpy as np
import pytest

from training.baselines.kmer_ridge import fit_kmer_ridge, kmer_counts
from training.errors import DataError
from training.examples import as_codes


def test_counts_by_hand() -> None:
    counts = kmer_counts(as_codes(["ACAC"])[0], longest_kmer=6)[0]

    assert counts[:4].tolist() == [2, 2, 0, 0]
    assert counts[4 + 1] == 2  # AC
    assert counts[4 + 4] == 1  # CA
    assert counts[4:20].sum() == 3
    assert counts.sum() == 4 + 3 + 2 + 1
    assert len(counts) == 4 + 16 + 64 + 256 + 1024 + 4096


def test_no_kmer_crosses_an_n() -> None:
    assert kmer_counts(as_codes(["ACNAC"])[0], longest_kmer=6)[0].sum() == 4 + 2


def test_the_solution_is_the_ridge_estimate() -> None:
    sequences = random_sequences(60)
    targets = np.random.default_rng(1).normal(size=(60, 2)).astype(np.float32)

    ridge = fit_kmer_ridge(sequences, targets, sequences, targets, penalties=[3.0], longest_kmer=2)

    counts = kmer_counts(as_codes(sequences)[0], longest_kmer=2).astype(np.float64)
    centred = counts - counts.mean(axis=0)
    expected = np.linalg.solve(centred.T @ centred + 3 * np.eye(20), centred.T @ (targets - targets.mean(axis=0)))
    assert np.allclose(ridge.coefficients, expected, atol=1e-6)
    assert np.allclose(ridge.predict(sequences).mean(axis=0), targets.mean(axis=0), atol=1e-6)


def test_each_target_has_the_penalty_that_its_validation_rows_prefer() -> None:
    sequences, valid = random_sequences(60), random_sequences(60, seed=5)
    # The first target is the number of As; the second is noise, for which the mean is the best guess.
    noise = np.random.default_rng(2)
    targets, valid_targets = (
        np.array([[text.count("A"), noise.normal()] for text in texts], dtype=np.float32)
        for texts in (sequences, valid)
    )

    ridge = fit_kmer_ridge(sequences, targets, valid, valid_targets, penalties=[0.1, 1e5], longest_kmer=2)

    assert ridge.penalties.tolist() == [0.1, 1e5]


def test_every_row_needs_its_target() -> None:
    with pytest.raises(DataError, match="every target"):
        fit_kmer_ridge(["A"], np.array([[np.nan]], dtype=np.float32), ["A"], np.zeros((1, 1), dtype=np.float32))


def test_counts_of_long_sequences_are_summed_without_rounding() -> None:
    # Single bases add up to 3,000 in every row: rounded products would make their sum vary by less than nothing.
    sequences = random_sequences(300, bases=3000)
    targets = np.random.default_rng(1).normal(size=(300, 1)).astype(np.float32)

    ridge = fit_kmer_ridge(sequences, targets, sequences, targets, penalties=[0.01], longest_kmer=2)

    counts = kmer_counts(as_codes(sequences)[0], longest_kmer=2).astype(np.float64)
    centred = counts - counts.mean(axis=0)
    expected = np.linalg.solve(centred.T @ centred + 0.01 * np.eye(20), centred.T @ (targets - targets.mean(axis=0)))
    assert np.allclose(ridge.coefficients, expected, atol=1e-4)


def random_sequences(rows: int, seed: int = 0, bases: int = 25) -> list[str]:
    letters = np.random.default_rng(seed).choice(list("ACGT"), size=(rows, bases))
    return ["".join(row) for row in letters]
