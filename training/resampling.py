"""Bootstrap intervals: the rows are drawn again and again, related rows together, and the figures taken each time.

Rows of one group are not independent, so a resample draws whole groups with replacement (the cluster bootstrap of
Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8). A row without relatives is a group of
one, and where every row is, this is the ordinary bootstrap. Too few groups say nothing of those that were not
measured, so below `FEWEST_GROUPS` single rows are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.metrics import METRICS, Array

SAMPLES = 1000
FEWEST_GROUPS = 30
PERCENTILES = (2.5, 97.5)
# Resamples held in memory at once: 100 of 10,000 rows are 8 MB.
SAMPLES_AT_ONCE = 100

Groups = npt.NDArray[Any]
Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Figures:
    """A model's figures on the rows and on every resample of them.

    Attributes:
        values: metric to figure.
        drawn: metric to (samples,) figures; those of one seed, groups and size belong to the same resamples.
    """

    values: dict[str, float]
    drawn: dict[str, Array]

    def intervals(self) -> dict[str, Interval]:
        """Every metric as (value, low, high), the last two its 95 % interval."""
        return {name: interval(value, self.drawn[name]) for name, value in self.values.items()}

    def minus(self, other: Figures) -> dict[str, Interval]:
        """The paired difference of every metric, resample by resample, with its 95 % interval."""
        return {
            name: interval(value - other.values[name], self.drawn[name] - other.drawn[name])
            for name, value in self.values.items()
        }


def bootstrap(
    measured: Array, predicted: Array, seed: int, groups: Groups | None = None, samples: int = SAMPLES
) -> Figures:
    """Take every metric on the rows and on resamples of them.

    Args:
        measured: (rows,).
        predicted: (rows,).
        seed: of the resampling; models with one seed and the same groups are compared on the same resamples.
        groups: (rows,), equal for related rows; None: no row has a relative.
        samples: how many resamples.
    """
    groups = np.arange(len(measured)) if groups is None else groups
    drawn: dict[str, list[Array]] = {name: [] for name in METRICS}
    for weights in resamples(groups, seed, samples):
        for name, metric in METRICS.items():
            drawn[name].append(metric(measured, predicted, weights))
    values = {name: float(metric(measured, predicted)) for name, metric in METRICS.items()}
    return Figures(values, {name: np.concatenate(parts) for name, parts in drawn.items()})


def resamples(groups: Groups, seed: int, samples: int) -> Iterator[Array]:
    """How many times each row is drawn.

    Yields:
        (resamples, rows) float64, `samples` of them in all, at most `SAMPLES_AT_ONCE` at a time.
    """
    generator = np.random.default_rng(seed)
    group, count = drawn_units(groups)
    for start in range(0, samples, SAMPLES_AT_ONCE):
        size = min(SAMPLES_AT_ONCE, samples - start)
        drawn = generator.integers(0, count, size=(size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield times[:, group].astype(np.float64)


def drawn_units(groups: Groups) -> tuple[npt.NDArray[np.int64], int]:
    """What is drawn together: (rows,) numbers from 0, and how many there are."""
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < FEWEST_GROUPS:
        return np.arange(len(groups)), len(groups)
    return group.astype(np.int64), len(names)


def interval(value: float, drawn: Array) -> Interval:
    """A figure with the 95 % interval of what was drawn."""
    # A resample of equal values has no R2, and is left out of the interval.
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return value, float("nan"), float("nan")
    low, high = np.percentile(defined, PERCENTILES)
    return value, float(low), float(high)
