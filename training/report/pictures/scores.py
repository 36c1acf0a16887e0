"""R2 of every model with its interval, and how far counting noise lets any model come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from training.report.ceilings import Ceilings
from training.report.pictures.style import COLOURS, GREY, INK, PALE, picture
from training.report.tables import by_r2
from training.report.tasks import Task
from training.resampling import Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AllFigures = Mapping[tuple[str, str], Mapping[str, Figures]]
INCHES_PER_MODEL, INCHES_AROUND = 0.34, 1.15


def draw_scores(path: Path, task: Task, figures: AllFigures, ceilings: Ceilings) -> None:
    """Draw one panel per target: a row per model, a colour per subset of the rows.

    Args:
        path: of the PNG.
        task: gives the order of targets.
        figures: (target, subset) to model to figures.
        ceilings: (target, subset) to the largest R2, where it is known.
    """
    targets = list(dict.fromkeys(target for target, _ in figures))
    height = INCHES_AROUND + INCHES_PER_MODEL * len(task.predictions.models)
    with picture(path, len(targets), columns=1, panel_inches=height) as panels:
        limits = _limits(figures, ceilings)
        for panel, target in zip(panels, targets, strict=True):
            of_target = {subset: models for (name, subset), models in figures.items() if name == target}
            _draw_target(panel, of_target, {s: c.r2[0] for (t, s), c in ceilings.items() if t == target})
            panel.set_xlim(limits)
            panel.set_title(target, fontweight="bold")
            for label in panel.get_yticklabels():
                label.set_color(GREY if label.get_text() in task.baselines else INK)
        panels[-1].set_xlabel("R² with its 95 % interval; baselines in grey")


def _limits(figures: AllFigures, ceilings: Ceilings) -> tuple[float, float]:
    """The same axis for all targets, from 0 unless a model is worse than the mean."""
    intervals = [model.intervals()["r2"] for models in figures.values() for model in models.values()]
    highest = max([high for _, _, high in intervals] + [ceiling.r2[0] for ceiling in ceilings.values()])
    # A hopeless model would squeeze all others; its interval then runs out of the picture.
    lowest = max(-0.5, min(low for _, low, _ in intervals))
    return min(0.0, 1.05 * lowest), 1.05 * highest


def _draw_target(panel: Axes, of_target: Mapping[str, Mapping[str, Figures]], ceilings: Mapping[str, float]) -> None:
    order = by_r2(next(iter(of_target.values())))[::-1]
    step = 0.32 / max(1, len(of_target) - 1)
    for number, (subset, models) in enumerate(of_target.items()):
        colour, shift = COLOURS[number % len(COLOURS)], number * step - (0.16 if len(of_target) > 1 else 0)
        for row, model in enumerate(order):
            value, low, high = models[model].intervals()["r2"]
            panel.plot([low, high], [row - shift] * 2, color=colour)
            panel.plot(value, row - shift, "o", color=colour, markersize=5)
        _name_subset(panel, subset, ceilings.get(subset), colour, number, len(of_target))
    panel.set_yticks(range(len(order)), order)
    panel.set_ylim(-0.6, len(order) - 0.4)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color=PALE, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.axvline(0, color=GREY, linewidth=0.8)


def _name_subset(panel: Axes, subset: str, ceiling: float | None, colour: str, number: int, subsets: int) -> None:
    """The subset's name, in its colour, above the panel; the ceiling as a dotted line with its value."""
    name = f"{subset} rows" if subset == "all" else subset
    panel.annotate(
        f"● {name}" + (f" (ceiling {ceiling:.2f})" if ceiling is not None else ""),
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, 6 + 13 * (subsets - 1 - number)),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=colour,
    )
    if ceiling is not None:
        panel.axvline(ceiling, color=colour, linestyle=(0, (1, 2)), linewidth=1.4)
