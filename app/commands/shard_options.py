"""Options of the commands that can work in shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.in_shards import Engine
from app.commands.options import in_a_folder

EngineOption = Annotated[
    Engine | None,
    typer.Option(help="Work in shards that survive a kill: `local` here, `ray` on a Ray cluster (extra `ray`)."),
]
WorkDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the shards, on storage that every machine reaches.  [default: OUTPUT.parts]",
        callback=in_a_folder,
    ),
]
ShardSequences = Annotated[int, typer.Option(min=1, help="The most sequences of a shard.")]
KeepParts = Annotated[bool, typer.Option("--keep-parts", help="Leave the shards there when all is done.")]


def parts_beside(output: Path | None) -> Path:
    """Where the shards are unless told otherwise.

    Raises:
        BadParameter: there is no output to be beside.
    """
    if output is None:
        raise typer.BadParameter("--engine needs a place for its shards: name the --output, or a --work-dir")
    return output.with_name(f"{output.name}.parts")
