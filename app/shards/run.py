"""A run over shards from its plan to its table; what is done stays done, however often it is begun again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from app.bundle import Bundle
from app.errors import ShardError
from app.shards.folder import Tally, WorkFolder, explained_writing, placed
from app.shards.plan import Model, Options, Plan, Shard
from app.shards.scan import is_seekable, scan


@dataclass(frozen=True)
class Run:
    """What is to be done, and what of it is.

    Attributes:
        done, pending: the shards that were whole when it was begun, and the others.
    """

    plan: Plan
    folder: WorkFolder
    done: tuple[Shard, ...]
    pending: tuple[Shard, ...]

    def tallies(self) -> Iterator[Tally]:
        """What became of each shard, in order, once all are whole.

        Raises:
            ShardError: a part is damaged.
        """
        return map(self.folder.tally, self.plan.shards)


def begin(folder: WorkFolder, plan: Plan) -> Run:
    """Begin a run, or go on with the one that was begun in the folder.

    Raises:
        ShardError: what was begun there is another run.
    """
    begun = folder.plan()
    if begun is None:
        folder.save_plan(plan)
    elif differences := plan.differences(begun):
        raise ShardError(
            f"{folder.path} holds the parts of {' and '.join(differences)}; "
            "delete it to begin anew, or name another with --work-dir"
        )
    whole = folder.done(plan)
    done = tuple(shard for shard in plan.shards if shard.part in whole)
    return Run(plan, folder, done, tuple(shard for shard in plan.shards if shard.part not in whole))


def plan_sequences(folder: WorkFolder, source: str, model: Model, options: Options) -> Plan:
    """A plan for the sequences of an input, which is copied if it cannot be read from any place in it.

    Args:
        source: a path, or `-` for standard input.

    Raises:
        TableError: the input cannot be read.
        ShardError: the copy cannot be written.
    """
    with explained_writing(folder.path), nullcontext() if is_seekable(source) else placed(folder.input) as copy:
        scanned = scan(source, options.shard_records, copy)
    return Plan(input=scanned.input, model=model, options=options, shards=scanned.shards)


def model_of(bundle: Bundle) -> Model:
    """A bundle, as a plan tells it."""
    return Model(name=bundle.manifest.versioned_name, sha256=bundle.sha256)
