"""`basecast individual`: a VCF and a region or gene in, a table of each person's predictions out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.client import Client
from app.commands.genome_client import Answering, local_settings, open_client
from app.commands.genome_options import Gene, Genes, Reference, Samples, Vcf, split
from app.commands.in_shards import predict_people_in_shards
from app.commands.individual_plot import draw
from app.commands.options import Device, Model, Models, Output, Plot, Quiet, Url
from app.commands.progress import progress_bar
from app.commands.shard_options import EngineOption, KeepParts, ShardPeople, WorkDir, refuse_shards_at, shards_of
from app.commands.terminal import end_on_sigterm, messages, say
from app.errors import Unprocessable
from app.genome.variants import Variant, parse_variant
from app.individual_table import columns, rows
from app.logs import configure_logging
from app.shards.plan import SHARD_PEOPLE
from app.tables import open_writer

Region = Annotated[str | None, typer.Option(help="contig:first-last, 1-based and inclusive.")]
Strand = Annotated[str | None, typer.Option(help="+ or -, of a region.  [default: +]")]
Unphased = Annotated[str | None, typer.Option(help="as_listed, error, iupac or random.  [default: as_listed]")]
Missing = Annotated[str | None, typer.Option(help="reference, n or error.  [default: reference]")]
RecordFilter = Annotated[str | None, typer.Option("--filter", help="pass or any.  [default: pass]")]
AtVariant = Annotated[
    str | None,
    typer.Option("--variant", help="Whose genotypes --plot shows, such as chr22:39399925:A>G.  [default: the lead]"),
]
Tile = Annotated[bool, typer.Option("--tile", help="Read a longer region in windows side by side.")]


def individual(
    vcf: Vcf,
    reference: Reference = None,
    region: Region = None,
    gene: Gene = None,
    genes: Genes = None,
    model: Model = None,
    samples: Samples = None,
    strand: Strand = None,
    unphased: Unphased = None,
    missing: Missing = None,
    record_filter: RecordFilter = None,
    tile: Tile = False,
    output: Output = None,
    plot: Plot = None,
    variant: AtVariant = None,
    models: Models = None,
    url: Url = None,
    device: Device = None,
    engine: EngineOption = None,
    work_dir: WorkDir = None,
    shard_people: ShardPeople = SHARD_PEOPLE,
    keep_parts: KeepParts = False,
    quiet: Quiet = False,
) -> None:
    """Predict for each person of a VCF.

    Each person's haplotypes are built over the region, or over the model's window around the gene; docs/individual.md
    has the rules and the columns. A running service reads its own reference and gene table. --plot shows people by
    their genotype at one variant, which is read from the VCF here.

    For example:

        basecast individual people.vcf.gz --reference hg38.fa.gz --region chr22:39,349,925-39,349,984 --model my-model
        basecast individual people.vcf.gz --url http://127.0.0.1:8000 --gene SYNGR1 --model my-model -o people.csv
    """
    answering = Answering(url, model, models, device, reference, genes)
    answering.check(needs_reference=True)
    refuse_shards_at(url, engine, work_dir)
    if (region is None) == (gene is None):
        raise typer.BadParameter("give one of --region and --gene")
    _refuse_half_a_plot(plot, variant, tile=tile)
    at_variant = None if variant is None else _parsed(variant)
    configure_logging("warning")
    end_on_sigterm()
    console = messages()
    request = _given(
        region=region, gene=gene, samples=split(samples), strand=strand, unphased=unphased,
        missing=missing, filter=record_filter, tile=tile or None,
    )  # fmt: skip
    shards = shards_of(output, engine, work_dir, shard_people, keep=keep_parts)
    if shards is not None:
        if plot is not None:
            raise typer.BadParameter("--plot shows one answer; leave --engine and --work-dir out")
        predict_people_in_shards(vcf, request, shards, local_settings(answering), console, quiet=quiet)
        return
    with open_client(answering) as client, progress_bar(console, client.model, output, quiet=quiet) as report:
        told = client.predict_people(request, vcf, report)
    _write(told, output)
    if plot is not None:
        draw(told, vcf, at_variant, record_filter, plot)
    if not quiet:
        _tell(told, client, console)


def _refuse_half_a_plot(plot: Path | None, variant: str | None, *, tile: bool) -> None:
    if variant is not None and plot is None:
        raise typer.BadParameter("--variant says what --plot shows")
    if tile and plot is not None:
        raise typer.BadParameter("--plot shows one window; leave --tile out")


def _given(**fields: object) -> dict[str, Any]:
    """The request's fields that the options name."""
    return {name: value for name, value in fields.items() if value is not None}


def _parsed(variant: str) -> Variant:
    try:
        return parse_variant(variant, "/variant")
    except Unprocessable as error:
        raise typer.BadParameter(error.detail) from None


def _write(told: dict[str, Any], output: Path | None) -> None:
    with open_writer(output, columns(told)) as writer:
        writer.write(list(rows(told)))


def _tell(told: dict[str, Any], client: Client, console: Console) -> None:
    counts = [window["counts"] for window in told.get("windows", (told,))]
    distinct = f"{sum(each['distinct_haplotypes'] for each in counts)} distinct haplotypes"
    if "distinct_segments" in counts[0]:
        distinct += f", {sum(each['distinct_segments'] for each in counts)} distinct segments"
    say(console, f"{client.model}: {counts[0]['samples']} people, {distinct}")
    say(console, told["caveat"], "yellow")
