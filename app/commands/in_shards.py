"""Sequences of a file in shards: `--engine local` and `--engine ray` of `basecast predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from app.shards.folder import Tally, open_work_folder
from app.shards.in_process import run_in_process
from app.shards.join import join
from app.shards.on_ray import run_on_ray
from app.shards.plan import Options, Shard
from app.shards.run import Run, begin
from app.shards.scan import is_seekable
from app.shards.worker import Assignment
from app.tables import prediction_columns, written_beside

STDOUT_ENDING = ".tsv"


class Engine(StrEnum):
    """Where shards are computed."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class Request:
    """What the options say of a run in shards.

    Attributes:
        settings: with the one bundle that predicts.
        work_dir: for its parts.
        keep_parts: leave them there when all is done.
    """

    source: str
    output: Path | None
    settings: Settings
    engine: Engine
    work_dir: Path
    shard_sequences: int
    keep_parts: bool

    @property
    def ending(self) -> str:
        return STDOUT_ENDING if self.output is None else self.output.suffix.lower()


def predict_in_shards(request: Request, console: Console, *, quiet: bool) -> int:
    """Predict whatever is not there yet, and write it all to the output.

    Returns:
        How many records were refused; each is told.

    Raises:
        BasecastError: the run cannot begin or go on; what is done stays done.
    """
    bundle = _sequence_bundle(request.settings.models)
    options = Options(
        basecast=__version__,
        device=request.settings.device.partition(":")[0],
        ending=request.ending,
        shard_sequences=request.shard_sequences,
    )
    with open_work_folder(request.work_dir, request.ending) as folder:
        run = begin(folder, request.source, bundle, options)
        with show_shards(console, run, quiet=quiet) as show:
            for shard in _compute(request, run, bundle):
                show(shard)
        refused = _finish(request, run, bundle, console, quiet=quiet)
        if not request.keep_parts:
            folder.remove()
    return refused


def _sequence_bundle(path: Path) -> Bundle:
    bundle = read_bundle(path)
    if not bundle.manifest.input.reads_sequences:
        raise BundleError(f"{bundle.manifest.name}: this model reads genotypes and no sequences")
    return bundle


def _compute(request: Request, run: Run, bundle: Bundle) -> Iterator[Shard]:
    if not run.pending:
        return iter(())
    text = Path(request.source) if is_seekable(request.source) else run.folder.input
    assignment = Assignment(
        basecast=__version__,
        text=text.resolve(),
        input=run.plan.input,
        bundle=request.settings.models.resolve(),
        model_sha256=bundle.sha256,
        folder=run.folder.path.resolve(),
        ending=request.ending,
        device=request.settings.device,
        allow_cpu=request.settings.cpu_allowed,
    )
    if request.engine is Engine.RAY:
        return run_on_ray(assignment, run.pending)
    return run_in_process(assignment, run.pending, request.settings.compute_threads)


def _finish(request: Request, run: Run, bundle: Bundle, console: Console, *, quiet: bool) -> int:
    predicted, refused, places = 0, 0, set[str]()
    for tally in run.tallies():
        _tell_refused(tally, console)
        predicted, refused = predicted + tally.predicted, refused + len(tally.refused)
        places.add(tally.place)
    columns = prediction_columns(bundle.manifest.target_names)
    with _stream(request.output) as stream:
        join((run.folder.table(shard.part) for shard in run.plan.shards), request.ending, columns, stream)
    if not quiet:
        say(console, f"{run.plan.model.name}: {predicted} predicted, {refused} refused")
        say(console, _where(run, places))
    return refused


def _where(run: Run, places: set[str]) -> str:
    """How many machines and processes computed it, over all the times that the run was begun."""
    machines = {place.partition("/")[0] for place in places}
    counts = (len(run.plan.shards), "shard"), (len(places), "engine"), (len(machines), "machine")
    shards, engines, on = (_several(*each) for each in counts)
    return f"{shards} by {engines} on {on}"


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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
