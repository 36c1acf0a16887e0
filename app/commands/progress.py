"""How far a command is, as a bar on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.client import Progress as Report

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


@contextmanager
def progress_bar(console: Console, name: str, output: Path | None, *, quiet: bool) -> Iterator[Report]:
    """A function to tell how much of how much is done; it shows on a terminal, unless the table goes there too."""
    shown = console.is_terminal and not quiet and not (output is None and sys.stdout.isatty())
    with Progress(*COLUMNS, console=console, disable=not shown) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
