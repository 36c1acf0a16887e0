"""Effects of variants as lollipops: how far each moves each target, and which way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.pictures.canvas import LOWERS, QUIET, RAISES, blank, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Effect = Mapping[str, Any]
Target = Mapping[str, str]

MOST_NAMED = 80  # more variants are drawn closer together, without their names
MOST_LETTERS = 28
INCHES_A_NAME, INCHES_OF_NAMES, INCHES_A_PANEL = 0.2, 2.6, 3.6
PANELS = 3  # side by side


def draw_variants(model: str, targets: Sequence[Target], effects: Sequence[Effect], path: Path) -> None:
    """Draw the effects that POST /predict/variants answers into a file.

    Raises:
        TableError: they cannot be drawn or written.
    """
    save(variants_figure(model, targets, effects), path)


def variants_figure(model: str, targets: Sequence[Target], effects: Sequence[Effect]) -> Figure:
    """The effects that POST /predict/variants answers, a panel a target.

    Args:
        model: its name.
        targets: as the answer's `model` tells them.

    Raises:
        TableError: matplotlib is not installed.
    """
    names = [_shown(effect["variant"]) for effect in effects] if len(effects) <= MOST_NAMED else []
    columns = min(len(targets), PANELS)
    rows = -(-len(targets) // columns)
    lines = min(max(len(effects), 3), MOST_NAMED)
    width = (INCHES_OF_NAMES if names else 0.4) + INCHES_A_PANEL * columns
    figure = blank(width, (lines * INCHES_A_NAME + 1.0) * rows + 0.4)
    figure.suptitle(f"{model}: effects of {len(effects):,} variants", fontsize=10)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    panels[0, 0].set_ylim(len(effects) - 0.4, -0.6)
    panels[0, 0].set_yticks(range(len(names)), names)
    for axes in panels.flat[len(targets) :]:
        axes.set_axis_off()
    for axes, target in zip(panels.flat, targets, strict=False):
        _draw_target(axes, effects, target)
    return figure


def _draw_target(axes: Axes, effects: Sequence[Effect], target: Target) -> None:
    differences = [effect["difference"][target["name"]] for effect in effects]
    colours = [RAISES if difference > 0 else LOWERS if difference < 0 else QUIET for difference in differences]
    places = range(len(effects))
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.hlines(places, 0, differences, colors=colours, linewidth=1.4)
    axes.scatter(differences, places, c=colours, s=18, zorder=3)
    axes.set_title(target["name"], fontsize=9)
    axes.set_xlabel(f"alternate - reference ({target['unit']})\nright: {target['higher_means']}", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _shown(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 3]}..."
