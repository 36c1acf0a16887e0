"""What every picture shares: matplotlib without a screen, its colours, and the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import TableError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")
RAISES, LOWERS, QUIET = "#b2182b", "#2166ac", "#666666"
DIVERGING = "RdBu_r"  # raises red, lowers blue, nothing white
BASE_COLOURS = {"A": "#109648", "C": "#255c99", "G": "#d08a00", "T": "#d62839", "N": QUIET}
DOTS_PER_INCH = 150
MOST_INCHES = 400  # matplotlib refuses pictures of more than 65,536 dots


def blank(width_inches: float, height_inches: float) -> Figure:
    """An empty picture.

    Raises:
        TableError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise TableError("drawing needs matplotlib: pip install 'basecast[plot]'") from None
    return Figure(figsize=(width_inches, min(height_inches, MOST_INCHES)), dpi=DOTS_PER_INCH, layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a picture in the form that the path's ending says; it appears under its name when it is whole.

    Raises:
        TableError: the ending is unknown, or the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(part, format=path.suffix.removeprefix(".").lower())
        part.replace(path)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
