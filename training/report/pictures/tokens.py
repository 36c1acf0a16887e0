"""How many tokens sequences become, for models that read tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training.pipeline import Pipeline
from training.preparation import load_prepared
from training.report.pictures.style import BLUE, VERMILION, picture
from training.report.tasks import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Enough for a picture; more rows change nothing that shows.
MOST_ROWS = 20_000
MOST_BARS = 60
Lengths = npt.NDArray[np.int64]


def token_lengths(runs: Sequence[Run]) -> dict[str, Lengths]:
    """Model to the lengths of its table's sequences, in tokens, for those runs whose model reads tokens."""
    return {run.name: lengths for run in runs if (lengths := _lengths(run)) is not None}


def draw_tokens(path: Path, lengths: Mapping[str, Lengths]) -> None:
    """Draw one panel per model, with the median."""
    with picture(path, len(lengths), columns=min(2, len(lengths)), panel_inches=2.7) as panels:
        for panel, (name, of_model) in zip(panels, lengths.items(), strict=True):
            _draw_histogram(panel, of_model)
            panel.set_title(name, fontweight="bold")
            panel.set_xlabel("length (tokens)")
            panel.set_ylabel("sequences")


def _draw_histogram(panel: Axes, lengths: Lengths) -> None:
    step = max(1, -(-int(np.ptp(lengths) + 1) // MOST_BARS))
    edges = np.arange(lengths.min(), lengths.max() + step + 1, step) - 0.5
    panel.hist(lengths, bins=edges.tolist(), color=BLUE, rwidth=0.9)
    panel.margins(y=0.15)
    median = float(np.median(lengths))
    panel.axvline(median, color=VERMILION, linewidth=1.4)
    panel.annotate(
        f"median {median:g}",
        (median, 1),
        xycoords=("data", "axes fraction"),
        xytext=(5, -2),
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=VERMILION,
    )
    panel.locator_params(axis="x", integer=True)


def _lengths(run: Run) -> Lengths | None:
    prepared = load_prepared(run.config, run.folders[0])
    feeder = Pipeline(run.config, prepared, run.folders[0]).feeder
    if feeder.rules.encoding != "tokens":
        return None
    sequences = prepared.table.sequences[:MOST_ROWS]
    return np.array([len(ids) for ids in feeder.encode(sequences)], dtype=np.int64)
