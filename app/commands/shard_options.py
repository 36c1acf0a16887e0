"""Options of the commands that can work in shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import in_a_folder
from app.commands.shard_run import Engine, Shards

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
ShardPeople = Annotated[int, typer.Option(min=1, help="The most people of a shard.")]
KeepParts = Annotated[bool, typer.Option("--keep-parts", help="Leave the shards there when all is done.")]


def shards_of(
    output: Path | None, engine: Engine | None, work_dir: Path | None, size: int, *, keep: bool
) -> Shards | None:
    """What the options say of shards; None if nothing is to be done in any.

    Raises:
        BadParameter: there is no place for them.
    """
    if engine is None and work_dir is None:
        return None
    if work_dir is None:
        if output is None:
            raise typer.BadParameter("--engine needs a place for its shards: name the --output, or a --work-dir")
        work_dir = output.with_name(f"{output.name}.parts")
    return Shards(output, engine or Engine.LOCAL, work_dir, size, keep)


def refuse_shards_at(url: str | None, engine: Engine | None, work_dir: Path | None) -> None:
    """Refuse shards where a service answers.

    Raises:
        BadParameter: both are asked for.
    """
    if url is not None and (engine is not None or work_dir is not None):
        raise typer.BadParameter("--engine and --work-dir are for predicting here; leave them out with --url")
