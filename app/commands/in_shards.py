"""What `--engine` does with the sequences of a file, and with the people of a VCF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from app.api.individual_replies import CAVEAT
from app.commands.shard_run import Shards, run_shards, sequence_bundle
from app.commands.terminal import say
from app.individual_table import columns_of as columns_of_people
from app.settings import Settings
from app.shards.cohort import plan_people, question_digest, sample_names
from app.shards.folder import WorkFolder
from app.shards.people import PeopleWork
from app.shards.plan import Plan
from app.shards.run import model_of, plan_sequences
from app.shards.scan import is_seekable
from app.shards.sequences import SequenceWork
from app.tables import prediction_columns


def predict_in_shards(source: str, shards: Shards, settings: Settings, console: Console, *, quiet: bool) -> int:
    """Predict for the sequences of a file.

    Args:
        settings: with the one bundle that predicts.

    Returns:
        How many were refused.

    Raises:
        BasecastError: the run cannot begin or go on.
    """
    bundle = sequence_bundle(settings)
    options = shards.options(settings.device)

    def work_of(folder: WorkFolder, plan: Plan) -> SequenceWork:
        return SequenceWork(
            text=(Path(source) if is_seekable(source) else folder.input).resolve(),
            input=plan.input,
            bundle=settings.models.resolve(),
            model_sha256=bundle.sha256,
            folder=folder.path.resolve(),
            ending=shards.ending,
            device=settings.device,
            allow_cpu=settings.cpu_allowed,
        )

    return run_shards(
        shards,
        lambda folder: plan_sequences(folder, source, model_of(bundle), options),
        work_of,
        prediction_columns(bundle.manifest.target_names),
        settings.compute_threads,
        console,
        noun="sequences",
        quiet=quiet,
    )


def predict_people_in_shards(
    vcf: Path, request: Mapping[str, Any], shards: Shards, settings: Settings, console: Console, *, quiet: bool
) -> None:
    """Predict for the people of a VCF.

    Args:
        request: as `Client.predict_people` takes it.
        settings: with reference, genes and the one bundle that predicts.

    Raises:
        BasecastError: the run cannot begin or go on.
    """
    bundle = sequence_bundle(settings)
    people = tuple(request.get("samples") or sample_names(vcf, settings))
    asked = {name: value for name, value in request.items() if name != "samples"}
    options = shards.options(settings.device, question_digest(people, asked, settings))

    def work_of(folder: WorkFolder, _plan: Plan) -> PeopleWork:
        paths = {"models": settings.models, "reference": settings.reference, "genes": settings.genes}
        absolute = {name: path and path.resolve() for name, path in paths.items()}
        return PeopleWork(
            vcf=vcf.resolve(),
            people=people,
            request=asked,
            settings=settings.model_copy(update=absolute),
            model_sha256=bundle.sha256,
            folder=folder.path.resolve(),
            ending=shards.ending,
        )

    run_shards(
        shards,
        lambda _: plan_people(vcf, len(people), model_of(bundle), options),
        work_of,
        columns_of_people(bundle.manifest.target_names),
        settings.compute_threads,
        console,
        noun="people",
        quiet=quiet,
    )
    if not quiet:
        say(console, CAVEAT, "yellow")
