"""Measuring a trained model beside its baselines: same rows, same resamples, one run.

The test rows are scored here and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.bundle import Score
from training.baselines.kmer_ridge import fit_kmer_ridge
from training.checkpoint import BEST, write_atomically
from training.config import Config
from training.datasets.table import Floats, Split, Table
from training.errors import DataError, FitError
from training.feeder import predict
from training.pipeline import MODEL_FOLDER, Pipeline
from training.predictions import ALL_ROWS, Answer, Predictions
from training.scoring import scores_of

CPU = torch.device("cpu")
THIS_BUNDLE = "this bundle"
KMER_RIDGE = "k-mer ridge"


@dataclass(frozen=True)
class Evaluation:
    """The scores of one run.

    Attributes:
        weights_sha256: digest of the weights that were measured.
        split: which rows.
        scores: one per model, target and subset.
        config_sha256: digest of the configuration that was measured.
        beside_sha256: name to digest of the weights that were measured beside them.
    """

    weights_sha256: str
    split: Split
    scores: tuple[Score, ...]
    config_sha256: str = ""
    beside_sha256: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        document = {
            "weights_sha256": self.weights_sha256,
            "config_sha256": self.config_sha256,
            "beside_sha256": dict(self.beside_sha256),
            "split": self.split,
            "scores": [score.model_dump() for score in self.scores],
        }
        write_atomically(path, json.dumps(document, indent=2).encode() + b"\n")


def evaluation_path(folder: Path, split: Split) -> Path:
    """Where the scores on a split lie, in a bundle's run folder."""
    return folder / ("evaluation.json" if split == "test" else f"evaluation-{split}.json")


def load_evaluation(folder: Path) -> Evaluation:
    """Read the scores on the test rows.

    Raises:
        DataError: there are none yet.
    """
    path = evaluation_path(folder, "test")
    if not path.is_file():
        raise DataError(f"{path} is missing: run `python -m training evaluate` first")
    document: dict[str, Any] = json.loads(path.read_bytes())
    scores = tuple(Score.model_validate(score) for score in document["scores"])
    return Evaluation(
        weights_sha256=document["weights_sha256"],
        split=document["split"],
        scores=scores,
        config_sha256=document["config_sha256"],
        beside_sha256=document.get("beside_sha256", {}),
    )


def weights_sha256(folder: Path) -> str:
    """Digest of the published model's weights file.

    Args:
        folder: of this bundle's runs.

    Raises:
        FitError: it has none yet.
    """
    path = folder / MODEL_FOLDER / BEST
    if not path.is_file():
        raise FitError(f"{path.parent}: no trained weights here; run `python -m training fit` first")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def config_sha256(config: Config) -> str:
    """Digest of what decides a configuration's figures: all of it but the words of manifest and model card."""
    decisive = {name: value for name, value in config.as_dict().items() if name != "bundle"}
    return sha256_of(decisive)


