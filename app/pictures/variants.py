"""Effects of variants as lollipops: how far each moves each target, and which way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.pictures.canvas import LOWERS, QUIET, RAISES, blank, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Effect = Mapping[str, Any]

MOST_NAMED = 80  # more variants are drawn closer together, without their names
MOST_LETTERS = 28
INCHES_A_NAME, INCHES_A_TARGET = 0.2, 3.6


def draw_variants(model: str, targets: Sequence[Mapping[str, str]], effects: Sequence[Effect], path: Path) -> None:
    """Draw the effects that POST /predict/variants answers, one column a target.

    Args:
        model: its name.
        targets: as the answer's `model` tells them.

    Raises:
        TableError: they cannot be drawn or written.
    """
    named = len(effects) <= MOST_NAMED
    height = max(len(effects), 3) * INCHES_A_NAME if named else MOST_NAMED * INCHES_A_NAME
    figure = blank(2.4 * named + INCHES_A_TARGET * len(targets) + 0.4, height + 1.3)
    figure.suptitle(f"{model}: effects of {len(effects)} variants", fontsize=10)
    columns = figure.subplots(1, len(targets), sharey=True, squeeze=False)[0]
    for axes, target in zip(columns, targets, strict=True):
        _draw_target(axes, effects, target)
    names = [_shown(effect["variant"]) for effect in effects]
    columns[0].set_yticks(range(len(names)) if named else [], names if named else [], fontsize=8)
    columns[0].set_ylim(len(effects) - 0.4, -0.6)
    save(figure, path)


def _draw_target(axes: Axes, effects: Sequence[Effect], target: Mapping[str, str]) -> None:
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
