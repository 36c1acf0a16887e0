"""Measuring a trained model beside its baselines: same rows, same resamples, one run.

The test rows are scored here and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table as Grid

from app.bundle import Estimate, Score
from training.baselines.kmer_ridge import fit_kmer_ridge
from training.checkpoint import BEST, write_atomically
from training.config import Config
from training.datasets.table import Floats, Split, Table
from training.errors import DataError
from training.feeder import predict
from training.metrics import bootstrap
from training.pipeline import MODEL_FOLDER, Pipeline

THIS_BUNDLE = "this bundle"
KMER_RIDGE = "k-mer ridge"
ALL_ROWS = "all"
SHOWN = ("pearson", "spearman", "mse", "mae")


@dataclass(frozen=True)
class Evaluation:
    """The scores of one run.

    Attributes:
        weights_sha256: digest of the weights that were measured.
        split: which rows.
        scores: one per model, target and subset.
    """

    weights_sha256: str
    split: Split
    scores: tuple[Score, ...]

    def save(self, path: Path) -> None:
        """Write as JSON."""
        document = {
            "weights_sha256": self.weights_sha256,
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
    return Evaluation(document["weights_sha256"], document["split"], scores)


def weights_sha256(pipeline: Pipeline) -> str:
    """Digest of the published model's weights file."""
    return hashlib.sha256((pipeline.folder / MODEL_FOLDER / BEST).read_bytes()).hexdigest()


def evaluate(pipeline: Pipeline, beside: Mapping[str, Pipeline], split: Split = "test") -> Evaluation:
    """Score the published model, the models beside it and the baseline.

    Args:
        pipeline: of the published model, trained.
        beside: name to the pipeline of another trained model.
        split: `valid` while a recipe is being developed; `test` once, at the end.

    Raises:
        DataError: a model beside was trained on another table.
    """
    if any(other.data_sha256 != pipeline.data_sha256 for other in beside.values()):
        raise DataError("evaluation.beside: a model was trained on another table, so its figures would not compare")
    rows = pipeline.prepared.table.split(split)
    predictions = {THIS_BUNDLE: _predicted(pipeline, rows)}
    predictions |= {name: _predicted(other, rows) for name, other in beside.items()}
    scores = [
        score for name, values in predictions.items() for score in _scores(name, values, rows, split, pipeline.config)
    ]
    if pipeline.config.evaluation.kmer_ridge:
        scores += _ridge_scores(pipeline.prepared.table, rows, split, pipeline.config)
    return Evaluation(weights_sha256(pipeline), split, tuple(scores))


def show(evaluation: Evaluation, console: Console) -> None:
    """Print a table for each target and subset, the models side by side; R2 with its bootstrap 95 % interval."""
    seen = dict.fromkeys((score.target, score.subset, score.rows) for score in evaluation.scores)
    for target, subset, rows in sorted(seen):
        grid = Grid(title=f"{target}, {evaluation.split} rows: {subset} ({rows:,})", title_justify="left")
        for heading in ("model", "r2 (95 %)", *SHOWN):
            grid.add_column(heading, no_wrap=True)
        for score in evaluation.scores:
            if (score.target, score.subset) == (target, subset):
                grid.add_row(score.model, _as_text(score.metrics["r2"]), *_figures(score))
        console.print(grid)


def _figures(score: Score) -> list[str]:
    return [f"{score.metrics[name].value:.3f}" for name in SHOWN]


def _as_text(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _predicted(pipeline: Pipeline, rows: Table) -> Floats:
    return predict(pipeline.load(), pipeline.feeder, rows.sequences)


def _ridge_scores(table: Table, rows: Table, split: Split, config: Config) -> Iterator[Score]:
    """The ridge at its best: it cannot weigh rows, so it is fitted anew on the training rows of each subset."""
    for subset, _ in _subsets(rows, config):
        train, valid = (_of_subset(table.split(name), subset, config) for name in ("train", "valid"))
        ridge = fit_kmer_ridge(train.sequences, train.targets.values, valid.sequences, valid.targets.values)
        scores = _scores(KMER_RIDGE, ridge.predict(rows.sequences), rows, split, config)
        yield from (score for score in scores if score.subset == subset)


def _of_subset(rows: Table, subset: str, config: Config) -> Table:
    return rows.rows(dict(_subsets(rows, config)).get(subset, np.ones(len(rows), dtype=np.bool_)))


def _scores(model: str, predicted: Floats, rows: Table, split: Split, config: Config) -> Iterator[Score]:
    for column, target in enumerate(rows.targets.names):
        measured = rows.targets.values[:, column].astype(np.float64)
        for subset, chosen in _subsets(rows, config):
            kept = chosen & ~np.isnan(measured)
            values = predicted[kept, column].astype(np.float64)
            estimates = bootstrap(measured[kept], values, config.evaluation.seed)
            yield Score(
                model=model,
                target=target,
                split=f"{split}, {config.split.description}",
                subset=subset,
                rows=int(kept.sum()),
                metrics={name: Estimate(value=v, low=low, high=high) for name, (v, low, high) in estimates.items()},
            )


def _subsets(rows: Table, config: Config) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """All rows, and those that were counted well enough to be measured against; the second only where it differs."""
    yield ALL_ROWS, np.ones(len(rows), dtype=np.bool_)
    well_covered = np.nan_to_num(rows.coverage) >= config.data.well_covered_umis
    if 0 < well_covered.sum() < len(rows):
        yield f">= {config.data.well_covered_umis:g} UMIs at 1 h and 2 h", well_covered
