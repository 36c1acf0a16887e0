"""What is reported: for each task, the rows that all of its models predicted, and what they predicted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.config import Config
from training.datasets.table import Quantity
from training.errors import FitError, ReportError
from training.evaluate import KMER_RIDGE, THIS_BUNDLE, is_current, load_evaluation
from training.folds import all_folds, run_folder
from training.predictions import Answer, Predictions, load_predictions, pooled, predictions_path
from training.preparation import load_prepared


@dataclass(frozen=True)
class Run:
    """One configuration and the folders of its measured folds.

    Attributes:
        predictions: of all measured folds, its own model under the bundle's name.
    """

    config: Config
    folders: tuple[Path, ...]
    predictions: Predictions

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.config.bundle.name

    @property
    def is_baseline(self) -> bool:
        """Whether it stands here to be beaten."""
        return getattr(self.config, "baseline", None) is not None


@dataclass(frozen=True)
class Task:
    """One data set, split in one way.

    Attributes:
        slug: name of its page.
        runs: the configurations that were given.
        predictions: of every model, for the rows that all of them predicted.
        left_out: rows that only some models predicted.
        quantities: what the targets are.
    """

    slug: str
    title: str
    runs: tuple[Run, ...]
    predictions: Predictions
    left_out: int
    quantities: tuple[Quantity, ...]

    @property
    def config(self) -> Config:
        """Of the first run; data set and split are those of all."""
        return self.runs[0].config

    @property
    def baselines(self) -> list[str]:
        """Models that stand here to be beaten."""
        named = {KMER_RIDGE, *(run.name for run in self.runs if run.is_baseline)}
        return [model for model in self.predictions.models if model in named]

    @property
    def folds(self) -> int:
        """Measured folds; 1 without folds."""
        return len(np.unique(self.predictions.folds))

    def quantity(self, target: str) -> Quantity:
        """What a target is."""
        return next(quantity for quantity in self.quantities if quantity.name == target)


def read_tasks(configs: Sequence[Config], runs: Path) -> list[Task]:
    """Read the runs of these configurations and put those of one data set and split together.

    Raises:
        DataError: a configuration was not evaluated yet.
        ReportError: two runs share no row, or disagree about what was measured.
    """
    tasks: dict[tuple[object, ...], list[Run]] = {}
    for config in configs:
        run = read_run(config, runs)
        split = replace(config.split, fold=0, seed=0)
        data = config.data
        source = (data.source, data.folder, data.table.file, data.levels.levels_file, data.genome.fasta)
        tasks.setdefault((source, split, run.predictions.targets), []).append(run)
    slugs = _distinct([_slug(group[0].config) for group in tasks.values()])
    return [_task(slug, group) for slug, group in zip(slugs, tasks.values(), strict=True)]


def read_run(config: Config, runs: Path) -> Run:
    """Read what one configuration predicted, in all folds that were measured.

    Raises:
        DataError: it was not evaluated yet.
        ReportError: its configuration or weights changed since.
    """
    folds = {run_folder(fold, runs): fold for fold in all_folds(config)}
    measured = [folder for folder in folds if predictions_path(folder, "test").is_file()] or [*folds][:1]
    predictions = pooled([load_predictions(predictions_path(folder, "test")) for folder in measured])
    for folder in measured:
        _refuse_stale(folds[folder], folder)
    own = [
        replace(answer, model=config.bundle.name if answer.model == THIS_BUNDLE else answer.model)
        for answer in predictions.answers
    ]
    return Run(config, tuple(measured), replace(predictions, answers=tuple(own)))


def _refuse_stale(config: Config, folder: Path) -> None:
    """Predictions say nothing of the model that made them: the figures beside them do."""
    try:
        current = is_current(load_evaluation(folder), config, folder)
    except FitError as error:
        raise ReportError(str(error)) from None
    if not current:
        raise ReportError(
            f"{predictions_path(folder, 'test')}: {config.bundle.name} was configured or trained otherwise since; "
            "run evaluate once more"
        )


def _task(slug: str, runs: Sequence[Run]) -> Task:
    config = runs[0].config
    shared = set.intersection(*(set(run.predictions.ids) for run in runs))
    if not shared:
        raise ReportError(f"{', '.join(run.name for run in runs)}: their test rows have no row in common")
    aligned = [_aligned(run.predictions, shared) for run in runs]
    for run, predictions in zip(runs, aligned, strict=True):
        if not np.array_equal(predictions.measured, aligned[0].measured, equal_nan=True):
            raise ReportError(f"{run.name} and {runs[0].name} were measured against other values for the same rows")
    every = set().union(*(run.predictions.ids for run in runs))
    return Task(
        slug=slug,
        title=f"{config.bundle.task.capitalize()}: {config.data.folder}, {config.split.description}",
        runs=tuple(runs),
        predictions=replace(aligned[0], answers=_answers(runs, aligned)),
        left_out=len(every) - len(shared),
        quantities=load_prepared(config, runs[0].folders[0]).table.quantities,
    )


def _aligned(predictions: Predictions, shared: set[str]) -> Predictions:
    """The shared rows, in the order of their ids."""
    order = sorted((name, row) for row, name in enumerate(predictions.ids) if name in shared)
    return predictions.rows(np.array([row for _, row in order]))


def _answers(runs: Sequence[Run], aligned: Iterable[Predictions]) -> tuple[Answer, ...]:
    """Every model once: as its own run measured it, and else as the first run that has it beside its own model."""
    found: dict[str, list[Answer]] = {}
    parts = [(run.name, predictions) for run, predictions in zip(runs, aligned, strict=True)]
    for own in (True, False):
        for name, predictions in parts:
            for model in predictions.models:
                if (model == name) is own and model not in found:
                    found[model] = [answer for answer in predictions.answers if answer.model == model]
    return tuple(answer for answers in found.values() for answer in answers)


def _slug(config: Config) -> str:
    by = f"{config.split.folds}-folds" if config.split.folds else config.split.by
    return re.sub(r"[^a-z0-9]+", "-", f"{config.data.folder}-{by}".lower()).strip("-")


def _distinct(slugs: Sequence[str]) -> list[str]:
    """The same names, the second of a kind with -2 and so on."""
    return [
        slug if (before := slugs[:place].count(slug)) == 0 else f"{slug}-{before + 1}"
        for place, slug in enumerate(slugs)
    ]
