"""Figures of merit, computed for many resamples of the rows at once.

Values are (..., rows): whatever stands before the rows axis is a resample, and the result keeps it. With weights, the
values are (rows,) and each resample is a row of weights (..., rows): how many times it drew each row. Figures then
are sums of products, and no row is ever copied.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Array = npt.NDArray[np.float64]


class Metric(Protocol):
    """A figure of merit."""

    def __call__(self, measured: Array, predicted: Array, weights: Array | None = None, /) -> Array:
        """(...,) of measured and predicted (..., rows), or of both (rows,) and weights (..., rows)."""


def mse(measured: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Mean squared error."""
    return _mean((measured - predicted) ** 2, weights)


def mae(measured: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Mean absolute error."""
    return _mean(np.abs(measured - predicted), weights)


def rmse(measured: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Root mean squared error."""
    return np.sqrt(mse(measured, predicted, weights))


def r2(measured: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Share of the measured variance that is predicted; negative when the mean would do better.

    Where all measured values are equal there is nothing to predict, and it is NaN.
    """
    variance = covariance(measured, measured, weights)
    return np.asarray(1 - _ratio(mse(measured, predicted, weights), variance, np.nan))


def pearson(measured: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Linear correlation; 0 where all values of one side are equal, since they tell nothing of the other."""
    product = covariance(measured, predicted, weights)
    squares = covariance(measured, measured, weights) * covariance(predicted, predicted, weights)
    return _ratio(product, np.sqrt(squares), 0.0)


def spearman(measured: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Correlation of the ranks; equal values share their mean rank."""
    measured, predicted = _ranks(measured, weights), _ranks(predicted, weights)
    return pearson(measured, predicted, weights)


METRICS: dict[str, Metric] = {
    "r2": r2,
    "pearson": pearson,
    "spearman": spearman,
    "mse": mse,
    "mae": mae,
    "rmse": rmse,
}


def covariance(first: Array, second: Array, weights: Array | None = None) -> Array:
    """Mean product of the differences from the means; 0 when it is rounding error."""
    # Centred on the plain mean first: a difference of large squares would lose the digits that matter.
    first = first - first.mean(axis=-1, keepdims=True)
    second = second - second.mean(axis=-1, keepdims=True)
    product, square = _mean(first * second, weights), _mean(first, weights) * _mean(second, weights)
    difference = product - square
    return np.where(
        np.abs(difference) <= 1e-14 * np.sqrt(_mean(first**2, weights) * _mean(second**2, weights)), 0, difference
    )


def _mean(values: Array, weights: Array | None) -> Array:
    if weights is None:
        return np.asarray(np.mean(values, axis=-1))
    return np.asarray(np.vecdot(values, weights) / np.sum(weights, axis=-1))


def _ratio(above: Array, below: Array, otherwise: float) -> Array:
    defined = below > 0
    return np.where(defined, above / np.where(defined, below, 1), otherwise)


def _ranks(values: Array, weights: Array | None) -> Array:
    """Mean ranks from 1, where a row of weight w stands for w rows."""
    if weights is None:
        return np.asarray(rankdata(values, axis=-1))
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    in_order = weights[..., np.argsort(values, kind="stable")]
    # One column per distinct value: how many rows have it, and how many have that or less.
    drawn = np.add.reduceat(in_order, np.cumsum(counts) - counts, axis=-1)
    ranks: Array = (np.cumsum(drawn, axis=-1) - (drawn - 1) / 2)[..., place]
    return ranks
