"""Figures of merit, computed for many resamples of the rows at once.

Values are (..., rows): whatever stands before the rows axis is a resample, and the result keeps it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Array = npt.NDArray[np.float64]
Metric = Callable[[Array, Array], Array]

BOOTSTRAP_SAMPLES = 1000
# Resamples held in memory at once: 100 of 10,000 rows are 8 MB per array.
SAMPLES_AT_ONCE = 100


def mse(measured: Array, predicted: Array) -> Array:
    """Mean squared error."""
    return np.asarray(np.mean((measured - predicted) ** 2, axis=-1))


def mae(measured: Array, predicted: Array) -> Array:
    """Mean absolute error."""
    return np.asarray(np.mean(np.abs(measured - predicted), axis=-1))


def rmse(measured: Array, predicted: Array) -> Array:
    """Root mean squared error."""
    return np.sqrt(mse(measured, predicted))


def r2(measured: Array, predicted: Array) -> Array:
    """Share of the measured variance that is predicted; negative when the mean would do better."""
    return np.asarray(1 - mse(measured, predicted) / np.var(measured, axis=-1))


def pearson(measured: Array, predicted: Array) -> Array:
    """Linear correlation."""
    measured = measured - measured.mean(axis=-1, keepdims=True)
    predicted = predicted - predicted.mean(axis=-1, keepdims=True)
    norms = np.sqrt(np.sum(measured**2, axis=-1) * np.sum(predicted**2, axis=-1))
    return np.asarray(np.sum(measured * predicted, axis=-1) / norms)


def spearman(measured: Array, predicted: Array) -> Array:
    """Correlation of the ranks; equal values share their mean rank."""
    return pearson(rankdata(measured, axis=-1), rankdata(predicted, axis=-1))


METRICS: dict[str, Metric] = {
    "r2": r2,
    "pearson": pearson,
    "spearman": spearman,
    "mse": mse,
    "mae": mae,
    "rmse": rmse,
}


def bootstrap(
    measured: Array, predicted: Array, seed: int, samples: int = BOOTSTRAP_SAMPLES
) -> dict[str, tuple[float, float, float]]:
    """Every metric with its 95 % interval.

    Args:
        measured: (rows,).
        predicted: (rows,).
        seed: of the resampling; models scored with one seed are compared on the same resamples.
        samples: how many times the rows are drawn with replacement.

    Returns:
        Metric to (value, low, high).
    """
    generator = np.random.default_rng(seed)
    drawn: dict[str, list[Array]] = {name: [] for name in METRICS}
    for start in range(0, samples, SAMPLES_AT_ONCE):
        size = (min(SAMPLES_AT_ONCE, samples - start), len(measured))
        rows = generator.integers(0, len(measured), size=size)
        for name, metric in METRICS.items():
            drawn[name].append(metric(measured[rows], predicted[rows]))
    estimates = {}
    for name, metric in METRICS.items():
        low, high = np.percentile(np.concatenate(drawn[name]), [2.5, 97.5])
        estimates[name] = (float(metric(measured, predicted)), float(low), float(high))
    return estimates
