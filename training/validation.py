"""What the validation rows say about a model, and when they have said enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from training.datasets.table import Floats
from training.errors import FitError
from training.examples import Examples
from training.metrics import r2


def validation_figures(predicted: Floats, valid: Examples, targets: Sequence[str]) -> dict[str, float]:
    """Score answers to the validation rows.

    Args:
        predicted: (rows, outputs), in standard deviations, the targets first.
        valid: the rows.
        targets: names.

    Returns:
        `valid_loss`, the mean squared error by weight over all targets, and `r2_<target>` over its measured rows.

    Raises:
        FitError: the loss is no number: the model answers none, or no validation row was measured.
    """
    answers = predicted[:, : len(targets)]
    values, weights = valid.values[:, : len(targets)], valid.weights[:, : len(targets)]
    if not np.any(weights > 0):
        raise FitError("no validation row has a measured target with a weight above 0; see the split of the table")
    loss = float(np.sum((answers - values) ** 2 * weights) / np.sum(weights))
    if not np.isfinite(loss):
        raise FitError("the validation loss is no longer finite; lower fit.learning_rate")
    figures = {"valid_loss": loss}
    for column, name in enumerate(targets):
        measured = weights[:, column] > 0
        right, answered = (array[measured, column].astype(np.float64) for array in (values, answers))
        figures[f"r2_{name}"] = float(r2(right, answered))
    return figures


def is_stale(history: Sequence[Mapping[str, float]], patience_epochs: int) -> bool:
    """Whether so many epochs have passed since the best one; 0 never."""
    losses = [row["valid_loss"] for row in history]
    return patience_epochs > 0 and len(losses) - 1 - int(np.argmin(losses)) >= patience_epochs
