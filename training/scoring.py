"""From predictions to scores: every model on the same rows and the same resamples, and its distance to the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.bundle import Estimate, Score
from training.errors import DataError
from training.metrics import METRICS, Array
from training.predictions import Predictions
from training.resampling import Figures, Interval, bootstrap


@dataclass(frozen=True)
class Measure:
    """What is measured: a target on a subset of the rows.

    Attributes:
        kept: (rows,) bool, the subset's rows for which the target was measured.
    """

    target: str
    subset: str
    kept: npt.NDArray[np.bool_]


def measures(predictions: Predictions) -> list[Measure]:
    """Everything that can be measured, target by target; a subset without different values is left out.

    Raises:
        DataError: a target is the same in all rows, so no figure says anything.
    """
    found = [
        Measure(target, subset, mask & ~np.isnan(predictions.measured[:, column]))
        for column, target in enumerate(predictions.targets)
        for subset, mask in predictions.subsets.items()
    ]
    varied = [measure for measure in found if _varies(predictions, measure)]
    for target in predictions.targets:
        if not any(measure.target == target for measure in varied):
            raise DataError(f"{target} has no two different values in the rows that are scored; see the split")
    return varied


def _varies(predictions: Predictions, measure: Measure) -> bool:
    values = predictions.measured[measure.kept, predictions.targets.index(measure.target)]
    return len(np.unique(values)) > 1


def values_of(predictions: Predictions, model: str, measure: Measure) -> tuple[Array, Array]:
    """Measured and predicted values, each (kept rows,)."""
    column = predictions.targets.index(measure.target)
    predicted = predictions.of(model, measure.subset)
    measured, predicted = predictions.measured[measure.kept, column], predicted[measure.kept, column]
    return measured.astype(np.float64), predicted.astype(np.float64)


def figures_of(predictions: Predictions, measure: Measure, seed: int) -> dict[str, Figures]:
    """Model to figures, all on the same resamples."""
    groups = predictions.groups[measure.kept]
    return {
        model: bootstrap(*values_of(predictions, model, measure), seed=seed, groups=groups)
        for model in predictions.models
    }


def scores_of(predictions: Predictions, split: str, seed: int) -> tuple[Score, ...]:
    """Score every model on every target and subset.

    Args:
        predictions: of the models, the one that the others are compared with first.
        split: how the rows were held out, in words.
        seed: of the bootstrap.

    Returns:
        One score per model, target and subset, model by model. Those of the other models say in `difference` how far
        the first is ahead of them, with paired intervals.
    """
    figures = [(measure, figures_of(predictions, measure, seed)) for measure in measures(predictions)]
    return tuple(_score(model, measure, split, of) for model in predictions.models for measure, of in figures)


def fold_values(predictions: Predictions, model: str, measure: Measure) -> dict[str, Array]:
    """Metric to (folds,): a model's figures in each fold by itself."""
    measured, predicted = values_of(predictions, model, measure)
    folds = predictions.folds[measure.kept]
    each = [(measured[folds == fold], predicted[folds == fold]) for fold in np.unique(folds)]
    return {name: np.array([float(metric(*values)) for values in each]) for name, metric in METRICS.items()}


def estimates(intervals: Mapping[str, Interval]) -> dict[str, Estimate]:
    """Intervals in the manifest's form."""
    return {name: Estimate(value=value, low=low, high=high) for name, (value, low, high) in intervals.items()}


def _score(model: str, measure: Measure, split: str, figures: Mapping[str, Figures]) -> Score:
    first = next(iter(figures))
    difference = {} if model == first else figures[first].minus(figures[model])
    return Score(
        model=model,
        target=measure.target,
        split=split,
        subset=measure.subset,
        rows=int(measure.kept.sum()),
        metrics=estimates(figures[model].intervals()),
        difference=estimates(difference),
    )
