"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Models = Annotated[Path | None, typer.Option("--models", help="Folder of bundles, or one bundle.  [default: models/]")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.  [default: auto]")]
Threads = Annotated[
    int | None, typer.Option(min=0, help="Batches computed at once on a CPU; 0 takes every core.  [default: 0]")
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
