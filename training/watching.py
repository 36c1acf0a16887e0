"""Progress for people: a bar per model, with its loss, its speed and the validation figures of its last epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int, Mapping[str, float]], None]


class Watcher:
    """Shows progress on a console.

    Args:
        console: a quiet one shows nothing.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, line: str) -> None:
        """One line for people."""
        self.console.print(line, highlight=False)

    @contextmanager
    def watching(self, name: str, steps: int) -> Iterator[Advance]:
        """Show a bar while the block runs.

        Args:
            name: of the model.
            steps: in all, the finished ones of an earlier start included.

        Yields:
            A function that takes the steps done since its last call, and the latest figures.
        """
        with _bar(self.console) as bar:
            task = bar.add_task(name, total=steps, figures="")
            known: dict[str, float] = {}

            def advance(done: int, figures: Mapping[str, float]) -> None:
                known.update(figures)
                bar.update(task, advance=done, figures=_as_text(known))

            yield advance


class StepsPerSecond(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        """The speed over the last half minute, or nothing before it is known."""
        return Text(f"{task.speed:.3g} steps/s" if task.speed else "")


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(
        *columns, StepsPerSecond(), TimeRemainingColumn(), TextColumn("{task.fields[figures]}"), console=console
    )


def _as_text(figures: Mapping[str, float]) -> str:
    """The figures that a person watches: how loss and learning rate stand, and how well the last epoch predicts."""
    shown = []
    if "loss" in figures:
        shown.append(f"loss {figures['loss']:.3f}, rate {figures['learning_rate']:.1e}")
    if scores := [f"{value:.3f}" for name, value in figures.items() if name.startswith("r2_")]:
        shown.append(f"valid R2 {' '.join(scores)}")
    return ", ".join(shown)
