"""`basecast mutagenesis`: a sequence or an interval in; a table and a heat map of every substitution out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.api.mutagenesis_replies import mutagenesis_columns, mutagenesis_rows
from app.bulk import Patience
from app.client import Client, Progress
from app.commands.genome_client import Answering, open_client
from app.commands.genome_options import Gene, Genes, Reference, Strand
from app.commands.options import Device, Model, Models, Output, Plot, Quiet, Url
from app.commands.progress import progress_bar
from app.commands.terminal import end_on_sigterm, messages, say
from app.errors import TableError
from app.logs import configure_logging
from app.pictures.mutagenesis import draw_mutagenesis
from app.records import open_records
from app.sweeping import joined, sweep_all
from app.tables import open_writer

Input = Annotated[
    str | None, typer.Argument(metavar="[INPUT]", help="FASTA, CSV or TSV with one sequence; `-` reads stdin.")
]
RecordId = Annotated[str | None, typer.Option("--id", help="Which sequence of the input, where there are several.")]
Interval = Annotated[str | None, typer.Option(help="contig:first-last, 1-based and inclusive.")]
Start = Annotated[
    int | None, typer.Option(help="First position to change, 0-based; on the contig for an interval.  [default: all]")
]
End = Annotated[int | None, typer.Option(help="Behind the last position to change.")]
Centre = Annotated[bool, typer.Option("--centre", help="Less the mean of each position's substitutions.")]


def mutagenesis(
    source: Input = None,
    record_id: RecordId = None,
    interval: Interval = None,
    reference: Reference = None,
    gene: Gene = None,
    genes: Genes = None,
    strand: Strand = None,
    start: Start = None,
    end: End = None,
    centre: Centre = False,
    model: Model = None,
    output: Output = None,
    plot: Plot = None,
    models: Models = None,
    url: Url = None,
    device: Device = None,
    quiet: Quiet = False,
) -> None:
    """Predict every substitution of a sequence, an interval or a gene's window.

    A running service reads its own reference and gene table. docs/variants.md has the rules and the columns.

    For example:

        basecast mutagenesis utr.fa --model utrseq-decay --plot utr.png > utr.tsv
        basecast mutagenesis --interval chr22:39,399,900-39,399,950 --reference hg38.fa.gz --model my-model -o map.csv
    """
    answering = Answering(url, model, models, device, reference, genes)
    answering.check(needs_reference=source is None)
    if sum(given is not None for given in (source, interval, gene)) != 1:
        raise typer.BadParameter("give one of INPUT, --interval and --gene")
    configure_logging("warning")
    end_on_sigterm()
    sequence = None if source is None else _sequence(source, record_id)
    asked = {
        "sequence": sequence, "interval": interval, "gene": gene, "strand": strand, "start": start, "end": end,
        "centre": centre or None,
    }  # fmt: skip
    request = {name: value for name, value in asked.items() if value is not None}
    console = messages()
    with open_client(answering) as client, progress_bar(console, client.model, output, quiet=quiet) as report:
        told = _swept(client, request, console, report)
        name = client.model
    _write(told, output, plot)
    if not quiet:
        say(console, f"{name}: {len(told['positions'])} positions of {_what(told)}")


def _swept(client: Client, request: dict[str, Any], console: Console, report: Progress) -> dict[str, Any]:
    """Ask for some positions at a time, and join what is answered."""
    pieces, done = list[dict[str, Any]](), 0
    for piece in sweep_all(client, request, Patience(lambda message: say(console, message, "yellow"))):
        pieces.append(piece)
        done += len(piece["positions"])
        report(done, done + piece["remaining"])
    return joined(pieces)


def _sequence(source: str, record_id: str | None) -> str:
    """The one sequence that is meant.

    Raises:
        TableError: there is none, or more than one.
    """
    with open_records(source) as records:
        found = [record.sequence for record in records if record_id in (None, record.id)]
    if len(found) == 1:
        return found[0]
    raise TableError(f"{source}: {len(found)} sequences are meant; choose one with --id")


def _write(told: dict[str, Any], output: Path | None, plot: Path | None) -> None:
    with open_writer(output, mutagenesis_columns(told)) as writer:
        writer.write(list(mutagenesis_rows(told)))
    if plot is not None:
        draw_mutagenesis(told, plot)


def _what(told: dict[str, Any]) -> str:
    window = told.get("window")
    return "the sequence" if window is None else f"{window['contig']}:{window['start'] + 1:,}-{window['end']:,}"
