"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.pictures.canvas import PICTURES
from app.tables import WRITERS

KEY_VARIABLE = "BASECAST_API_KEY"  # not an option, which every user of the machine could see in the list of processes


def in_a_folder(path: Path | None) -> Path | None:
    """A path whose folder is there."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}")
    return path


def _writable(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in WRITERS:
        raise typer.BadParameter(f"the ending must be one of {', '.join(WRITERS)}")
    return in_a_folder(path)


def _drawable(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in PICTURES:
        raise typer.BadParameter(f"the ending must be one of {', '.join(PICTURES)}")
    return in_a_folder(path)


Model = Annotated[str | None, typer.Option(help="Name or name@version; not needed where there is one.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help=f"Table to write: {', '.join(WRITERS)}.", callback=_writable),
]
Plot = Annotated[
    Path | None,
    typer.Option(help=f"Picture to draw: {', '.join(PICTURES)} (extra `plot`).", callback=_drawable),
]
Url = Annotated[str | None, typer.Option(help="Ask the service that runs there instead of predicting here.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
Models = Annotated[Path | None, typer.Option("--models", help="Folder of bundles, or one bundle.  [default: models/]")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.  [default: auto]")]
Threads = Annotated[
    int | None,
    typer.Option(min=0, help="Batches computed at once; 0 takes every core, and two on a GPU.  [default: 0]"),
]
MetricsPort = Annotated[
    int | None, typer.Option(min=0, max=65_535, help="A port of its own for /metrics.  [default: none]")
]
Queue = Annotated[
    str | None,
    typer.Option(
        help="memory://, or redis://, rediss:// or unix:// of a Redis; a password belongs into BASECAST_QUEUE.  "
        "[default: memory://]"
    ),
]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.  [default: info]")]
LogFormat = Annotated[str | None, typer.Option(help="json, text, or auto: text before a terminal.  [default: auto]")]
