"""The evaluate step: everybody predicted by models that never saw them, beside the same with shuffled genotypes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.baselines.elastic_net import predict_held_out
from training.checkpoint import write_atomically
from training.datasets.people import People
from training.datasets.table import Floats
from training.evaluate import THIS_BUNDLE, Evaluation, evaluation_path, sha256_of, weights_sha256
from training.metrics import pearson, r2
from training.people.config import PeopleConfig
from training.people.fitting import gene_data
from training.people.preparation import PreparedPeople
from training.predictions import ALL_ROWS, Answer, Predictions, predictions_path
from training.scoring import scores_of
from training.watching import Watcher

SHUFFLED = "shuffled genotypes"
GENES = "genes.tsv"

Advance = Callable[[], object]


def evaluate_people(config: PeopleConfig, prepared: PreparedPeople, folder: Path, watcher: Watcher) -> Evaluation:
    """Predict and score everybody held out; keep what was predicted for each person, gene by gene.

    Args:
        config: how to fit.
        prepared: people and folds.
        folder: of this bundle's runs, where the model was fitted.
        watcher: is told how far it is.

    Raises:
        FitError: no model was fitted yet.
    """
    weights = weights_sha256(folder)
    predictions = predict_people(config, prepared, watcher)
    predictions.save(predictions_path(folder, "test"))
    write_atomically(folder / GENES, genes_table(prepared.people, predictions))
    scores = scores_of(predictions, config.split_in_words, config.seed)
    evaluation = Evaluation(weights, "test", scores, sha256_of(config.decisive()))
    evaluation.save(evaluation_path(folder, "test"))
    return evaluation


def predict_people(config: PeopleConfig, prepared: PreparedPeople, watcher: Watcher) -> Predictions:
    """What is predicted for each person by models that never saw them, with their own genotypes and with others'."""
    people, folds = prepared.people, prepared.folds
    own = np.arange(len(people.ids))
    others = np.random.default_rng(config.seed).permutation(len(people.ids))
    with watcher.watching("held-out people", 2 * len(people.genes)) as advance:
        answers = [
            Answer(name, "", _held_out(config, prepared, whose, lambda: advance(1, {})))
            for name, whose in ((THIS_BUNDLE, own), (SHUFFLED, others))
        ]
    return Predictions(
        ids=people.ids,
        targets=tuple(gene.id for gene in people.genes),
        measured=people.expression,
        coverage=np.full(len(people.ids), np.nan, dtype=np.float32),
        groups=own.astype(np.int64),
        folds=folds,
        subsets={ALL_ROWS: np.ones(len(people.ids), dtype=np.bool_)},
        answers=tuple(answers),
    )


def correlations(predictions: Predictions, model: str) -> npt.NDArray[np.float64]:
    """(genes,) Pearson correlation across all people."""
    measured, predicted = predictions.measured.T, predictions.of(model, ALL_ROWS).T
    return pearson(measured.astype(np.float64), predicted.astype(np.float64))


def genes_table(people: People, predictions: Predictions) -> bytes:
    """A line for each gene, the best first: its figures, and the correlation that shuffled genotypes give."""
    measured = predictions.measured.T.astype(np.float64)
    explained = r2(measured, predictions.of(THIS_BUNDLE, ALL_ROWS).T.astype(np.float64))
    found, control = correlations(predictions, THIS_BUNDLE), correlations(predictions, SHUFFLED)
    lines = ["gene\tsymbol\tpearson\tr2\tpearson_shuffled\n"]
    for row in np.argsort(-found, kind="stable"):
        gene, figures = people.genes[row], (found[row], explained[row], control[row])
        lines.append("\t".join((gene.id, gene.symbol, *(f"{figure:.4f}" for figure in figures))) + "\n")
    return "".join(lines).encode()


def _held_out(config: PeopleConfig, prepared: PreparedPeople, whose: npt.NDArray[np.int64], advance: Advance) -> Floats:
    """(people, genes), each person with the genotypes of `whose`."""
    columns = []
    for column in range(len(prepared.people.genes)):
        gene = gene_data(prepared.people, column, config.elastic_net)
        predicted = predict_held_out(gene.dosages[whose], gene.values, prepared.folds, config.elastic_net)
        columns.append(predicted)
        advance()
    return np.stack(columns, axis=1).astype(np.float32)
