"""`python -m tests.monitoring FOLDER` plays the scene and draws every dashboard into a folder."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.monitoring.looking import seen


def main(folder: Path) -> None:
    """Write a picture of each dashboard."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as models, seen(Path(models)) as view:
        for uid, figure in view.pictures():
            figure.savefig(folder / f"{uid}.png", metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