def sha256_of(decisive: Mapping[str, Any]) -> str:
    """Digest of what decides a run's figures, of JSON types."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def is_current(evaluation: Evaluation, config: Config, folder: Path) -> bool:
    """Whether figures are those of a configuration as it is now, and of the weights that are there now.

    Args:
        evaluation: the figures.
        config: whose run it is.
        folder: of its runs.

    Raises:
        FitError: there are no weights.
    """
    measured = (evaluation.config_sha256, evaluation.weights_sha256)
    return measured == (config_sha256(config), weights_sha256(folder))


def evaluate(pipeline: Pipeline, beside: Mapping[str, Pipeline], split: Split = "test") -> Evaluation:
    """Score the published model, the models beside it and the baseline; see `predict_split` and `score`."""
    return score(pipeline, predict_split(pipeline, beside, split), split, beside)


def score(
    pipeline: Pipeline, predictions: Predictions, split: Split = "test", beside: Mapping[str, Pipeline] | None = None
) -> Evaluation:
    """Score what the published model and the others predicted.

    Args:
        pipeline: of the published model.
        predictions: of this split, by these weights.
        split: which rows.
        beside: name to the pipeline of each model that predicted beside it.
    """
    config = pipeline.config
    scores = scores_of(predictions, f"{split}, {config.split.description}", config.evaluation.seed)
    others = {name: weights_sha256(other.folder) for name, other in (beside or {}).items()}
    return Evaluation(weights_sha256(pipeline.folder), split, scores, config_sha256(config), others)


def predict_split(
    pipeline: Pipeline, beside: Mapping[str, Pipeline], split: Split = "test", device: torch.device = CPU
) -> Predictions:
    """Predict the rows of a split with the published model, the models beside it and the baseline.

    Args:
        pipeline: of the published model, trained.
        beside: name to the pipeline of another trained model.
        split: `valid` while a recipe is being developed; `test` once, at the end.
        device: where networks predict.

    Raises:
        DataError: a model beside was trained on another table.
    """
    if any(other.data_sha256 != pipeline.data_sha256 for other in beside.values()):
        raise DataError("evaluation.beside: a model was trained on another table, so its figures would not compare")
    rows, config = pipeline.prepared.table.split(split), pipeline.config
    answers = [Answer(THIS_BUNDLE, "", _predicted(pipeline, rows, device))]
    answers += [Answer(name, "", _predicted(other, rows, device)) for name, other in beside.items()]
    if config.evaluation.kmer_ridge:
        answers += _ridge_answers(pipeline.prepared.table, rows, config)
    return predictions_of(rows, config, answers)


def predictions_of(rows: Table, config: Config, answers: Sequence[Answer]) -> Predictions:
    """What models answered for the rows of a split, beside what was measured for them."""
    return Predictions(
        ids=rows.ids,
        targets=rows.targets.names,
        measured=rows.targets.values,
        coverage=rows.coverage,
        groups=rows.groups,
        folds=np.full(len(rows), config.split.fold, dtype=np.int64),
        subsets=dict(_subsets(rows, config)),
        answers=tuple(answers),
    )


def _predicted(pipeline: Pipeline, rows: Table, device: torch.device) -> Floats:
    # A baseline's sums are in float64, which is quick on a CPU only.
    where = device if pipeline.config.baseline is None else CPU
    return predict(pipeline.load().to(where), pipeline.feeder, rows.sequences)


def _ridge_answers(table: Table, rows: Table, config: Config) -> Iterator[Answer]:
    """The ridge at its best: it cannot weigh rows, so it is fitted anew on the training rows of each subset."""
    for subset, _ in _subsets(rows, config):
        train, valid = (_of_subset(table.split(name), subset, config) for name in ("train", "valid"))
        yield Answer(KMER_RIDGE, subset, _ridge_prediction(train, valid, rows.sequences))


def _ridge_prediction(train: Table, valid: Table, sequences: Sequence[str]) -> Floats:
    """(sequences, targets): all targets at once where every row has them all, else each from the rows that have it."""
    targets = range(len(train.targets.names))
    whole = not np.isnan(np.vstack([train.targets.values, valid.targets.values])).any()
    predicted = np.empty((len(sequences), len(targets)), dtype=np.float32)
    for columns in [list(targets)] if whole else [[column] for column in targets]:
        (texts, values), (valid_texts, valid_values) = (_measured(part, columns) for part in (train, valid))
        ridge = fit_kmer_ridge(texts, values, valid_texts, valid_values)
        predicted[:, columns] = ridge.predict(sequences)
    return predicted


def _measured(rows: Table, columns: list[int]) -> tuple[list[str], Floats]:
    """The sequences of the rows with all of these targets, and their values.

    Raises:
        DataError: there are none.
    """
    values = rows.targets.values[:, columns]
    kept = np.flatnonzero(~np.isnan(values).any(axis=1))
    if not len(kept):
        name = rows.targets.names[columns[0]]
        raise DataError(f"evaluation.kmer_ridge: no {rows.splits[0]} row has a value of {name}; set it to false")
    return [rows.sequences[row] for row in kept], values[kept]


def _of_subset(rows: Table, subset: str, config: Config) -> Table:
    return rows.rows(dict(_subsets(rows, config)).get(subset, np.ones(len(rows), dtype=np.bool_)))


def _subsets(rows: Table, config: Config) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """All rows, and those that were counted well enough to be measured against; the second only where it differs."""
    yield ALL_ROWS, np.ones(len(rows), dtype=np.bool_)
    well_covered = np.nan_to_num(rows.coverage) >= config.data.well_covered_umis
    if 0 < well_covered.sum() < len(rows):
        yield f">= {config.data.well_covered_umis:g} UMIs at 1 h and 2 h", well_covered
