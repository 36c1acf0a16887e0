"""Options of the commands that read people's genomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Vcf = Annotated[
    Path, typer.Argument(metavar="VCF", help="Text, gzip or bgzip; one with a .tbi or .csi is read by region.")
]
Samples = Annotated[str | None, typer.Option(help="Names with commas between them.  [default: everybody]")]


def split(names: str | None) -> list[str] | None:
    """The names of `--samples`."""
    return None if names is None else [name for name in names.split(",") if name]
