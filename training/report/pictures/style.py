"""How the report's pictures look: 800 points wide, few colours that colour-blind readers tell apart, direct labels.

This is the only module that loads matplotlib, and it does so when a picture is drawn: it is an optional extra.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.errors import ReportError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_INCHES = 8
# Twice the pixels of 800, for sharp screens.
DOTS_PER_INCH = 200

# Okabe and Ito's palette (jfly.uni-koeln.de/color), darkest contrasts first.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE)
INK, GREY, PALE = "#222222", "#767676", "#D9D9D9"

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
}


def require_matplotlib() -> None:
    """Check that pictures can be drawn.

    Raises:
        ReportError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: F401, PLC0415 - an optional extra
    except ImportError:
        raise ReportError("the report's pictures need matplotlib: pip install 'basecast[plot]'") from None


@contextmanager
def picture(path: Path, panels: int, columns: int, panel_inches: float) -> Iterator[list[Axes]]:
    """Draw a picture of panels side by side and write it as PNG.

    Args:
        path: of the file.
        panels: how many.
        columns: panels in a row.
        panel_inches: height of a row.

    Yields:
        The panels, row by row.
    """
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = -(-panels // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, rows * panel_inches), layout="constrained")
        places: list[Axes] = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
        for unused in places[panels:]:
            unused.set_axis_off()
        yield places[:panels]
        # Without the version of matplotlib, so that the same figures give the same bytes for longer.
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def label_lines(panel: Axes, ends: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str]) -> None:
    """Write each line's name to the right of its end, moved apart where they would overlap.

    Args:
        panel: with its final limits.
        ends: (x, y) of each line's last point.
        names: of the lines.
        colours: of the lines.
    """
    low, high = panel.get_ylim()
    apart, lowest = 0.075 * (high - low), -np.inf
    for place in sorted(range(len(ends)), key=lambda place: ends[place][1]):
        lowest = max(ends[place][1], lowest + apart)
        panel.annotate(
            names[place],
            (ends[place][0], lowest),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colours[place],
            annotation_clip=False,
        )
