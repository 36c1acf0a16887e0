"""A run in shards from its options to its table, whatever the shards are of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO

from rich.console import Console

from app import __version__
from app.bundle import Bundle, read_bundle
from app.commands.shard_progress import show_shards
from app.commands.terminal import say
from app.errors import BundleError
from app.settings import Settings
from app.shards.folder import Tally, WorkFolder, open_work_folder
from app.shards.in_process import run_in_process
from app.shards.join import join
from app.shards.on_ray import run_on_ray
from app.shards.plan import Options, Plan, Shard
from app.shards.run import Run, begin
from app.shards.work import Work
from app.tables import Column, written_beside

STDOUT_ENDING = ".tsv"


class Engine(StrEnum):
    """Where shards are computed."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class Shards:
    """What the options say of shards.

    Attributes:
        engine: where they are computed.
        work_dir: for them.
        size: the most records of one.
        keep: leave them there when all is done.
    """

    output: Path | None
    engine: Engine
    work_dir: Path
    size: int
    keep: bool

    @property
    def ending(self) -> str:
        return STDOUT_ENDING if self.output is None else self.output.suffix.lower()

    def options(self, device: str, question: str = "") -> Options:
        """As the plan tells them."""
        return Options(
            basecast=__version__,
            device=device.partition(":")[0],
            ending=self.ending,
            shard_records=self.size,
            question=question,
        )


def run_shards(
    shards: Shards,
    plan_in: Callable[[WorkFolder], Plan],
    work_of: Callable[[WorkFolder, Plan], Work],
    columns: Sequence[Column],
    threads: int,
    console: Console,
    *,
    noun: str,
    quiet: bool,
) -> int:
    """Compute whatever is not there yet, and write it all to the output.

    Args:
        plan_in: the plan, for which the folder may take a copy of the input.
        work_of: the work of a plan.
        threads: batches computed at once, on a CPU of this machine.
        noun: what the records are.

    Returns:
        How many records were refused; each is told.

    Raises:
        BasecastError: the run cannot begin or go on; what is done stays done.
    """
    with open_work_folder(shards.work_dir, shards.ending) as folder:
        run = begin(folder, plan_in(folder))
        with show_shards(console, run, noun, quiet=quiet) as show:
            for shard in _compute(run, shards.engine, lambda: work_of(folder, run.plan), threads):
                show(shard)
        sums = Sums()
        for tally in run.tallies():
            _tell_refused(tally, console)
            sums.add(tally)
        with _stream(shards.output) as stream:
            join((folder.table(shard.part) for shard in run.plan.shards), shards.ending, columns, stream)
        if not quiet:
            say(console, f"{run.plan.model.name}: {sums.predicted} predicted, {sums.refused} refused")
            say(console, sums.made_by())
        if not shards.keep:
            folder.remove()
    return sums.refused


def _compute(run: Run, engine: Engine, work: Callable[[], Work], threads: int) -> Iterator[Shard]:
    if not run.pending:
        return iter(())
    return run_on_ray(work(), run.pending) if engine is Engine.RAY else run_in_process(work(), run.pending, threads)


@dataclass
class Sums:
    """What became of all records, and who computed them, over all the times that the run was begun."""

    shards: int = 0
    predicted: int = 0
    refused: int = 0
    places: set[str] = field(default_factory=set)

    def add(self, tally: Tally) -> None:
        """One more shard."""
        self.shards += 1
        self.predicted += tally.predicted
        self.refused += len(tally.refused)
        self.places.add(tally.place)

    def made_by(self) -> str:
        """How many shards there were, and how many engines on how many machines."""
        machines = {place.partition("/")[0] for place in self.places}
        counts = (self.shards, "shard"), (len(self.places), "engine"), (len(machines), "machine")
        shards, engines, on = (f"{count:,} {noun}" + "s" * (count != 1) for count, noun in counts)
        return f"{shards} by {engines} on {on}"


def sequence_bundle(settings: Settings) -> Bundle:
    """The one bundle of the settings, which has to read sequences.

    Raises:
        BundleError: it reads genotypes, or cannot be trusted.
    """
    bundle = read_bundle(settings.models)
    if not bundle.manifest.input.reads_sequences:
        raise BundleError(f"{bundle.manifest.name}: this model reads genotypes and no sequences")
    return bundle


def _tell_refused(tally: Tally, console: Console) -> None:
    for it in tally.refused:
        say(console, f"refused: record {it.number} ({it.id}): {it.code}: {it.detail}", "red")


@contextmanager
def _stream(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with written_beside(output) as stream:
        yield stream
