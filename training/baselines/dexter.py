"""DExTER: discovered variables, standardised, weighed by a Lasso whose penalty is chosen by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.baselines.discovery import Pair, discover
from training.baselines.kmers import Matrix
from training.baselines.lattice import Lattice
from training.baselines.recipe import DexterConfig
from training.baselines.regions import Bins
from training.baselines.weights import KmerWeights
from training.datasets.table import Floats
from training.errors import DataError
from training.examples import Codes

LASSO_SWEEPS = 5000


@dataclass(frozen=True)
class Variable:
    """A pair and what the Lasso made of it.

    Attributes:
        target: column of the target.
        weight: in standard deviations of the target per standard deviation of the frequency; 0 where it was dropped.
        per_occurrence: in standard deviations of the target, what one k-mer in the region adds.
    """

    target: int
    pair: Pair
    weight: float
    per_occurrence: float


@dataclass(frozen=True)
class Dexter:
    """A fitted model.

    Attributes:
        variables: all that were found, of all targets.
        intercepts: (targets,).
        bins: of the window.
    """

    variables: tuple[Variable, ...]
    intercepts: Matrix
    bins: Bins

    def weights(self) -> KmerWeights:
        """The model as weights of k-mers in bins; variables that the Lasso dropped are left out."""
        kept = [variable for variable in self.variables if variable.weight]
        kmers = sorted({variable.pair.kmer for variable in kept})
        values = np.zeros((len(kmers), len(self.bins), len(self.intercepts)))
        for variable in kept:
            region = variable.pair.region
            row = kmers.index(variable.pair.kmer)
            values[row, region.first : region.last + 1, variable.target] += variable.per_occurrence
        return KmerWeights(tuple(kmers), values, self.intercepts, self.bins.of_place)


def fit_dexter(
    bases: Codes,
    targets: Floats,
    bins: Bins,
    config: DexterConfig,
    advance: Callable[[], object] = lambda: None,
) -> Dexter:
    """Find variables and weigh them, target by target.

    Args:
        bases: (rows, length) base codes of windows of one length.
        targets: (rows, targets) float32, in standard deviations; NaN where nothing was measured.
        bins: of the window.
        config: thresholds, folds and seed.
        advance: is called after the k-mers of each length, and after the Lasso.

    Raises:
        DataError: there are fewer measured rows than folds.
    """
    variables: list[Variable] = []
    intercepts = []
    for column in range(targets.shape[1]):
        measured = ~np.isnan(targets[:, column])
        if measured.sum() < config.folds:
            raise DataError(f"baseline.folds: {config.folds} folds need as many rows; {measured.sum()} were measured")
        target = targets[measured, column].astype(np.float64)
        lattice = Lattice(bases[measured], target, bins)
        pairs = discover(lattice, config, advance)
        frequencies = lattice.frequencies([(pair.kmer, pair.region) for pair in pairs])
        weights, intercept = _lasso(frequencies, target, config)
        variables += _variables(column, pairs, weights, frequencies.std(axis=0), bins)
        intercepts.append(intercept)
        advance()
    return Dexter(tuple(variables), np.array(intercepts), bins)


def steps(targets: int, config: DexterConfig) -> int:
    """How often `fit_dexter` advances: for each length from 2, and for the Lasso."""
    return targets * config.longest_kmer


def as_tsv(dexter: Dexter, names: Sequence[str]) -> bytes:
    """The variables as a table for people, the heaviest first; bounds are in bases from the anchor, end exclusive."""
    lines = ["target\tkmer\tstart\tend\tcorrelation\tweight"]
    for variable in sorted(dexter.variables, key=lambda variable: (variable.target, -abs(variable.weight))):
        start, end = dexter.bins.bounds(variable.pair.region)
        figures = f"{variable.pair.correlation:.4f}\t{variable.weight:.4f}"
        lines.append(f"{names[variable.target]}\t{variable.pair.kmer}\t{start}\t{end}\t{figures}")
    return ("\n".join(lines) + "\n").encode()


def _lasso(frequencies: Matrix, target: Matrix, config: DexterConfig) -> tuple[Matrix, float]:
    """(variables,) weights of the standardised frequencies, and the intercept of the frequencies as they are."""
    # Slow to import, and seldom needed.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LassoCV  # noqa: PLC0415
    from sklearn.model_selection import KFold  # noqa: PLC0415

    if not frequencies.shape[1]:
        return np.zeros(0), float(target.mean())
    mean, deviation = frequencies.mean(axis=0), frequencies.std(axis=0)
    folds = KFold(config.folds, shuffle=True, random_state=config.seed)
    with warnings.catch_warnings():
        # Only the smallest penalties of the path, which over-fit, do not settle in so many sweeps.
        warnings.simplefilter("ignore", ConvergenceWarning)
        lasso = LassoCV(cv=folds, max_iter=LASSO_SWEEPS).fit((frequencies - mean) / deviation, target)
    weights: Matrix = lasso.coef_
    return weights, float(lasso.intercept_ - (weights / deviation) @ mean)


def _variables(target: int, pairs: Sequence[Pair], weights: Matrix, deviation: Matrix, bins: Bins) -> list[Variable]:
    bases = np.array([bins.bases(pair.region) for pair in pairs])
    per_occurrence = weights / (deviation * bases)
    return [
        Variable(target, pair, float(weight), float(added))
        for pair, weight, added in zip(pairs, weights, per_occurrence, strict=True)
    ]
