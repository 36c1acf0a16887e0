"""How far a run over shards is: a bar before a terminal, else a line now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from app.commands.terminal import say
from app.shards.plan import Shard
from app.shards.run import Run

LINE_SECONDS = 10.0

Show = Callable[[Shard], None]


@contextmanager
def show_shards(console: Console, run: Run, noun: str, *, quiet: bool) -> Iterator[Show]:
    """What shows each shard that is whole."""
    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with _bar(console, run) as show:
            yield show
    else:
        yield Lines(lambda line: say(console, line), run, noun).show


class Lines:
    """Tells how far a run is, at its begin and then at most every ten seconds.

    Args:
        write: takes a line.
        noun: what the records are.
        clock: monotonic seconds.
    """

    def __init__(
        self, write: Callable[[str], None], run: Run, noun: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._noun, self._clock = write, noun, clock
        self._shards, self._whole = len(run.plan.shards), len(run.done)
        self._left = sum(shard.records for shard in run.pending)
        self._records, self._computed = run.plan.records, 0
        self._begun = self._told = math.nan
        if run.done:
            write(f"going on: {self._whole:,} of {self._shards:,} shards are there")

    def show(self, shard: Shard) -> None:
        """One more shard is whole; with the first the time begins, since until then engines were started too."""
        now = self._clock()
        self._whole, self._left = self._whole + 1, self._left - shard.records
        if math.isnan(self._begun):
            self._begun = self._told = now
            return
        self._computed += shard.records
        if now - self._told >= LINE_SECONDS:
            self._told = now
            self._write(self._line(self._computed / (now - self._begun)))

    def _line(self, rate: float) -> str:
        done, left = self._records - self._left, timedelta(seconds=round(self._left / rate))
        return (
            f"{self._whole:,} of {self._shards:,} shards, {done:,} of {self._records:,} {self._noun}, "
            f"{rate:,.0f}/s, {left} left"
        )


class ShardsColumn(ProgressColumn):
    """Shards that are whole, of all."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.fields['whole']:,}/{task.fields['shards']:,} shards", "progress.percentage")


class RateColumn(ProgressColumn):
    """Records a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", "progress.data.speed")


@contextmanager
def _bar(console: Console, run: Run) -> Iterator[Show]:
    columns = (TextColumn("{task.description}"), BarColumn(), ShardsColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        before, whole, shards = sum(shard.records for shard in run.done), len(run.done), len(run.plan.shards)
        model, records = run.plan.model.name, run.plan.records
        task = bar.add_task(model, total=records, completed=before, whole=whole, shards=shards)

        def show(shard: Shard) -> None:
            nonlocal whole
            whole += 1
            bar.update(task, advance=shard.records, whole=whole)

        yield show
