"""Options of the commands that read people's genomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Vcf = Annotated[
    Path, typer.Argument(metavar="VCF", help="Text, gzip or bgzip; one with a .tbi or .csi is read by region.")
]
Reference = Annotated[Path | None, typer.Option(help="FASTA of the genome, plain or bgzip.")]
Gene = Annotated[str | None, typer.Option(help="Name or id in the gene table, for a model with a window.")]
Genes = Annotated[Path | None, typer.Option(help="GTF or BED with the gene.")]
Strand = Annotated[str | None, typer.Option(help="+ or -, of a window that is given.  [default: +]")]
RecordFilter = Annotated[
    Literal["pass", "any"], typer.Option("--filter", help="Records that passed their filters, or any.")
]
Samples = Annotated[str | None, typer.Option(help="Names with commas between them.  [default: everybody]")]


def split(names: str | None) -> list[str] | None:
    """The names of `--samples`."""
    return None if names is None else [name for name in names.split(",") if name]
