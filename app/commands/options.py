"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Models = Annotated[Path | None, typer.Option("--models", help="Folder of bundles, or one bundle.  [default: models/]")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.  [default: auto]")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.  [default: info]")]
LogFormat = Annotated[str | None, typer.Option(help="json, text, or auto: text before a terminal.  [default: auto]")]
