"""Progress for people: one bar, with the latest figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Report = Callable[[float, Mapping[str, float]], None]


@contextmanager
def watching(console: Console, name: str) -> Iterator[Report]:
    """Show a bar while the block runs.

    Args:
        console: a quiet one shows nothing.
        name: of the run.

    Yields:
        A function that takes the share of the run that is done, and the latest figures.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[figures]}"), console=console) as bar:
        task = bar.add_task(name, total=1.0, figures="")
        yield lambda done, figures: bar.update(task, completed=done, figures=_as_text(figures))


def _as_text(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {_rounded(value)}" for name, value in figures.items())


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.4g}"
