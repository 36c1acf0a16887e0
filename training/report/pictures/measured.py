"""Measured against predicted, as a density: thousands of rows would hide each other as points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.metrics import Array
from training.report.pictures.style import VERMILION, picture
from training.report.tasks import Task
from training.resampling import Figures
from training.scoring import Measure, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The outermost values are few and far: the axes leave out this share of them at each end.
LEFT_OUT_PERCENT = 0.1
COLUMNS = 3


def draw_measured(
    path: Path, task: Task, measure: Measure, models: Sequence[str], figures: Mapping[str, Figures]
) -> None:
    """Draw one panel per model, with one pair of axes for all and the line on which both are equal."""
    values = {model: values_of(task.predictions, model, measure) for model in models}
    measured = next(iter(values.values()))[0]
    limits = _limits(np.concatenate([measured, *(predicted for _, predicted in values.values())]))
    columns = min(COLUMNS, len(models))
    unit = task.quantity(measure.target).unit
    with picture(path, len(models), columns=columns, panel_inches=8.6 / COLUMNS) as panels:
        for panel, (model, (_, predicted)) in zip(panels, values.items(), strict=True):
            _draw_density(panel, measured, predicted, limits)
            panel.set_title(model, fontweight="bold")
            _write_figures(panel, figures[model].values)
            panel.set_xlabel(f"predicted ({unit})")
        panels[0].set_ylabel(f"measured ({unit})")


def _write_figures(panel: Axes, values: Mapping[str, float]) -> None:
    text = f"R² {values['r2']:.3f}\nr {values['pearson']:.3f}"
    panel.annotate(text, (0.97, 0.04), xycoords="axes fraction", ha="right", fontsize=9, linespacing=1.4)


def _limits(values: Array) -> tuple[float, float]:
    low, high = np.percentile(values, [LEFT_OUT_PERCENT, 100 - LEFT_OUT_PERCENT])
    margin = 0.03 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _draw_density(panel: Axes, measured: Array, predicted: Array, limits: tuple[float, float]) -> None:
    extent = (*limits, *limits)
    # From 0.4 rows on, so that a hexagon of one row is not white.
    panel.hexbin(predicted, measured, gridsize=40, extent=extent, bins="log", mincnt=1, cmap="Blues", vmin=0.4)
    panel.plot(limits, limits, color=VERMILION, linewidth=1)
    panel.set_xlim(limits)
    panel.set_ylim(limits)
    panel.set_aspect("equal")
