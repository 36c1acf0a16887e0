"""How well any model could do: counting noise is variance that no sequence explains.

A label is a change of log2 counts between two times. Given the true rates, the counts at both are independent, so its
variance over the rows is that of what the rates decide plus the mean variance of counting, and the largest R2 is
1 - counting noise / label variance. Rates are not known, but their distribution is: it is the mixture that makes the
observed counts most likely, found by expectation-maximisation on a grid (Laird 1978, J Am Stat Assoc 73:805), and the
noise is the mean over it of the variance of log2 counts drawn at each rate. Rows that were chosen by a least count
are described by counts that are cut off there, or their noise would be overrated.

What is left out makes the true ceiling lower: PCR, injection and every other noise that one count cannot show
(`dispersion` adds some). The spike-ins move all rows alike, so their noise takes nothing from R2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.metrics import Array, covariance
from training.resampling import Groups, Interval, interval, resamples

SMALLEST_COUNT = 0.5
SAMPLES = 100
LOWEST_RATE = 0.02
RATES_PER_DOUBLING = 6
ITERATIONS = 200
# Counts further above a rate than so many standard deviations do not occur.
FURTHEST = 12

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """The counts at one time.

    Attributes:
        counts: (rows,) molecules.
        fewest: rows with fewer were not chosen; 0: all were.
    """

    counts: Counts
    fewest: int = 0


@dataclass(frozen=True)
class Ceiling:
    """The largest R2 that counting noise leaves.

    Attributes:
        r2: with its bootstrap 95 % interval.
        noise_variance: of the label, by counting alone.
        label_variance: of the label as observed.
    """

    r2: Interval
    noise_variance: float
    label_variance: float


def ceiling(
    later: Counted, earlier: Counted, groups: Groups, seed: int, factor: float = 1, dispersion: float = 0
) -> Ceiling:
    """Estimate the largest R2 for `factor` times the change of log2 counts.

    Args:
        later: counts at the later time.
        earlier: counts of the same rows at the earlier time.
        groups: (rows,), equal for related rows, which are resampled together.
        seed: of the bootstrap.
        factor: of the label.
        dispersion: squared coefficient of variation of the noise beyond Poisson's; counts then are negative binomial.
    """
    label = factor * (log2_counts(later.counts) - log2_counts(earlier.counts))
    once = np.ones((1, len(label)))
    weights = np.concatenate([once, *resamples(groups, seed, SAMPLES)])
    noise = factor**2 * (noise_variance(later, weights, dispersion) + noise_variance(earlier, weights, dispersion))
    variance = covariance(label, label, weights)
    r2 = 1 - noise / variance
    return Ceiling(interval(float(r2[0]), r2[1:]), float(noise[0]), float(variance[0]))


def noise_variance(counted: Counted, weights: Array, dispersion: float = 0) -> Array:
    """The mean variance of log2 counts at given rates, over the rates of the rows.

    Args:
        counted: at one time.
        weights: (resamples, rows), how many times each row was drawn.
        dispersion: see `ceiling`.

    Returns:
        (resamples,)
    """
    values, place = np.unique(counted.counts, return_inverse=True)
    rows = np.stack([np.bincount(place, sample, minlength=len(values)) for sample in weights]).astype(np.float64)
    lowest = max(LOWEST_RATE, counted.fewest / 4)
    doublings = np.log2(max(values[-1], 1) * 2 / lowest)
    rates = lowest * 2 ** np.linspace(0, doublings, int(doublings * RATES_PER_DOUBLING) + 2)
    mixture = _rate_mixture(_likelihood(values, rates, counted.fewest, dispersion), rows)
    return mixture @ _log2_variance(rates, counted.fewest, dispersion)


def log2_counts(counts: Counts) -> Array:
    """Log2 of counts, a count of 0 as 0.5."""
    logs: Array = np.log2(np.maximum(counts, SMALLEST_COUNT))
    return logs


def _rate_mixture(likelihood: Array, rows: Array) -> Array:
    """(resamples, rates): the shares of the rates that make the counts most likely.

    Args:
        likelihood: (rates, distinct counts).
        rows: (resamples, distinct counts), how many rows have each count.
    """
    share = rows / rows.sum(axis=1, keepdims=True)
    mixture = np.full((len(rows), len(likelihood)), 1 / len(likelihood))
    for _ in range(ITERATIONS):
        # A count that a resample lacks may have no rate left that explains it.
        ratio = np.divide(share, mixture @ likelihood, out=np.zeros_like(share), where=share > 0)
        mixture *= ratio @ likelihood.T
    return mixture


def _likelihood(counts: Counts, rates: Array, fewest: int, dispersion: float) -> Array:
    """(rates, counts): probabilities of the counts, over the largest at any rate so that none vanishes."""
    drawn = _counts_at(rates[:, None], dispersion)
    logs = drawn.logpmf(counts) - drawn.logsf(fewest - 1)
    likelihood: Array = np.exp(logs - logs.max(axis=0))
    return likelihood


def _log2_variance(rates: Array, fewest: int, dispersion: float) -> Array:
    """(rates,): the variance of log2 counts of at least `fewest`."""
    return np.array([_variance_at(rate, fewest, dispersion) for rate in rates])


def _variance_at(rate: float, fewest: int, dispersion: float) -> float:
    spread = np.sqrt(rate + dispersion * rate**2)
    counts = np.arange(fewest, max(fewest, int(rate + FURTHEST * spread)) + FURTHEST)
    share = _counts_at(rate, dispersion).pmf(counts)
    share, logs = share / share.sum(), log2_counts(counts)
    return float(share @ (logs - share @ logs) ** 2)


def _counts_at(rate: Array | float, dispersion: float) -> Any:  # noqa: ANN401 - SciPy is untyped
    """SciPy's distribution of counts at these rates."""
    if dispersion:
        return stats.nbinom(1 / dispersion, 1 / (1 + dispersion * rate))
    return stats.poisson(rate)
