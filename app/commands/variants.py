"""`basecast variants`: variants, or a VCF of them, in; a table and a picture of their effects out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.api.variants_replies import variants_columns, variants_rows
from app.bulk import Patience
from app.client import Client, Progress
from app.commands.genome_client import Answering, open_client
from app.commands.genome_options import Gene, Genes, RecordFilter, Reference, Strand
from app.commands.options import Device, Model, Models, Output, Plot, Quiet, Url
from app.commands.progress import progress_bar
from app.commands.terminal import end_on_sigterm, messages, say
from app.errors import TableError, Unprocessable
from app.genome.variants import parse_variant
from app.genome.vcf.limits import VcfLimits
from app.logs import configure_logging
from app.pictures.variants import draw_variants
from app.scoring import Refused, Scored, score_all
from app.tables import Writer, open_writer
from app.variants.question import Question, VcfPlace, question_of_list, question_of_vcf

SOME_REFUSED = 3
READ_BYTES = 64 * 1024

Listed = Annotated[
    list[str] | None, typer.Argument(metavar="[VARIANT]...", help="Such as chr22:39399925:A>G or 22-39399925-A-G.")
]
Vcf = Annotated[Path | None, typer.Option(help="VCF of variants, text, gzip or bgzip; genotypes are not read.")]
Window = Annotated[
    str | None, typer.Option(help="contig:first-last, 1-based and inclusive.  [default: around each variant]")
]


def variants(
    listed: Listed = None,
    vcf: Vcf = None,
    reference: Reference = None,
    gene: Gene = None,
    genes: Genes = None,
    window: Window = None,
    strand: Strand = None,
    model: Model = None,
    record_filter: RecordFilter = "pass",
    output: Output = None,
    plot: Plot = None,
    models: Models = None,
    url: Url = None,
    device: Device = None,
    quiet: Quiet = False,
) -> None:
    """Predict what each variant does.

    A variant is scored in the window given, in the model's window around the gene, or in one around itself; a running
    service reads its own reference and gene table. A variant that is refused is left out, told on stderr, and makes the
    exit status 3. docs/variants.md has the rules and the columns.

    For example:

        basecast variants chr22:39399925:A>G --reference hg38.fa.gz --model my-model
        basecast variants --vcf sites.vcf.gz --url http://127.0.0.1:8000 --gene SYNGR1 -o effects.csv --plot effects.png
    """
    answering = Answering(url, model, models, device, reference, genes)
    answering.check(needs_reference=True)
    if bool(listed) == (vcf is not None):
        raise typer.BadParameter("give variants, or --vcf")
    if gene is not None and window is not None:
        raise typer.BadParameter("give one of --gene and --window")
    configure_logging("warning")
    end_on_sigterm()
    question = _of_file(vcf, passed_only=record_filter == "pass") if vcf is not None else _of_list(listed or [])
    asked = {"gene": gene, "window": window, "strand": strand}
    request = {name: value for name, value in asked.items() if value is not None}
    console = messages()
    with (
        open_client(answering) as client,
        open_writer(output, variants_columns(client.targets)) as writer,
        progress_bar(console, client.model, output, quiet=quiet) as report,
    ):
        scored = _write(client, question, request, writer, console, report)
        if plot is not None:
            draw_variants(client.model, _targets(scored), scored.effects, plot)
        if not quiet:
            _summarise(client, question, scored, console)
    if scored.refused:
        raise typer.Exit(SOME_REFUSED)


def _of_list(listed: Sequence[str]) -> Question:
    try:
        return question_of_list([parse_variant(text) for text in listed])
    except Unprocessable as error:
        raise typer.BadParameter(error.detail) from None


def _of_file(path: Path, *, passed_only: bool) -> Question:
    limits = VcfLimits()
    try:
        return question_of_vcf(_chunks(path), limits, passed_only=passed_only, most=limits.max_vcf_records)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(READ_BYTES), b"")


def _write(
    client: Client, question: Question, request: dict[str, Any], writer: Writer, console: Console, report: Progress
) -> Scored:
    """Score and write everything; what became of it all."""
    patience = Patience(lambda message: say(console, message, "yellow"))
    everything = Scored()
    for scored in score_all(client, question.variants, request, patience):
        writer.write(list(variants_rows(scored.effects, client.targets)))
        for refused in scored.refused:
            _tell(refused, console)
        everything += scored
        report(everything.variants, len(question.variants))
    return everything


def _tell(refused: Refused, console: Console) -> None:
    place = refused.asked.place
    where = f"line {place.line}: " if isinstance(place, VcfPlace) else ""
    say(console, f"refused: {where}{refused.asked.variant}: {refused.code}: {refused.detail}", "red")


def _targets(scored: Scored) -> Sequence[dict[str, str]]:
    if not scored.model:
        raise TableError("no variant was scored, so there is nothing to draw")
    targets: list[dict[str, str]] = scored.model["targets"]
    return targets


def _summarise(client: Client, question: Question, scored: Scored, console: Console) -> None:
    unscored = len(question.skipped) + scored.skipped
    counts = f"{len(scored.effects)} scored, {len(scored.refused)} refused, {unscored} skipped"
    say(console, f"{client.model}: {counts}")
