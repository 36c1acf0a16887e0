"""`python -m tests.monitoring FOLDER` plays the scene and draws every dashboard into a folder."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from tests.monitoring.looking import seen


def main(folder: Path) -> None:
    """Write a picture of each dashboard, over the newest Prometheus that there is."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as models, seen(Path(models)) as views:
        *_, newest = views.values()
        for uid, figure in newest.pictures():
            _save(figure, folder / f"{uid}.png")


def _save(figure: Figure, path: Path) -> None:
    """With few colours, so that the file is small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(48).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
