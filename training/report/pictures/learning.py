"""Learning curves: the loss on training and validation rows after each epoch."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.checkpoint import METRICS
from training.metrics import Array
from training.pipeline import MODEL_FOLDER
from training.report.pictures.style import BLUE, GREY, label_lines, picture
from training.report.tasks import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEEDED = ("epoch", "train_loss", "valid_loss")


@dataclass(frozen=True)
class Curves:
    """What one model's training gave, fold by fold: (epochs, 3) of epoch, training loss and validation loss."""

    name: str
    folds: tuple[Array, ...]


def read_curves(runs: Sequence[Run]) -> list[Curves]:
    """The curves of those runs that were trained by epochs."""
    curves = [
        Curves(
            run.name,
            tuple(_read(path) for folder in run.folders if (path := folder / MODEL_FOLDER / METRICS).is_file()),
        )
        for run in runs
    ]
    return [curve for curve in curves if curve.folds]


def draw_curves(path: Path, curves: Sequence[Curves]) -> None:
    """Draw one panel per model; the epoch that was kept is a dot."""
    columns = min(2, len(curves))
    with picture(path, len(curves), columns=columns, panel_inches=2.9) as panels:
        for panel, curve in zip(panels, curves, strict=True):
            for fold in curve.folds:
                _draw_fold(panel, fold, width=1.8 if len(curve.folds) == 1 else 1.1)
            panel.set_title(curve.name, fontweight="bold")
            panel.set_xlabel("epoch")
            panel.set_ylabel("loss (squared error, sd²)")
            panel.set_ylim(bottom=0)
            panel.locator_params(axis="x", integer=True)
            epoch, train, valid = curve.folds[0][-1]
            label_lines(panel, [(epoch, train), (epoch, valid)], ["train", "valid"], [GREY, BLUE])


def _draw_fold(panel: Axes, fold: Array, width: float) -> None:
    epochs, train, valid = fold.T
    kept = int(np.argmin(valid))
    panel.plot(epochs, train, color=GREY, linewidth=width)
    panel.plot(epochs, valid, color=BLUE, linewidth=width)
    panel.plot(epochs[kept], valid[kept], "o", color=BLUE, markersize=6)


def _read(path: Path) -> Array:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [
            [float(row[name]) for name in NEEDED]
            for row in csv.DictReader(lines)
            if all(row.get(name) for name in NEEDED)
        ]
    return np.array(rows).reshape(-1, len(NEEDED))
