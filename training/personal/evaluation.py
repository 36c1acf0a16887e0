"""The evaluate step: people and genes held out, shuffled genotypes, and the elastic net beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.bundle import Score
from training.baselines.elastic_net import ElasticNetConfig, predict_held_out
from training.checkpoint import write_atomically
from training.datasets.files import read_cells
from training.datasets.people import Gene, People
from training.datasets.table import Floats
from training.errors import DataError
from training.evaluate import THIS_BUNDLE, Evaluation, evaluation_path, sha256_of, weights_sha256
from training.metrics import pearson
from training.people.evaluation import SHUFFLED
from training.people.fitting import gene_data
from training.personal.config import REGIMES, PersonalConfig
from training.personal.crossfit import HeldOut, hold_out_genes, hold_out_levels, hold_out_people, kept
from training.personal.preparation import PreparedPersonal
from training.predictions import ALL_ROWS, Answer, Predictions, predictions_path
from training.scoring import scores_of
from training.watching import Watcher

ELASTIC_NET = "elastic net"
UNSEEN_GENES = "genes held out"
TARGET = "expression"
GENES, LEVELS = "genes.tsv", "levels.tsv"
HELD_OUT = "held-out"
NOTABLE = 0.1
BEST = 5
SCORED = (THIS_BUNDLE, ELASTIC_NET, SHUFFLED)
"""Models whose values are in the target's unit, for the manifest."""


def evaluate_personal(
    config: PersonalConfig, prepared: PreparedPersonal, own: HeldOut, folder: Path, watcher: Watcher
) -> Evaluation:
    """Predict and score everybody held out, by every regime and what stands beside; keep all that was predicted.

    Args:
        config: how to fit.
        prepared: people, folds and embeddings.
        own: what the fit step predicted for held-out people in the configuration's own regime.
        folder: of this bundle's runs, where the head was fitted.
        watcher: is told how far it is.

    Raises:
        FitError: no head was fitted yet.
    """
    weights = weights_sha256(folder)
    predictions = predict_personal(config, prepared, own, folder, watcher)
    predictions.save(predictions_path(folder, "test"))
    save_levels(folder, prepared.data.levels.mean(axis=0), hold_out_levels(config, prepared.data))
    write_atomically(folder / GENES, genes_table(prepared.people.genes, predictions))
    evaluation = Evaluation(
        weights, "test", _scores(config, prepared.people, predictions), sha256_of(config.decisive())
    )
    evaluation.save(evaluation_path(folder, "test"))
    return evaluation


def _scores(config: PersonalConfig, people: People, predictions: Predictions) -> tuple[Score, ...]:
    """Those of the manifest, the elastic net's best gene first."""
    shown = replace(predictions, answers=tuple(each for each in predictions.answers if each.model in SCORED))
    order = [people.genes[row].id for row in np.argsort(-correlations(predictions, ELASTIC_NET), kind="stable")]
    scores = scores_of(shown, config.split_in_words, config.seed)
    ordered = sorted(scores, key=lambda score: (SCORED.index(score.model), order.index(score.target)))
    return tuple(by_gene(score, people) for score in ordered)


def predict_personal(
    config: PersonalConfig, prepared: PreparedPersonal, own: HeldOut, folder: Path, watcher: Watcher
) -> Predictions:
    """What every regime and what stands beside predicts for each person, and for genes that were held out."""
    people, folds = prepared.people, prepared.folds
    answers = {THIS_BUNDLE: own.predicted, ELASTIC_NET: _elastic_net(people, folds, config.elastic_net, watcher)}
    for model in (SHUFFLED, *(regime for regime in REGIMES if regime != config.fit.regime), UNSEEN_GENES):
        answers[model] = held_out(model, config, prepared, folder, watcher).predicted
    return Predictions(
        ids=people.ids,
        targets=tuple(gene.id for gene in people.genes),
        measured=people.expression,
        coverage=np.full(len(people.ids), np.nan, dtype=np.float32),
        groups=np.arange(len(people.ids)),
        folds=folds,
        subsets={ALL_ROWS: np.ones(len(people.ids), dtype=np.bool_)},
        answers=tuple(Answer(model, "", values.astype(np.float32)) for model, values in answers.items()),
    )


