"""Ridge regression by the normal equations, over features that are made some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from training.baselines.kmers import Matrix
from training.datasets.table import Floats
from training.errors import DataError

# Single precision, twice as fast, holds every whole number up to here.
WHOLE_IN_SINGLE_PRECISION = 2**24

Chunks = Callable[[], Iterator[Floats]]


@dataclass(frozen=True)
class Ridge:
    """A fitted model.

    Attributes:
        coefficients: (features, targets).
        intercepts: (targets,).
        penalties: (targets,), chosen on the validation rows.
    """

    coefficients: Matrix
    intercepts: Matrix
    penalties: Matrix


def fit_ridge(
    train: Chunks,
    targets: Floats,
    valid: Chunks,
    valid_targets: Floats,
    penalties: Sequence[float],
    advance: Callable[[], object] = lambda: None,
) -> Ridge:
    """Fit, and choose each target's penalty by its squared error on the validation rows.

    Args:
        train: makes the training features anew: (rows, features) chunks, in the order of the rows.
        targets: (rows, targets) float32, all measured; every row counts the same.
        valid: the same of the validation rows.
        valid_targets: (valid rows, targets) float32.
        penalties: to choose from.
        advance: is called after each penalty.

    Raises:
        DataError: a target was not measured for some row.
    """
    if np.isnan(targets).any() or np.isnan(valid_targets).any():
        raise DataError("a ridge needs every target of every row")
    candidates, errors = [], []
    for candidate in _solutions(train, targets.astype(np.float64), penalties):
        candidates.append(candidate)
        errors.append(_error(candidate, valid, valid_targets))
        advance()
    return _best_of_each_target(candidates, np.stack(errors))


def predict_ridge(ridge: Ridge, features: Chunks) -> Floats:
    """(rows, targets) float32."""
    answers = [chunk @ ridge.coefficients + ridge.intercepts for chunk in features()]
    return np.vstack(answers).astype(np.float32)


def _error(candidate: Ridge, valid: Chunks, targets: Floats) -> Matrix:
    error: Matrix = np.mean((predict_ridge(candidate, valid) - targets) ** 2, axis=0, dtype=np.float64)
    return error


def _best_of_each_target(candidates: Sequence[Ridge], errors: Matrix) -> Ridge:
    """`errors` is (candidates, targets)."""
    chosen = [candidates[number] for number in np.argmin(errors, axis=0)]
    return Ridge(
        np.stack([ridge.coefficients[:, column] for column, ridge in enumerate(chosen)], axis=1),
        np.array([ridge.intercepts[column] for column, ridge in enumerate(chosen)]),
        np.array([ridge.penalties[column] for column, ridge in enumerate(chosen)]),
    )


def _solutions(train: Chunks, targets: Matrix, penalties: Sequence[float]) -> Iterator[Ridge]:
    """One model per penalty; features and targets are centred, so that the intercept is not penalised."""
    gram, cross, feature_mean = _moments(train, targets)
    target_mean = targets.mean(axis=0)
    for penalty in penalties:
        factor = cho_factor(gram + penalty * np.eye(len(gram)), check_finite=False)
        coefficients = cho_solve(factor, cross, check_finite=False)
        intercepts = target_mean - feature_mean @ coefficients
        yield Ridge(coefficients, intercepts, np.full(targets.shape[1], penalty))


def _exact(chunk: Floats) -> npt.NDArray[np.floating]:
    """The features in a precision in which sums of products of whole numbers stay whole.

    Where counts add up to the same in every row, a rounding error is a direction of negative variance.
    """
    largest_sum = float(chunk.max(initial=0)) ** 2 * len(chunk)
    return chunk if largest_sum < WHOLE_IN_SINGLE_PRECISION else chunk.astype(np.float64)


def _moments(train: Chunks, targets: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Centred products of the features with one another and with the targets, and the features' means.

    Returns:
        (features, features), (features, targets) and (features,).
    """
    features = next(train()).shape[1]
    gram, cross, total = np.zeros((features, features)), np.zeros((features, targets.shape[1])), np.zeros(features)
    start = 0
    for chunk in map(_exact, train()):
        gram += chunk.T @ chunk
        cross += chunk.T @ targets[start : start + len(chunk)]
        total += chunk.sum(axis=0, dtype=np.float64)
        start += len(chunk)
    mean = total / len(targets)
    gram -= len(targets) * np.outer(mean, mean)
    cross -= np.outer(total, targets.mean(axis=0))
    return gram, cross, mean
