"""A mutagenesis as a heat map: what each base at each position does, under the letters that stand there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.pictures.canvas import BASE_COLOURS, DIVERGING, blank, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

COLUMNS = 80  # positions side by side before the next row begins
MOST_ROWS = 30  # from there on rows grow longer, and their letters are left out
INCHES_A_COLUMN, INCHES_A_ROW, INCHES_A_TITLE = 0.155, 1.25, 0.5
TICK_POSITIONS = 10
LEAST_INCHES = 7.0  # for the words

Effects = npt.NDArray[np.float64]


def draw_mutagenesis(document: Mapping[str, Any], path: Path) -> None:
    """Draw the answer of POST /predict/mutagenesis into a file.

    Raises:
        TableError: it cannot be drawn or written.
    """
    save(mutagenesis_figure(document), path)


def mutagenesis_figure(document: Mapping[str, Any]) -> Figure:
    """The answer of POST /predict/mutagenesis, one heat map a target.

    Raises:
        TableError: matplotlib is not installed.
    """
    columns = row_length(len(document["positions"]))
    starts = range(0, len(document["positions"]), columns)
    targets = document["model"]["targets"]
    width = min(columns, COLUMNS) * INCHES_A_COLUMN + 2.2
    figure = blank(max(width, LEAST_INCHES), len(targets) * (len(starts) * INCHES_A_ROW + INCHES_A_TITLE) + 0.3)
    parts = figure.subfigures(len(targets), 1, squeeze=False)[:, 0]
    for part, target in zip(parts, targets, strict=True):
        _draw_target(part, document, target, [slice(start, start + columns) for start in starts])
    return figure


def row_length(positions: int) -> int:
    """How many positions stand side by side, in rows of one length or nearly so."""
    rows = min(-(-positions // COLUMNS), MOST_ROWS)
    return -(-positions // rows)


def effects(document: Mapping[str, Any], target: str) -> Effects:
    """(4, positions) each base's effect on a target: to the reference, or as it was centred."""
    values = np.array(document["values"][target]).T
    return values if document["centred"] else values - document["reference_values"][target]


def _draw_target(part: Figure, document: Mapping[str, Any], target: Mapping[str, str], rows: Sequence[slice]) -> None:
    found = effects(document, target["name"])
    limit = float(np.abs(found).max()) or 1.0
    every = part.subplots(len(rows), 1, squeeze=False)[:, 0]
    for axes, row in zip(every, rows, strict=True):
        image = _draw_row(axes, document, found, row, limit)
    every[-1].set_xlabel(_axis_name(document), fontsize=8)
    part.suptitle(f"{document['model']['name']}: {target['name']} (higher: {target['higher_means']})", fontsize=9)
    what = "centred effect" if document["centred"] else "effect of the substitution"
    bar = part.colorbar(image, ax=list(every), fraction=0.03, pad=0.01, aspect=12)
    bar.set_label(f"{what}\n({target['unit']})", fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _draw_row(axes: Axes, document: Mapping[str, Any], found: Effects, row: slice, limit: float) -> AxesImage:
    positions, letters = document["positions"][row], document["reference"][row]
    width = row.stop - row.start
    image = axes.imshow(
        found[:, row], cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
    )  # fmt: skip
    axes.set_xlim(-0.5, min(width, len(document["positions"])) - 0.5)
    axes.set_yticks(range(4), document["alphabet"], fontsize=8, family="monospace")
    marked = [place for place, position in enumerate(positions) if position % TICK_POSITIONS == 0 or not place]
    axes.set_xticks(marked, [f"{positions[place]:,}" for place in marked], fontsize=7)
    axes.tick_params(length=2)
    for side in axes.spines.values():
        side.set_visible(False)
    _mark(axes, letters, document["alphabet"])
    if width <= COLUMNS:
        _write(axes, letters)
    return image


def _write(axes: Axes, letters: str) -> None:
    """What stands there, above the map."""
    for place, letter in enumerate(letters):
        axes.text(place, -0.62, letter, color=BASE_COLOURS[letter], ha="center", va="bottom", fontsize=8,
                  family="monospace", weight="bold")  # fmt: skip


def _mark(axes: Axes, letters: str, alphabet: str) -> None:
    """A dot in the cell of each base that stands there."""
    known = [place for place, letter in enumerate(letters) if letter in alphabet]
    axes.scatter(known, [alphabet.index(letters[place]) for place in known], s=5, color="black", linewidths=0)


def _axis_name(document: Mapping[str, Any]) -> str:
    window = document.get("window")
    place = "the sequence" if window is None else f"{window['contig']}, plus strand"
    return f"position on {place}, 0-based; what stands there has a dot"
