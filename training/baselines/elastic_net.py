"""Elastic net on the dosages of the variants near a gene, as PrediXcan predicts expression (Gamazon et al. 2015).

Who is predicted is never learnt from: for each fold the penalty is chosen among the other folds, each of which is
predicted from the rest of them, and the fold itself is predicted by a fit to all the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.baselines.kmers import Matrix
from training.errors import ConfigError

Folds = npt.NDArray[np.int64]  # (people,) number of the fold that tests a person
Vector = npt.NDArray[np.float64]
# The descent stops when its gap is this share of the variance; a tenth of it changes weights in the fourth digit.
TOLERANCE = 1e-4
MOST_ITERATIONS = 100_000


@dataclass(frozen=True)
class ElasticNetConfig:
    """How the elastic net of a gene is fitted: a configuration's `[elastic_net]` table."""

    cis_bases: int = 100_000
    """Variants at most so far from the gene's transcription start."""

    l1_ratio: float = 0.5
    """Share of the penalty on absolute weights; the rest is on their squares."""

    penalties: int = 30
    """How many are tried, evenly on a logarithmic scale."""

    smallest_penalty: float = 0.05
    """The last of them, as a share of the first, which leaves no variant a weight."""

    def __post_init__(self) -> None:
        if self.cis_bases < 1 or self.penalties < 2:
            raise ConfigError("elastic_net: cis_bases must be at least 1 and penalties at least 2")
        if not 0 < self.l1_ratio <= 1 or not 0 < self.smallest_penalty < 1:
            raise ConfigError("elastic_net: l1_ratio must lie in (0, 1] and smallest_penalty in (0, 1)")

    @property
    def description(self) -> str:
        """What is fitted, in a sentence."""
        return (
            f"An elastic net for each gene (share of the L1 penalty {self.l1_ratio:g}) on the dosages of the variants "
            f"within {self.cis_bases:,} bases of its start; the penalty by cross-validation across people."
        )


@dataclass(frozen=True, eq=False)
class LinearFit:
    """A fitted model of one gene.

    Attributes:
        weights: (variants,) per alternate allele, most of them 0.
        intercept: what is predicted without alternate alleles.
        mean_dosages: (variants,) of the people it learnt from; they stand for dosages that are NaN.
        penalty: that was chosen.
    """

    weights: Vector
    intercept: float
    mean_dosages: Vector
    penalty: float

    def predict(self, dosages: Matrix) -> Vector:
        """(people,) from (people, variants)."""
        known = np.where(np.isnan(dosages), self.mean_dosages, dosages)
        return np.asarray(known @ self.weights + self.intercept)


def predict_held_out(dosages: Matrix, values: Vector, folds: Folds, config: ElasticNetConfig) -> Vector:
    """Predict everybody by models that never saw them, nor chose their penalty by them.

    Args:
        dosages: (people, variants), NaN where not called.
        values: (people,).
        folds: (people,); at least three different ones.
        config: how to fit.

    Returns:
        (people,).
    """
    predicted = np.empty(len(values))
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        predicted[test] = fit_elastic_net(dosages[train], values[train], folds[train], config).predict(dosages[test])
    return predicted


def fit_elastic_net(dosages: Matrix, values: Vector, folds: Folds, config: ElasticNetConfig) -> LinearFit:
    """Fit to everybody who is given, with the penalty that predicts each of the folds best from the others.

    Args:
        dosages: (people, variants), NaN where not called.
        values: (people,).
        folds: (people,); at least two different ones.
        config: how to fit.
    """
    penalties = _penalties(dosages, values, config)
    errors = np.zeros(len(penalties))
    for fold in np.unique(folds):
        train, valid = folds != fold, folds == fold
        fits = _path(dosages[train], values[train], penalties, config.l1_ratio)
        errors += [np.sum((fit.predict(dosages[valid]) - values[valid]) ** 2) for fit in fits]
    best = int(np.argmin(errors))  # of equals the first, which is the strongest
    return list(_path(dosages, values, penalties[: best + 1], config.l1_ratio))[-1]


def _penalties(dosages: Matrix, values: Vector, config: ElasticNetConfig) -> Vector:
    """From the smallest that leaves no weight, downwards."""
    scaled = _scaled(dosages)[0]
    largest = np.max(np.abs(scaled.T @ (values - values.mean())), initial=0.0) / (len(values) * config.l1_ratio)
    return np.asarray(np.geomspace(largest or 1.0, (largest or 1.0) * config.smallest_penalty, config.penalties))


def _path(dosages: Matrix, values: Vector, penalties: Sequence[float] | Vector, l1_ratio: float) -> Iterator[LinearFit]:
    """A fit for each penalty, each started from the one before."""
    from sklearn.linear_model import enet_path  # noqa: PLC0415 - half a second that other commands need not wait

    scaled, mean, deviation = _scaled(dosages)
    _, weights, _ = enet_path(
        scaled,
        values - values.mean(),
        l1_ratio=l1_ratio,
        alphas=penalties,
        precompute=True,
        tol=TOLERANCE,
        max_iter=MOST_ITERATIONS,
    )
    per_allele = weights / deviation[:, None]  # (variants, penalties)
    for column, penalty in enumerate(penalties):
        intercept = float(values.mean() - mean @ per_allele[:, column])
        yield LinearFit(per_allele[:, column], intercept, mean, float(penalty))


def _scaled(dosages: Matrix) -> tuple[Matrix, Vector, Vector]:
    """Standardised dosages, with 0 where not called, their mean and their deviation; 1 for one that never varies."""
    called = ~np.isnan(dosages)
    mean = np.where(called, dosages, 0).sum(axis=0) / np.maximum(called.sum(axis=0), 1)
    centred = np.where(called, dosages - mean, 0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    deviation[deviation < 1e-9] = 1.0
    return np.asfortranarray(centred / deviation), mean, deviation
