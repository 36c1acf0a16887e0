"""`basecast predict`: a file of sequences in, a table of predictions out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.bulk import Outcome, Patience, predict_all
from app.client import Client
from app.client.local import open_local
from app.client.remote import connect
from app.commands.bundles import choose_bundle, models_folder
from app.commands.in_shards import predict_in_shards
from app.commands.options import KEY_VARIABLE, Device, Model, Models, Output, Quiet, Url
from app.commands.shard_options import EngineOption, KeepParts, ShardSequences, WorkDir, refuse_shards_at, shards_of
from app.commands.shard_progress import RateColumn
from app.commands.terminal import end_on_sigterm, messages, say
from app.fuse import exit_at_once
from app.logs import configure_logging
from app.main import create_service
from app.records import Record, count_records, open_records
from app.settings import MEMORY_QUEUE, load_settings
from app.shards.plan import SHARD_SEQUENCES
from app.tables import PredictedRow, Row, open_writer, prediction_columns

SOME_REFUSED = 3

Input = Annotated[
    str, typer.Argument(metavar="INPUT", help="FASTA, or CSV or TSV with a column `sequence`; `-` reads stdin.")
]


def predict(
    source: Input,
    model: Model = None,
    output: Output = None,
    models: Models = None,
    url: Url = None,
    device: Device = None,
    engine: EngineOption = None,
    work_dir: WorkDir = None,
    shard_sequences: ShardSequences = SHARD_SEQUENCES,
    keep_parts: KeepParts = False,
    quiet: Quiet = False,
) -> None:
    """Predict for each sequence of a file.

    The input may be plain or gzip, and is told apart by its content. Without an `id` column (FASTA: the first word
    of the header) the id is the 0-based index. A sequence that the model refuses is left out, told on stderr, and
    makes the exit status 3. A service that asks for a key is shown the one in BASECAST_API_KEY.

    With --engine the work is done in shards, on one machine or many: a run that was ended, even by force, goes on where
    it was when it is begun again with the same arguments. docs/bulk.md tells more.

    For example:

        basecast predict utrs.fa --model utrseq-decay > decay.tsv
        basecast predict utrs.csv.gz --model utrseq-decay -o decay.parquet
        zcat utrs.fa.gz | basecast predict - --url http://127.0.0.1:8000 -o decay.csv
        basecast predict genome.fa.gz --model utrseq-decay --engine ray -o decay.parquet
    """
    if url is not None and (models is not None or device is not None):
        raise typer.BadParameter("--models and --device are for predicting here; leave them out with --url")
    refuse_shards_at(url, engine, work_dir)
    configure_logging("warning")
    end_on_sigterm()
    console = messages()
    shards = shards_of(output, engine, work_dir, shard_sequences, keep=keep_parts)
    if shards is not None:
        settings = load_settings(models=choose_bundle(models_folder(models), model), device=device, queue=MEMORY_QUEUE)
        if predict_in_shards(source, shards, settings, console, quiet=quiet):
            raise typer.Exit(SOME_REFUSED)
        return
    shown = console.is_terminal and not quiet and not (output is None and sys.stdout.isatty())
    total = count_records(source) if shown else None
    with (
        open_records(source) as records,
        _client(url, model, models, device) as client,
        _progress(console, client.model, total, shown) as bar,
    ):
        predicted, refused = _write(client, records, output, bar)
    if not quiet:
        say(console, f"{client.model}: {predicted} predicted, {refused} refused")
    if refused:
        raise typer.Exit(SOME_REFUSED)


@contextmanager
def _client(url: str | None, model: str | None, models: Path | None, device: str | None) -> Iterator[Client]:
    if url is not None:
        with connect(url, model, os.environ.get(KEY_VARIABLE)) as client:
            yield client
        return
    bundle = choose_bundle(models_folder(models), model)
    service = create_service(load_settings(models=bundle, device=device, queue=MEMORY_QUEUE))
    service.backend.fuse.then(exit_at_once)
    with open_local(service) as client:
        yield client


def _write(client: Client, records: Iterable[Record], output: Path | None, bar: Progress) -> tuple[int, int]:
    """Predict and write everything; how many records were predicted and refused."""
    predicted = refused = 0
    patience = Patience(lambda message: say(bar.console, message, "yellow"))
    with (
        open_writer(output, prediction_columns(client.targets)) as writer,
        closing(predict_all(client, records, patience)) as outcomes,
    ):
        for outcome in outcomes:
            writer.write(_rows(outcome))
            _tell_refused(outcome, bar.console)
            predicted, refused = predicted + len(outcome.predicted), refused + len(outcome.refused)
            bar.update(bar.task_ids[0], completed=predicted + refused)
    return predicted, refused


def _rows(outcome: Outcome) -> list[Row]:
    return [
        PredictedRow(record.id, prediction.bases, prediction.tokens, prediction.values).as_row()
        for record, prediction in outcome.predicted
    ]


def _tell_refused(outcome: Outcome, console: Console) -> None:
    for refusal in outcome.refused:
        where = f"record {refusal.record.number} ({refusal.record.id})"
        say(console, f"refused: {where}: {refusal.code}: {refusal.detail}", "red")


@contextmanager
def _progress(console: Console, model: str, total: int | None, shown: bool) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown) as bar:
        bar.add_task(model, total=total)
        yield bar
