"""The steps of `python -m training` for a personal model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table as Grid

from training.checkpoint import RunFolder
from training.errors import ExportRefused
from training.evaluate import load_evaluation, weights_sha256
from training.export import Export
from training.people.fitting import MODEL_FOLDER
from training.personal.config import PersonalConfig, read_personal_config
from training.personal.crossfit import HeldOut
from training.personal.evaluation import Summary, evaluate_personal, held_out, summarise
from training.personal.export import export_personal
from training.personal.fit import FittedHead, Split, fit_head, restored
from training.personal.preparation import PreparedPersonal, load_backbone, load_prepared_personal, prepare_personal
from training.predictions import load_predictions, predictions_path
from training.watching import Watcher


class PersonalSteps:
    """One configuration and where its runs lie.

    Args:
        path: of the configuration.
        runs: folder of the runs.
        console: where progress and figures are shown.
    """

    def __init__(self, path: Path, runs: Path, console: Console) -> None:
        self._config: PersonalConfig = read_personal_config(path)
        self._folder, self._console, self._watcher = runs / self._config.bundle.name, console, Watcher(console)

    def prepare(self, data: Path) -> None:
        """Read people, cut and embed their segments."""
        prepared = prepare_personal(self._config, data, self._folder, self._watcher)
        people, sequences = prepared.people, len(prepared.sequences)
        self._console.print(
            f"{self._config.bundle.name}: {len(people.ids):,} people, {len(people.genes):,} genes, "
            f"{sequences:,} distinct segments"
        )

    def fit(self) -> None:
        """Predict everybody held out, which says how long to learn, and fit to everybody for as long."""
        prepared = self._prepared
        own = held_out(self._config.fit.regime, self._config, prepared, self._folder, self._watcher)
        everybody = np.arange(len(prepared.people.ids))
        split = Split(everybody, everybody[:0], np.arange(len(prepared.people.genes)))
        epochs = max(1, round(float(np.median(own.epochs))))
        fitted = fit_head(self._config, prepared.data, split, self._watcher, epochs)
        save_fit(self._config, prepared, self._folder, fitted, own)

    def evaluate(self) -> None:
        """Score everybody held out."""
        prepared = self._prepared
        own = held_out(self._config.fit.regime, self._config, prepared, self._folder, self._watcher)
        evaluate_personal(self._config, prepared, own, self._folder, self._watcher)
        predictions = load_predictions(predictions_path(self._folder, "test"))
        show_summaries(summarise(predictions, prepared.people.genes), self._console)

    def export(self, models: Path, command: str) -> Export:
        """Write the bundle."""
        evaluation = load_evaluation(self._folder)
        if evaluation.weights_sha256 != weights_sha256(self._folder):
            raise ExportRefused("the head was fitted again after its figures were taken; run evaluate once more")
        prepared = self._prepared
        fitted = load_fit(self._config, prepared, self._folder)
        measured = evaluation, load_predictions(predictions_path(self._folder, "test"))
        backbone = load_backbone(self._config, self._folder)
        return export_personal(self._config, prepared, backbone, fitted, measured, models, command)

    @property
    def _prepared(self) -> PreparedPersonal:
        return load_prepared_personal(self._config, self._folder, self._watcher)


def save_fit(
    config: PersonalConfig, prepared: PreparedPersonal, folder: Path, fitted: FittedHead, own: HeldOut
) -> None:
    """Keep the head, and what its like predicted for held-out people."""
    run = RunFolder(folder / MODEL_FOLDER, {"config": config.decisive(), "data_sha256": prepared.people.sha256()})
    run.save_facts({"epochs": fitted.epochs, "epochs_of_folds": list(own.epochs)})
    run.save_best(fitted.head.state_dict())


def load_fit(config: PersonalConfig, prepared: PreparedPersonal, folder: Path) -> FittedHead:
    """The head that was fitted to everybody.

    Raises:
        FitError: there is none, or of another configuration.
    """
    run = RunFolder(folder / MODEL_FOLDER, {"config": config.decisive(), "data_sha256": prepared.people.sha256()})
    return restored(config, prepared.data, run.load_best())


def show_summaries(summaries: list[Summary], console: Console) -> None:
    """Print a line for each model."""
    grid = Grid("model", "mean r", "median r", "r above 0.1", "best genes", box=SIMPLE)
    for each in summaries:
        best = ", ".join(f"{name} {value:.2f}" for name, value in each.best)
        grid.add_row(each.model, f"{each.mean:.3f}", f"{each.median:.3f}", f"{each.notable:.0%}", best)
    console.print(grid)
