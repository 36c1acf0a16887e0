"""The command line: `basecast`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app import __version__
from app.commands.config import config
from app.commands.haplotypes import haplotypes
from app.commands.individual import individual
from app.commands.keys import keys
from app.commands.models import models
from app.commands.models_tune import tune
from app.commands.mutagenesis import mutagenesis
from app.commands.predict import predict
from app.commands.serve import serve
from app.commands.terminal import messages, say
from app.commands.variants import variants
from app.commands.worker import worker
from app.errors import BasecastError

basecast = typer.Typer(
    name="basecast",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
basecast.command()(serve)
basecast.command()(worker)
basecast.command()(predict)
basecast.command()(individual)
basecast.command()(haplotypes)
basecast.command()(variants)
basecast.command()(mutagenesis)
models.command()(tune)
basecast.add_typer(models, name="models")
basecast.add_typer(keys, name="keys")
basecast.add_typer(config, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"basecast {__version__}")
        raise typer.Exit


@basecast.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Serve genomic language models: DNA or RNA in, gene expression or mRNA decay out.

    Exit status: 0 done, 1 failed, 2 wrong usage, 3 some sequences were refused.
    """


def main() -> None:
    """Run the command line; what goes wrong on purpose is one line on stderr."""
    try:
        basecast(prog_name="basecast")
    except BasecastError as error:
        say(messages(), f"error: {error}", "bold red")
        sys.exit(1)
