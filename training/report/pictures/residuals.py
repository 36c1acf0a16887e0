"""How far predictions are off by how well a row was counted: noise in the labels shows here, and nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training.metrics import Array
from training.predictions import ALL_ROWS
from training.report.pictures.style import COLOURS, GREY, label_lines, picture
from training.report.tasks import Task
from training.scoring import Measure, measures, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 10
FEWEST_ROWS = 20
Rows = npt.NDArray[np.int64]
SPREAD = "spread (sd)"


def has_counts(task: Task) -> bool:
    """Whether the data set says how well its rows were counted."""
    counts = task.predictions.coverage
    return len(np.unique(counts[~np.isnan(counts)])) > 1


def draw_residuals(path: Path, task: Task, models: Sequence[str]) -> None:
    """Draw one panel per target: the typical residual by molecules counted, a line per model."""
    shown = [measure for measure in measures(task.predictions) if measure.subset == ALL_ROWS]
    with picture(path, len(shown), columns=min(2, len(shown)), panel_inches=3.4) as panels:
        for panel, measure in zip(panels, shown, strict=True):
            _draw_target(panel, task, measure, models)
            panel.set_title(measure.target, fontweight="bold")
            panel.set_xlabel("molecules counted for the row")
            panel.set_ylabel(f"root mean squared residual ({task.quantity(measure.target).unit})")


def _draw_target(panel: Axes, task: Task, measure: Measure, models: Sequence[str]) -> None:
    coverage = task.predictions.coverage[measure.kept].astype(np.float64)
    bins = _bins(coverage)
    counts = np.array([np.median(coverage[rows]) for rows in bins])
    measured = values_of(task.predictions, models[0], measure)[0]
    lines = {SPREAD: np.array([[np.std(measured[rows]), 0] for rows in bins])}
    for model in models:
        measured, predicted = values_of(task.predictions, model, measure)
        lines[model] = np.array([_rmse(measured[rows] - predicted[rows]) for rows in bins])
    colours = [GREY, *COLOURS][: len(lines)]
    for (name, line), colour in zip(lines.items(), colours, strict=True):
        dashed = name == SPREAD
        panel.plot(counts, line[:, 0], color=colour, linestyle="--" if dashed else "-", marker="" if dashed else ".")
        low, high = line[:, 0] - line[:, 1], line[:, 0] + line[:, 1]
        panel.fill_between(counts, low, high, color=colour, alpha=0.12, linewidth=0)
    panel.set_xscale("symlog", linthresh=1)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_ylim(bottom=0)
    label_lines(panel, [(counts[-1], line[-1, 0]) for line in lines.values()], list(lines), colours)


def _bins(coverage: Array) -> list[Rows]:
    """Rows of nearly equal number and rising coverage; rows of one count stay together."""
    edges = np.unique(np.nanquantile(coverage, np.linspace(0, 1, BINS + 1)))
    place = np.clip(np.digitize(coverage, edges[1:-1]), 0, len(edges) - 2)
    bins = [np.flatnonzero((place == number) & ~np.isnan(coverage)) for number in range(len(edges) - 1)]
    return [rows for rows in bins if len(rows) >= FEWEST_ROWS] or [np.flatnonzero(~np.isnan(coverage))]


def _rmse(residuals: Array) -> tuple[float, float]:
    """The root mean square, and half its 95 % interval by the delta method."""
    squares = residuals**2
    rmse = float(np.sqrt(squares.mean()))
    half = 1.96 * float(squares.std()) / np.sqrt(len(squares)) / (2 * rmse) if rmse else 0.0
    return rmse, float(half)
