"""All folds of one configuration taken together: which are done, and the figures of their pooled predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.bundle import Score
from training.checkpoint import write_atomically
from training.config import Config
from training.errors import DataError, ExportRefused, FitError
from training.evaluate import Evaluation, is_current, load_evaluation, weights_sha256
from training.folds import all_folds, run_folder
from training.predictions import Predictions, load_predictions, pooled, predictions_path
from training.preparation import load_prepared
from training.scoring import scores_of

CROSS_VALIDATION = "crossvalidation.json"


@dataclass(frozen=True)
class CrossValidation:
    """The pooled figures of a configuration's folds: every row is predicted by the models that never saw it.

    Attributes:
        weights_sha256: digest of each fold's weights, fold by fold.
        scores: one per model, target and subset.
    """

    weights_sha256: tuple[str, ...]
    scores: tuple[Score, ...]

    def save(self, path: Path) -> None:
        """Write as JSON."""
        document = {"weights_sha256": self.weights_sha256, "scores": [score.model_dump() for score in self.scores]}
        write_atomically(path, json.dumps(document, indent=2).encode() + b"\n")


def is_done(config: Config, runs: Path, beside: Sequence[Config] = ()) -> bool:
    """Whether this fold was trained and measured, by this configuration and with the weights that are there now.

    Args:
        config: of the fold.
        runs: folder of the runs.
        beside: the same fold of the models that are measured beside it.
    """
    folder = run_folder(config, runs)
    try:
        load_prepared(config, folder)
        evaluation = load_evaluation(folder)
        others = {other.bundle.name: weights_sha256(run_folder(other, runs)) for other in beside}
        measured = is_current(evaluation, config, folder) and evaluation.beside_sha256 == others
    except (DataError, FitError):
        return False
    return measured and predictions_path(folder, "test").is_file()


def pooled_predictions(config: Config, runs: Path) -> Predictions:
    """The test predictions of all folds; of the one run when the configuration has no folds.

    Raises:
        DataError: a fold was not evaluated yet.
    """
    folders = [run_folder(fold, runs) for fold in all_folds(config)]
    return pooled([load_predictions(predictions_path(folder, "test")) for folder in folders])


def combine(config: Config, runs: Path) -> CrossValidation:
    """Score the pooled predictions of all folds.

    Raises:
        DataError: a fold was not evaluated yet.
    """
    evaluations = [load_evaluation(run_folder(fold, runs)) for fold in all_folds(config)]
    scores = scores_of(pooled_predictions(config, runs), split_in_words(config), config.evaluation.seed)
    return CrossValidation(tuple(evaluation.weights_sha256 for evaluation in evaluations), scores)


def split_in_words(config: Config) -> str:
    """How the rows of the pooled figures were held out."""
    return f"{config.split.folds}-fold cross-validation, {config.split.description}"


def crossvalidation_path(config: Config, runs: Path) -> Path:
    """Where the pooled figures lie, beside the folds."""
    return runs / config.bundle.name / CROSS_VALIDATION


def with_pooled_scores(evaluation: Evaluation, config: Config, runs: Path) -> Evaluation:
    """A fold's own figures and, where all folds were measured, the pooled ones after them.

    Raises:
        ExportRefused: the folds were measured with other weights than this fold has now.
    """
    path = crossvalidation_path(config, runs)
    if not config.split.folds or not path.is_file():
        return evaluation
    document: dict[str, Any] = json.loads(path.read_bytes())
    if document["weights_sha256"][config.split.fold] != evaluation.weights_sha256:
        raise ExportRefused(f"{path}: fold {config.split.fold} was trained again since; run crossvalidate once more")
    pooled_scores = tuple(Score.model_validate(score) for score in document["scores"])
    return replace(evaluation, scores=evaluation.scores + pooled_scores)