def held_out(model: str, config: PersonalConfig, prepared: PreparedPersonal, folder: Path, watcher: Watcher) -> HeldOut:
    """What one kind of head predicts for those held out; computed once for a configuration.

    Args:
        model: a regime, `SHUFFLED` or `UNSEEN_GENES`.
        folder: of this bundle's runs.
    """
    data, folds = prepared.data, prepared.folds

    def compute() -> HeldOut:
        if model == SHUFFLED:
            others = np.random.default_rng(config.seed).permutation(len(prepared.people.ids))
            return hold_out_people(config, data.with_genotypes_of(others), folds, watcher)
        if model == UNSEEN_GENES:
            return hold_out_genes(config, data, tuple(gene.id for gene in prepared.people.genes), folds, watcher)
        regime = next(regime for regime in REGIMES if regime == model)
        return hold_out_people(config.in_regime(regime), data, folds, watcher)

    return kept(folder / HELD_OUT / f"{model.replace(' ', '-')}.npz", config, compute)


@dataclass(frozen=True)
class Summary:
    """A model's correlations across held-out people.

    Attributes:
        notable: share of the genes above 0.1.
        best: the best genes, with their correlations.
    """

    model: str
    mean: float
    median: float
    notable: float
    best: tuple[tuple[str, float], ...]


def summarise(predictions: Predictions, genes: Sequence[Gene]) -> list[Summary]:
    """A line for each model."""
    summaries = []
    for model in predictions.models:
        found = correlations(predictions, model)
        best = [(name_of(genes[row]), float(found[row])) for row in np.argsort(-found, kind="stable")[:BEST]]
        notable = float(np.mean(found > NOTABLE))
        summaries.append(Summary(model, float(found.mean()), float(np.median(found)), notable, tuple(best)))
    return summaries


def correlations(predictions: Predictions, model: str) -> npt.NDArray[np.float64]:
    """(genes,) Pearson correlation across all people."""
    measured, predicted = predictions.measured.T, predictions.of(model, ALL_ROWS).T
    return pearson(measured.astype(np.float64), predicted.astype(np.float64))


def save_levels(folder: Path, measured: Floats, predicted: Floats) -> None:
    """Keep each gene's level and what heads that had not learnt it predicted."""
    lines = [f"{one:.4f}\t{other:.4f}" for one, other in zip(measured, predicted, strict=True)]
    write_atomically(folder / LEVELS, ("\n".join(["measured\tpredicted", *lines]) + "\n").encode())


def level_correlation(folder: Path) -> tuple[int, float]:
    """How many genes' levels were predicted, and the correlation across them.

    Raises:
        DataError: the evaluate step has not been run.
    """
    if not (folder / LEVELS).is_file():
        raise DataError(f"{folder / LEVELS} is missing: run `python -m training evaluate` first")
    _, *rows = read_cells(folder / LEVELS)
    values = np.array([[float(cell) for cell in row] for row in rows])
    return len(values), float(pearson(values[:, 0], values[:, 1]))


def name_of(gene: Gene) -> str:
    """Its symbol, or its id where it has none."""
    return gene.symbol or gene.id


def genes_table(genes: Sequence[Gene], predictions: Predictions) -> bytes:
    """A line for each gene, the best first: every model's correlation across held-out people."""
    found = {model: correlations(predictions, model) for model in predictions.models}
    lines = ["\t".join(["gene", "symbol", *found])]
    for row in np.argsort(-found[THIS_BUNDLE], kind="stable"):
        figures = [f"{values[row]:.4f}" for values in found.values()]
        lines.append("\t".join([genes[row].id, genes[row].symbol, *figures]))
    return ("\n".join(lines) + "\n").encode()


def by_gene(score: Score, people: People) -> Score:
    """A gene's score as the manifest has it: one target, and the gene as the subset of what is scored."""
    gene = next(gene for gene in people.genes if gene.id == score.target)
    subset = f"{gene.symbol} ({gene.id})" if gene.symbol else gene.id
    return score.model_copy(update={"target": TARGET, "subset": subset})


def _elastic_net(people: People, folds: npt.NDArray[np.int64], config: ElasticNetConfig, watcher: Watcher) -> Floats:
    """(people, genes) as geuvadis-elastic-net is measured, on the same folds."""
    columns = []
    with watcher.watching(ELASTIC_NET, len(people.genes)) as advance:
        for column in range(len(people.genes)):
            gene = gene_data(people, column, config)
            columns.append(predict_held_out(gene.dosages, gene.values, folds, config))
            advance(1, {})
    return np.stack(columns, axis=1).astype(np.float32)
